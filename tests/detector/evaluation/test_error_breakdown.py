"""TIDE's error types: cases made by hand, and the authors' own tool where it is installed (tidecv)."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.evaluation.coco import coco_metrics
from detector.evaluation.error_breakdown import ERROR_TYPES, error_breakdown
from detector.evaluation.inputs import EvaluationInputs

BIRD = [100.0, 100.0, 100.0, 100.0]
SHIFTED = [140.0, 100.0, 100.0, 100.0]  # IoU 60 / 140 = 0.43 with BIRD
ELSEWHERE = [400.0, 400.0, 50.0, 50.0]


def make_inputs(annotations, results, images=(1,), categories=2):
    """Annotations (image, category, box[, crowd]) and results (image, category, box, score) as packed inputs."""
    return EvaluationInputs.from_coco(
        {
            "images": [{"id": i} for i in images],
            "categories": [{"id": k, "name": f"species {k}"} for k in range(1, categories + 1)],
            "annotations": [
                {"id": n, "image_id": image, "category_id": category, "bbox": box, "iscrowd": int(bool(crowd))}
                for n, (image, category, box, *crowd) in enumerate(annotations, 1)
            ],
        },
        [{"image_id": i, "category_id": k, "bbox": box, "score": score} for i, k, box, score in results],
    )


def test_nothing_at_all_has_no_errors():
    breakdown = error_breakdown(make_inputs([], []))
    assert breakdown.ap50 is None
    assert set(breakdown.counts.values()) == {0}
    assert set(breakdown.gains.values()) == {0.0}


def test_without_detections_every_bird_is_missed():
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD), (1, 2, ELSEWHERE)], []))
    assert breakdown.counts["missed"] == 2
    assert breakdown.ap50 == 0.0


@pytest.mark.parametrize(
    ("category", "box", "expected"),
    [
        (1, BIRD, "correct"),
        (2, BIRD, "classification"),
        (1, SHIFTED, "localisation"),
        (2, SHIFTED, "both"),
        (1, ELSEWHERE, "background"),
        (2, ELSEWHERE, "background"),
    ],
)
def test_a_detection_of_one_bird_has_the_type_of_the_paper(category, box, expected):
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], [(1, category, box, 0.9)]))
    assert breakdown.prediction_types == (expected,)


def test_the_second_detection_of_a_bird_is_a_duplicate():
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], [(1, 1, BIRD, 0.6), (1, 1, BIRD, 0.9)]))
    assert breakdown.prediction_types == ("duplicate", "correct")
    assert breakdown.counts["duplicate"] == 1


def test_a_detection_in_an_image_without_birds_is_background():
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], [(2, 1, BIRD, 0.9)], images=(1, 2)))
    assert breakdown.prediction_types == ("background",)
    assert breakdown.counts["missed"] == 1


def test_a_detection_in_a_crowd_region_is_ignored():
    inputs = make_inputs([(1, 1, [0, 0, 500, 500], True), (1, 2, ELSEWHERE)], [(1, 1, BIRD, 0.9), (1, 2, BIRD, 0.8)])
    breakdown = error_breakdown(inputs)
    assert breakdown.prediction_types == ("ignored", "background")
    assert breakdown.counts["missed"] == 1, "a crowd region cannot be missed"


def test_a_misplaced_bird_is_not_also_missed():
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], [(1, 1, SHIFTED, 0.9)]))
    assert breakdown.counts["missed"] == 0


@pytest.mark.parametrize(("category", "box", "name"), [(2, BIRD, "classification"), (1, SHIFTED, "localisation")])
def test_mending_the_only_error_makes_ap_one(category, box, name):
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], [(1, category, box, 0.9)]))
    assert breakdown.ap50 == 0.0
    assert breakdown.gains[name] == pytest.approx(1.0)


def test_only_the_surest_of_several_errors_on_a_bird_is_mended():
    """The other one disappears: two right detections of one bird would be too many."""
    results = [(1, 1, SHIFTED, 0.9), (1, 1, [60.0, 100.0, 100.0, 100.0], 0.8)]
    breakdown = error_breakdown(make_inputs([(1, 1, BIRD)], results))
    assert breakdown.counts["localisation"] == 2
    assert breakdown.gains["localisation"] == pytest.approx(1.0)


def test_gains_of_background_and_missed_by_hand():
    """Two birds, one found by the second of two detections: precision 1/2 up to recall 1/2."""
    annotations = [(1, 1, BIRD), (1, 1, [300.0, 100.0, 50.0, 50.0])]
    breakdown = error_breakdown(make_inputs(annotations, [(1, 1, ELSEWHERE, 0.9), (1, 1, BIRD, 0.8)], categories=1))
    assert breakdown.ap50 == pytest.approx(51 * 0.5 / 101)  # 51 of the 101 recall steps are <= 1/2
    assert breakdown.gains["background"] == pytest.approx(51 * 0.5 / 101)
    assert breakdown.gains["missed"] == pytest.approx(50 * 0.5 / 101)
    assert breakdown.false_positive_gain == pytest.approx(51 * 0.5 / 101)
    assert breakdown.false_negative_gain == pytest.approx(50 * 0.5 / 101)


def random_inputs(seed, images=6, categories=3):
    """Birds found well, badly, twice, under another name or not at all, and false alarms; all scores differ."""
    rng = np.random.default_rng(seed)
    annotations, boxes = [], []
    for image in range(1, images + 1):
        for category in range(1, categories + 1):  # each category has a box: tidecv counts others as AP 0
            for _ in range(rng.integers(1, 3)):
                box = rng.uniform([0, 0, 40, 40], [300, 300, 150, 150])
                annotations.append((image, category, box.tolist()))
                for _ in range(rng.integers(0, 4)):
                    shift = rng.normal(0, rng.choice([2.0, 15.0, 40.0]), 4) * [1, 1, 0.5, 0.5]
                    label = category if rng.random() < 0.7 else int(rng.integers(1, categories + 1))
                    boxes.append((image, label, np.maximum(box + shift, 1.0).tolist()))
        for _ in range(rng.integers(0, 4)):
            box = rng.uniform([0, 0, 10, 10], [300, 300, 100, 100])
            boxes.append((image, int(rng.integers(1, categories + 1)), box.tolist()))
    scores = rng.permutation(len(boxes)) / len(boxes) + 0.001
    results = [(image, label, box, float(score)) for (image, label, box), score in zip(boxes, scores, strict=True)]
    return annotations, results, tuple(range(1, images + 1))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_ap50_is_that_of_coco(seed):
    inputs = make_inputs(*random_inputs(seed), categories=3)
    breakdown = error_breakdown(inputs, max_detections=10_000)
    assert breakdown.ap50 == pytest.approx(coco_metrics(inputs).AP50, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_detection_has_one_type_and_no_gain_exceeds_what_is_left(seed):
    annotations, results, images = random_inputs(seed)
    breakdown = error_breakdown(make_inputs(annotations, results, images, categories=3))
    assert len(breakdown.prediction_types) == len(results)
    assert set(breakdown.prediction_types) <= {"correct", "ignored", *ERROR_TYPES}
    assert all(0 <= gain <= 1 - breakdown.ap50 + 1e-9 for gain in breakdown.gains.values())


# 0.35 as 35 / 100; COCO's 35 * 0.01 is a little more, and lies on the other side of a recall of 7/20
TIDECV_RECALL_STEPS = np.arange(101) / 100

# what tidecv 1.0.1 gives for random_inputs(seed): counts and gains of Cls, Loc, Both, Dupe, Bkg, Miss
TIDECV = {
    1: ((6, 9, 1, 6, 15, 3), (0.0725466, 0.0830287, 0.0060554, 0.0278054, 0.0613523, 0.04989)),
    2: ((6, 10, 7, 5, 9, 5), (0.1368094, 0.1487128, 0.0482571, 0.010639, 0.010639, 0.0742331)),
    3: ((3, 8, 3, 6, 11, 13), (0.0024752, 0.0811803, 0.0007151, 0.0110482, 0.072898, 0.259626)),
}


@pytest.mark.parametrize("seed", TIDECV)
def test_matches_the_recorded_figures_of_tidecv(seed):
    annotations, results, images = random_inputs(seed)
    with patch("detector.evaluation.error_breakdown.RECALL_STEPS", TIDECV_RECALL_STEPS):
        breakdown = error_breakdown(make_inputs(annotations, results, images, categories=3))
    counts, gains = TIDECV[seed]
    assert tuple(breakdown.counts.values()) == counts
    assert tuple(breakdown.gains.values()) == pytest.approx(gains, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_matches_tidecv(seed):
    annotations, results, images = random_inputs(seed)
    with patch("detector.evaluation.error_breakdown.RECALL_STEPS", TIDECV_RECALL_STEPS):
        breakdown = error_breakdown(make_inputs(annotations, results, images, categories=3))
    counts, gains, special, ap = run_tidecv(annotations, results)
    assert tuple(breakdown.counts.values()) == counts
    assert tuple(breakdown.gains.values()) == pytest.approx(gains, abs=1e-9)
    assert (breakdown.false_positive_gain, breakdown.false_negative_gain) == pytest.approx(special, abs=1e-9)
    assert breakdown.ap50 == pytest.approx(ap, abs=1e-9)


def run_tidecv(annotations, results):
    tidecv = pytest.importorskip("tidecv", reason="the reference tool; not a dependency, as it pulls opencv-python")
    from tidecv.data import Data
    from tidecv.errors import main_errors as errors

    truth, found = Data("truth"), Data("found")
    for image, category, box in annotations:
        truth.add_ground_truth(image, category, box)
    for image, category, box, score in results:
        found.add_detection(image, category, score, box)
    run = tidecv.TIDE().evaluate(truth, found)
    kinds = (
        errors.ClassError,
        errors.BoxError,
        errors.OtherError,
        errors.DuplicateError,
        errors.BackgroundError,
        errors.MissedError,
    )
    counted, gained, special = run.count_errors(), run.fix_main_errors(), run.fix_special_errors()
    return (
        tuple(counted[kind] for kind in kinds),
        tuple(gained[kind] / 100 for kind in kinds),
        (special[errors.FalsePositiveError] / 100, special[errors.FalseNegativeError] / 100),
        run.ap / 100,
    )
