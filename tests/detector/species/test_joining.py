"""Boxes of several labels become one bird, and the detector's scores meet the classifier's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.boxes import box_iou
from detector.species.calibrating.fitting import average_precision, fit_weight
from detector.species.joining import SCORE_FLOOR, join_labels, merge_label_boxes
from detector.species.names.taxonomy import Taxonomy
from detector.species.posterior import fused_probabilities, species_scores

LABELS = 3
# few places and sizes, so that boxes meet
found_boxes = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 40]), st.sampled_from([0, 1, 30]), st.sampled_from([0, 10, 11, 12]),
        st.sampled_from([0, 10, 12]), st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(0, LABELS - 1),
    ),
    max_size=8,
)  # fmt: skip


def unpacked(rows: list[tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, *_ in rows], np.float32).reshape(-1, 4)
    return boxes, np.array([row[4] for row in rows], np.float32), np.array([row[5] for row in rows], np.int64)


def test_no_boxes_are_no_birds() -> None:
    boxes, scores = merge_label_boxes(*unpacked([]), LABELS)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0, LABELS)


def test_boxes_of_two_labels_on_one_bird_are_one_box_with_two_scores() -> None:
    rows = [(0, 0, 10, 10, 0.5, 2), (0, 0, 10, 11, 0.9, 0), (50, 0, 10, 10, 0.7, 1)]
    boxes, scores = merge_label_boxes(*unpacked(rows), LABELS)
    np.testing.assert_array_equal(boxes, [[0, 0, 10, 11], [50, 0, 60, 10]])
    np.testing.assert_allclose(scores, [[0.9, 0, 0.5], [0, 0.7, 0]])


@given(found_boxes)
def test_merging_what_is_merged_changes_nothing(rows: list[tuple[float, ...]]) -> None:
    boxes, label_scores = merge_label_boxes(*unpacked(rows), LABELS)
    bird, label = np.nonzero(label_scores)
    again = merge_label_boxes(boxes[bird], label_scores[bird, label], label, LABELS)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # a box without area overlaps nothing, not even itself
    if solid.all():
        np.testing.assert_array_equal(again[0], boxes)
        np.testing.assert_array_equal(again[1], label_scores)


@given(found_boxes, st.randoms())
def test_the_order_of_boxes_does_not_matter_and_no_score_is_lost(rows: list[tuple[float, ...]], random) -> None:
    boxes, label_scores = merge_label_boxes(*unpacked(rows), LABELS)
    shuffled = merge_label_boxes(*unpacked(random.sample(rows, len(rows))), LABELS)
    np.testing.assert_array_equal(shuffled[0], boxes)
    np.testing.assert_array_equal(shuffled[1], label_scores)
    overlaps = box_iou(boxes.astype(float), boxes.astype(float))
    assert (overlaps[~np.eye(len(boxes), dtype=bool)] < 0.7).all()
    highest = {label: max(score for *_, score, other in rows if other == label) for *_, label in rows}
    for label, score in highest.items():
        assert label_scores[:, label].max() == np.float32(score)


def test_scores_with_a_detector_of_birds_are_weighted_geometric_means_with_either_alone_at_the_ends() -> None:
    rng = np.random.default_rng(0)
    d, p = rng.random(5), rng.dirichlet(np.ones(3), 5)
    np.testing.assert_allclose(species_scores(d, p, 0.3), d[:, None] ** 0.7 * p**0.3, rtol=1e-5)
    np.testing.assert_allclose(species_scores(d, p, 0), np.tile(d[:, None], 3), rtol=1e-6)
    np.testing.assert_allclose(species_scores(d, p, 1), p, rtol=1e-6)


@given(st.floats(0, 1), st.integers(0, 99))
def test_a_detector_of_species_says_how_surely_there_is_a_bird_whoever_names_it(weight: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, p = rng.random((6, 3)) + 0.01, rng.dirichlet(np.ones(3), 6)
    scores = species_scores(d, p, weight)
    np.testing.assert_allclose(scores.sum(axis=1), d.max(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(species_scores(d, p, 0).argmax(axis=1), d.argmax(axis=1))
    np.testing.assert_array_equal(species_scores(d, p, 1).argmax(axis=1), p.argmax(axis=1))
    ratio = (d[:, 1] / d[:, 0]) ** (1 - weight) * (p[:, 1] / p[:, 0]) ** weight
    np.testing.assert_allclose(scores[:, 1] / scores[:, 0], ratio, rtol=1e-3)


def test_a_class_agnostic_detector_does_not_change_which_species_is_best() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(6), 40)
    scores = species_scores(rng.random(40), p, 0.4)
    np.testing.assert_array_equal(scores.argmax(axis=1), p.argmax(axis=1))


def test_a_detectors_labels_join_classes_by_scientific_name() -> None:
    taxonomy = Taxonomy(["White stork", "Unknown", "Hooded crow", "Feral pigeon", "Rock pigeon"])
    joined = join_labels(["Corvus cornix", "Columba livia", "Barn owl"], taxonomy)
    assert joined.label_of_class.tolist() == [-1, -1, 0, 1, 1]
    assert joined.unjoined == ("Barn owl",)
    scores = joined.class_scores(np.array([[0.8, 0.0, 0.1]], np.float32))
    np.testing.assert_allclose(scores, [[0.8, 0.8, 0.8, SCORE_FLOOR, SCORE_FLOOR]])  # of storks it cannot speak
    assert joined.class_scores(np.zeros((0, 3), np.float32)).shape == (0, 5)


def test_fused_probabilities_sum_to_one_and_side_with_the_surer() -> None:
    d, p = np.array([[0.9, 0.05], [0.3, 0.25]]), np.array([[0.4, 0.6], [0.0, 1.0]])
    fused = fused_probabilities(d, p, 0.5)
    np.testing.assert_allclose(fused.sum(axis=1), 1, rtol=1e-6)
    assert fused.argmax(axis=1).tolist() == [0, 1]


def test_average_precision_is_the_mean_precision_at_each_hit() -> None:
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([0.5, 0.5]), np.array([True, False])) == 0.5  # a tie is not won
    assert average_precision(np.zeros(0), np.zeros(0, bool)) == 0


def test_the_weight_follows_the_one_that_knows_better() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, 300)
    right, noise = np.eye(4)[truth] * 0.8 + 0.05, rng.dirichlet(np.ones(4), 300)
    knows, guesses = right / right.sum(axis=1, keepdims=True), noise
    by_classifier = fit_weight(guesses, knows, truth)
    by_detector = fit_weight(knows, guesses, truth)
    assert by_classifier.weight > 0.5 > by_detector.weight
    assert by_classifier.mean_ap[-1] == pytest.approx(1)


def test_a_weight_that_makes_no_difference_stays_in_the_middle_and_one_without_birds_is_refused() -> None:
    truth = np.array([0, 1, 0])
    assert fit_weight(np.eye(2)[truth] + 0.1, np.eye(2)[truth], truth).weight == 0.5
    with pytest.raises(ValueError, match="none"):
        fit_weight(np.ones(2), np.ones((2, 2)) / 2, np.array([-1, -1]))
