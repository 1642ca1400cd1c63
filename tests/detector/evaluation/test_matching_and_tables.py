"""Matching, thresholds, sizes, confusions and worst mistakes, against counts by hand and brute force."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.evaluation.confusion import confusion_matrix
from detector.evaluation.inputs import EvaluationInputs
from detector.evaluation.matching import match
from detector.evaluation.results import coco_results
from detector.evaluation.thresholds import recall_by_size, sweep_thresholds
from detector.evaluation.worst import worst_false_alarms, worst_misses
from detector.types import Detections

LEFT, RIGHT = (0, 0, 40, 40), (200, 0, 20, 20)


def make_inputs(annotations, results, images=(1,), categories=("crane", "heron")):
    return EvaluationInputs.from_coco(
        {
            "images": [{"id": i} for i in images],
            "categories": [{"id": 10 * (k + 1), "name": name} for k, name in enumerate(categories)],
            "annotations": [
                {"id": 100 + n, "image_id": i, "category_id": 10 * (k + 1), "bbox": box, "iscrowd": int(any(crowd))}
                for n, (i, k, box, *crowd) in enumerate(annotations)
            ],
        },
        [{"image_id": i, "category_id": 10 * (k + 1), "bbox": box, "score": s} for i, k, box, s in results],
    )


def draw_inputs(seed):
    """Boxes on a few places, so that many overlap, in 3 images and 2 categories."""
    rng = np.random.default_rng(seed)

    def box():
        return [*(rng.integers(0, 6, 2) * 5.0), *rng.uniform(15, 30, 2)]

    truth = [
        (int(rng.integers(1, 4)), int(rng.integers(2)), box(), rng.random() < 0.1) for _ in range(rng.integers(12))
    ]
    found = [
        (int(rng.integers(1, 4)), int(rng.integers(2)), box(), float(rng.random())) for _ in range(rng.integers(30))
    ]
    return make_inputs(truth, found, (1, 2, 3))


def test_nothing_matches_nothing():
    matches = match(make_inputs([], []))
    assert matches.truth_of_prediction.shape == matches.prediction_of_truth.shape == (0,)


def test_the_surest_detection_takes_the_bird():
    matches = match(make_inputs([(1, 0, LEFT)], [(1, 0, LEFT, 0.3), (1, 0, (2, 0, 40, 40), 0.8)]))
    assert matches.truth_of_prediction.tolist() == [-1, 0]
    assert matches.found_score.tolist() == [0.8]
    assert matches.false_positives.tolist() == [True, False]


def test_another_category_matches_only_when_asked():
    inputs = make_inputs([(1, 0, LEFT)], [(1, 1, LEFT, 0.8)])
    assert match(inputs).prediction_of_truth.tolist() == [-1]
    assert match(inputs, class_aware=False).prediction_of_truth.tolist() == [0]


def test_a_bird_goes_before_a_crowd_region():
    inputs = make_inputs([(1, 0, (0, 0, 300, 300), True), (1, 0, LEFT)], [(1, 0, LEFT, 0.9), (1, 0, RIGHT, 0.8)])
    matches = match(inputs)
    assert matches.truth_of_prediction.tolist() == [1, -1]
    assert matches.ignored.tolist() == [False, True]


def test_detections_beyond_the_limit_are_ignored():
    matches = match(make_inputs([(1, 0, LEFT)], [(1, 0, RIGHT, 0.9), (1, 0, LEFT, 0.8)]), max_detections=1)
    assert matches.ignored.tolist() == [False, True]
    assert matches.prediction_of_truth.tolist() == [-1]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0, 1))
def test_sweep_equals_matching_again_without_the_detections_below_the_threshold(seed, threshold):
    inputs = draw_inputs(seed)
    sweep = sweep_thresholds(inputs, match(inputs))
    step = int(np.searchsorted(sweep.thresholds, threshold))
    kept = inputs.predictions[inputs.predictions.scores >= sweep.thresholds[step]]
    matches = match(EvaluationInputs(inputs.image_ids, inputs.category_ids, inputs.category_names, inputs.truth, kept))
    true, false = (matches.truth_of_prediction >= 0).sum(), matches.false_positives.sum()
    birds = (~inputs.truth.crowd).sum()
    np.testing.assert_equal(sweep.precision[step], true / (true + false) if true + false else np.nan)
    np.testing.assert_equal(sweep.recall[step], true / birds if birds else np.nan)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_score_has_a_better_f1_than_the_best_threshold(seed):
    inputs = draw_inputs(seed)
    matches = match(inputs)
    sweep = sweep_thresholds(inputs, matches)
    assert sweep.best_f1 >= sweep.f1.max() - 1e-12
    for score in inputs.predictions.scores:
        hits = (matches.found_score >= score).sum()
        alarms = (matches.false_positives & (inputs.predictions.scores >= score)).sum()
        all_boxes = hits + alarms + (~inputs.truth.crowd).sum()  # 0 if all are crowd regions and what is in them
        assert sweep.best_f1 >= 2 * hits / max(all_boxes, 1) - 1e-12


def test_sweep_without_detections_has_no_precision():
    inputs = make_inputs([(1, 0, LEFT)], [])
    sweep = sweep_thresholds(inputs, match(inputs))
    assert np.isnan(sweep.precision).all()
    assert sweep.recall.max() == 0.0
    assert (sweep.best_threshold, sweep.best_f1) == (0.5, 0.0)


def test_recall_by_size_counts_each_bird_in_its_bin():
    """A bird of 40 px found at 0.3, one of 20 px found at 0.9, one of 200 px missed; a crowd left out."""
    annotations = [(1, 0, LEFT), (1, 0, RIGHT), (1, 0, (300, 0, 200, 200)), (1, 0, (0, 300, 9, 9), True)]
    inputs = make_inputs(annotations, [(1, 0, LEFT, 0.3), (1, 0, RIGHT, 0.9)])
    sizes = recall_by_size(inputs, match(inputs), score_threshold=0.5)
    assert sizes.counts.tolist() == [0, 0, 1, 1, 0, 1]
    np.testing.assert_array_equal(sizes.recall, [np.nan, np.nan, 1, 1, np.nan, 0])
    np.testing.assert_array_equal(sizes.recall_at_threshold, [np.nan, np.nan, 1, 0, np.nan, 0])


def test_confusion_matrix_counts_by_hand():
    """A crane called heron, a heron missed, a false heron, a second detection of the crane, and one too unsure."""
    annotations = [(1, 0, LEFT), (1, 1, RIGHT), (2, 1, LEFT)]
    results = [
        (1, 1, LEFT, 0.9),
        (1, 0, LEFT, 0.8),
        (2, 1, LEFT, 0.7),
        (1, 1, (400, 400, 10, 10), 0.6),
        (1, 1, RIGHT, 0.1),
    ]
    confusion = confusion_matrix(make_inputs(annotations, results, (1, 2)), score_threshold=0.5)
    assert confusion.names == ("crane", "heron", "background")
    assert confusion.counts.tolist() == [[0, 1, 0], [0, 1, 1], [1, 1, 0]]
    assert confusion.confusions()[0][2] == 1
    assert ("heron", "background", 1) in confusion.confusions()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_bird_is_in_its_row_of_the_confusion_matrix(seed):
    inputs = draw_inputs(seed)
    counts = confusion_matrix(inputs, score_threshold=0.3).counts
    birds = inputs.truth.categories[~inputs.truth.crowd]
    assert counts[:-1].sum(axis=1).tolist() == np.bincount(birds, minlength=2).tolist()


def test_most_confused_keeps_the_categories_that_are_mistaken():
    names = [f"species {k}" for k in range(550)]
    inputs = make_inputs([(1, 7, LEFT), (1, 3, RIGHT)], [(1, 500, LEFT, 0.9), (1, 3, RIGHT, 0.9)], categories=names)
    part = confusion_matrix(inputs, 0.5).most_confused(2)
    assert part.names == ("species 7", "species 500", "background")
    assert part.counts.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_worst_misses_are_the_largest_birds_not_seen_at_the_threshold():
    annotations = [(1, 0, RIGHT), (1, 1, LEFT), (1, 0, (300, 0, 90, 90)), (1, 0, (0, 0, 500, 500), True)]
    inputs = make_inputs(annotations, [(1, 1, LEFT, 0.2), (1, 0, (300, 0, 90, 90), 0.9)])
    misses = worst_misses(inputs, match(inputs), score_threshold=0.5)
    assert [(miss.annotation_id, miss.category, miss.score) for miss in misses] == [
        (101, "heron", 0.2),
        (100, "crane", None),
    ]
    assert misses[0].box_xywh == LEFT


def test_worst_false_alarms_are_the_surest():
    results = [(1, 0, RIGHT, 0.4), (1, 0, LEFT, 0.9), (1, 1, LEFT, 0.8)]
    inputs = make_inputs([(1, 0, LEFT)], results)
    alarms = worst_false_alarms(inputs, match(inputs), ("background", "correct", "classification"))
    assert [(alarm.score, alarm.error) for alarm in alarms] == [(0.8, "classification"), (0.4, "background")]


def test_coco_results_are_rounded_boxes_by_category_id():
    found = Detections([[10.123, 20, 30.456, 50]], [0.12345678], [1])
    results = coco_results({7: found, 9: Detections.empty()}, category_ids=[3, 17])
    assert results == [{"image_id": 7, "category_id": 17, "bbox": [10.12, 20.0, 20.33, 30.0], "score": 0.123457}]
    assert json.loads(json.dumps(results)) == results
    assert coco_results({}, [1]) == []


def test_a_crowd_region_of_another_category_excuses_nothing():
    matches = match(make_inputs([(1, 0, (0, 0, 300, 300), True)], [(1, 1, LEFT, 0.9)]))
    assert matches.false_positives.tolist() == [True]
