"""AP and AR against pycocotools, the protocol's reference. Numbers in names are user threads that asked for it."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.errors import DataError
from detector.evaluation.coco import coco_metrics, evaluate_coco, image_groups, metrics_by_group, precision_recall
from detector.evaluation.inputs import EvaluationInputs
from tests.detector.evaluation.reference import run_pycocotools

FIELDS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")


def make_ground_truth(annotations=(), images=(1,), categories=(1,)):
    """COCO dict of annotations given as (image, category, box) or (image, category, box, crowd)."""
    return {
        "info": {},
        "images": [{"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in images],
        "categories": [{"id": k, "name": f"species {k}"} for k in categories],
        "annotations": [
            {
                "id": n,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": int(any(crowd)),
            }
            for n, (image, category, box, *crowd) in enumerate(annotations, 1)
        ],
    }


def result(image, category, box, score):
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def reference(ground_truth, results):
    """pycocotools' figures by our names; its -1 is our None."""
    stats = run_pycocotools(ground_truth, results).stats[: len(FIELDS)].tolist()
    known = zip(FIELDS, stats, strict=True)
    return {name: None if value == -1 else pytest.approx(value, abs=1e-6) for name, value in known}


def figures(metrics):
    return {name: getattr(metrics, name) for name in FIELDS}


def draw_detection_set(seed):
    """A data set with everything that is awkward: see the comments."""
    rng = np.random.default_rng(seed)
    images = np.sort(rng.choice(1000, rng.integers(1, 9), replace=False)).tolist()  # sparse ids, 0 among them
    categories = rng.choice(np.arange(1, 91), rng.integers(1, 4), replace=False).tolist()  # sparse, in any order
    annotations, results = [], []
    for image in images:
        birds = 0 if rng.random() < 0.2 else rng.integers(0, 9)  # empty images, with or without false alarms
        for _ in range(birds):
            box = rng.uniform([0, 0, 2, 2], [400, 400, 200, 200]).round(int(rng.integers(0, 3)))
            box[2:] = np.maximum(box[2:], 1)
            category = int(rng.choice(categories))
            annotations.append((image, category, box.tolist(), bool(rng.random() < 0.15)))
            for _ in range(rng.integers(0, 4)):
                moved = box + rng.normal(0, rng.choice([0, 3, 20]), 4)
                moved[2:] = np.maximum(moved[2:], 0)
                label = category if rng.random() < 0.8 else int(rng.choice(categories))
                results.append(result(image, label, moved.tolist(), float(rng.random().__round__(2))))  # ties
        for _ in range(130 if rng.random() < 0.15 else rng.integers(0, 4)):  # more than 100 in an image
            box = rng.uniform([0, 0, 2, 2], [400, 400, 200, 200])
            results.append(result(image, int(rng.choice(categories)), box.tolist(), float(rng.random())))
    rng.shuffle(results)
    return make_ground_truth(annotations, images, categories), [] if rng.random() < 0.05 else results


def test_no_predictions_give_ap_0():
    ground_truth = make_ground_truth([(1, 1, (10, 10, 20, 20))])
    metrics = evaluate_coco(ground_truth, [])
    assert (metrics.AP, metrics.AP50, metrics.AR100) == (0.0, 0.0, 0.0)
    assert metrics.APl is None, "there is no large box to find"
    assert figures(metrics) == reference(ground_truth, [])


def test_no_boxes_to_find_give_none_and_valid_json():
    metrics = evaluate_coco(make_ground_truth(), [result(1, 1, (0, 0, 5, 5), 0.5)])
    assert metrics.AP is None
    assert metrics.per_class["species 1"].AP50 is None
    assert json.loads(json.dumps(metrics.as_dict(), allow_nan=False))["AP"] is None


def test_no_images_at_all():
    metrics = evaluate_coco(make_ground_truth(images=()), [])
    assert (metrics.AP, metrics.images, metrics.boxes) == (None, 0, 0)


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_pycocotools_on_any_detection_set_ultralytics_10326(seed):
    ground_truth, results = draw_detection_set(seed)
    assert figures(evaluate_coco(ground_truth, results)) == reference(ground_truth, results)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_per_class_equals_pycocotools_on_that_class(seed):
    ground_truth, results = draw_detection_set(seed)
    metrics = evaluate_coco(ground_truth, results)
    for category in ground_truth["categories"]:
        part = {**ground_truth, "categories": [category]}
        part["annotations"] = [a for a in ground_truth["annotations"] if a["category_id"] == category["id"]]
        found = [r for r in results if r["category_id"] == category["id"]]
        assert figures(metrics.per_class[category["name"]]) == reference(part, found)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_class_agnostic_equals_pycocotools_with_one_category(seed):
    ground_truth, results = draw_detection_set(seed)
    as_bird = make_ground_truth((), [image["id"] for image in ground_truth["images"]])
    as_bird["annotations"] = [{**a, "category_id": 1} for a in ground_truth["annotations"]]
    expected = reference(as_bird, [{**r, "category_id": 1} for r in results])
    assert figures(evaluate_coco(ground_truth, results, class_agnostic=True)) == expected


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), limit=st.sampled_from([1, 3, 50, 300]))
def test_max_detections_other_than_100_are_respected_cocoapi_558(seed, limit):
    ground_truth, results = draw_detection_set(seed)
    evaluator = run_pycocotools(ground_truth, results, (1, limit, max(limit, 100)))
    precision = evaluator.eval["precision"][:, :, :, 0, 1]  # its summary would give -1, or AP at 100
    precision = precision[precision > -1]
    ap = evaluate_coco(ground_truth, results, max_detections=limit).AP
    assert ap == (pytest.approx(precision.mean(), abs=1e-6) if precision.size else None)


def test_ap_beyond_100_detections_is_not_minus_one_torchmetrics_2560():
    """The bird is found by the 150th detection of its image: lost at 100, found at 300."""
    ground_truth = make_ground_truth([(1, 1, (10, 10, 50, 50))])
    results = [result(1, 1, (200, 200, 10, 10), 0.9 - n / 1000) for n in range(149)]
    results.append(result(1, 1, (10, 10, 50, 50), 0.1))
    assert evaluate_coco(ground_truth, results).AP == 0.0
    ap = evaluate_coco(ground_truth, results, max_detections=300).AP
    assert ap == pytest.approx(1 / 150)


def test_annotation_id_0_counts_like_any_other():
    """pycocotools takes a match with annotation 0 for no match."""
    ground_truth = make_ground_truth([(1, 1, (10, 10, 50, 50))])
    ground_truth["annotations"][0]["id"] = 0
    ap = evaluate_coco(ground_truth, [result(1, 1, (10, 10, 50, 50), 0.9)]).AP
    assert ap == pytest.approx(1.0)


def test_missing_area_is_width_times_height():
    ground_truth = make_ground_truth([(1, 1, (10, 10, 50, 50))])
    del ground_truth["annotations"][0]["area"]
    metrics = evaluate_coco(ground_truth, [result(1, 1, (10, 10, 50, 50), 0.9)])
    assert (metrics.APs, metrics.APm, metrics.APl) == (None, pytest.approx(1.0), None)


def test_found_birds_in_a_crowd_region_count_neither_way():
    ground_truth = make_ground_truth([(1, 1, (0, 0, 300, 300), True), (1, 1, (400, 10, 50, 50))])
    flock = [result(1, 1, (20 * n, 50, 15, 15), 0.95) for n in range(10)]
    metrics = evaluate_coco(ground_truth, [*flock, result(1, 1, (400, 10, 50, 50), 0.9)])
    assert (metrics.AP, metrics.boxes) == (pytest.approx(1.0), 1)


def test_unknown_category_is_an_error_not_ap_0_mmdetection_2361():
    with pytest.raises(DataError, match=r"predictions\[1\].*category_id 7 .* not in the ground truth"):
        evaluate_coco(make_ground_truth(), [result(1, 1, (0, 0, 5, 5), 0.5), result(1, 7, (0, 0, 5, 5), 0.5)])


def test_unknown_image_is_an_error():
    with pytest.raises(DataError, match=r"predictions\[0\].*image_id 2"):
        evaluate_coco(make_ground_truth(), [result(2, 1, (0, 0, 5, 5), 0.5)])


@pytest.mark.parametrize(("box", "score"), [((0, 0, float("nan"), 5), 0.5), ((0, 0, 5, 5), float("inf"))])
def test_numbers_that_are_not_finite_are_an_error(box, score):
    with pytest.raises(DataError, match="not finite"):
        evaluate_coco(make_ground_truth(), [result(1, 1, box, score)])


def test_categories_of_one_name_keep_a_row_each():
    ground_truth = make_ground_truth(categories=(1, 2))
    ground_truth["categories"][1]["name"] = "species 1"
    assert list(evaluate_coco(ground_truth, []).per_class) == ["species 1 (id 1)", "species 1 (id 2)"]


def test_arguments_are_left_alone():
    ground_truth, results = draw_detection_set(5)
    before = copy.deepcopy((ground_truth, results))
    evaluate_coco(ground_truth, results)
    assert (ground_truth, results) == before


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_group_is_evaluated_as_if_it_were_the_data_set(seed):
    ground_truth, results = draw_detection_set(seed)
    for n, image in enumerate(ground_truth["images"]):
        image["modality"] = "thermal" if n % 3 == 0 else "visible"
    groups = image_groups(ground_truth, "modality")
    measured = metrics_by_group(EvaluationInputs.from_coco(ground_truth, results), groups)
    for name, ids in groups.items():
        part = {**ground_truth, "images": [image for image in ground_truth["images"] if image["id"] in ids]}
        part["annotations"] = [a for a in ground_truth["annotations"] if a["image_id"] in ids]
        assert measured[name] == evaluate_coco(part, [r for r in results if r["image_id"] in ids])
        assert measured[name].images == len(ids)


def test_images_without_the_attribute_form_a_group_of_their_own():
    ground_truth = make_ground_truth(images=(1, 2))
    ground_truth["images"][0]["modality"] = "thermal"
    assert image_groups(ground_truth, "modality") == {"thermal": [1], "unknown": [2]}


def test_precision_recall_curve_is_that_of_pycocotools():
    ground_truth, results = draw_detection_set(11)
    inputs = EvaluationInputs.from_coco(ground_truth, results)
    expected = run_pycocotools(ground_truth, results).eval["precision"]
    curve = precision_recall(inputs).curves(0.75)
    np.testing.assert_allclose(np.nan_to_num(curve, nan=-1.0), expected[5, :, :, 0, 2].T, atol=1e-9)
    assert np.nanmean(curve) == pytest.approx(coco_metrics(inputs).AP75)
