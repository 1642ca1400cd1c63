"""The folder that an evaluation writes, read back by other means than ours."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.errors import MediaError
from detector.evaluation.coco import evaluate_coco
from detector.evaluation.detecting import DetectedSet
from detector.evaluation.evaluation import evaluate_detections
from detector.evaluation.results import coco_results
from detector.evaluation.writer import write_evaluation
from detector.types import Detections
from tests.detector.evaluation.reference import run_pycocotools

BIRDS = Path(__file__).parents[3] / "../shared/data/birds"
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")
FILES = {
    "metrics.json",
    "predictions.json",
    "precision_recall.png",
    "by_threshold.png",
    "recall_by_size.png",
    "errors.png",
}


def make_ground_truth(categories=("crane", "heron"), images=4):
    """Two birds in every image but the last, which is empty; half of the images are thermal."""
    boxes = [(20, 20, 60, 40), (110, 50, 25, 25)]
    annotations = [(image, k % len(categories), box) for image in range(images - 1) for k, box in enumerate(boxes)]
    return {
        "info": {},
        "images": [
            {"id": 7 * i, "width": 160, "height": 120, "modality": ("visible", "thermal")[i % 2]} for i in range(images)
        ],
        "categories": [{"id": 5 * (k + 1), "name": name} for k, name in enumerate(categories)],
        "annotations": [
            {
                "id": n,
                "image_id": 7 * i,
                "category_id": 5 * (k + 1),
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for n, (i, k, box) in enumerate(annotations, 1)
        ],
    }


def draw_detections_of(ground_truth, seed=0):
    """What a detector of some skill could have found, in float32 with all its digits."""
    rng = np.random.default_rng(seed)
    found = {}
    for image in ground_truth["images"]:
        birds = [a for a in ground_truth["annotations"] if a["image_id"] == image["id"] and rng.random() < 0.8]
        boxes = [np.array([x, y, x + w, y + h]) + rng.normal(0, 2, 4) for x, y, w, h in (a["bbox"] for a in birds)]
        labels = [a["category_id"] // 5 - 1 if rng.random() < 0.8 else 0 for a in birds]
        boxes.append(np.array([5, 90, 25, 110]) + rng.normal(0, 1, 4))
        found[image["id"]] = Detections(boxes, rng.random(len(boxes)), [*labels, 0])
    return found


def grey_image(image_id):
    return np.full((120, 160, 3), 128, dtype=np.uint8)


def refuse_nan(text):
    raise ValueError(f"{text} is not JSON")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder, ground truth, metrics.json) of an evaluation with everything on."""
    output = tmp_path_factory.mktemp("evaluation") / "not" / "yet"
    ground_truth = make_ground_truth()
    results = coco_results(draw_detections_of(ground_truth), category_ids=[5, 10])
    evaluation = evaluate_detections(ground_truth, results, group_by=["modality"])
    write_evaluation(output, replace(evaluation, found=DetectedSet({0: Detections.empty()}, 0.25)), grey_image)
    return output, ground_truth, json.loads((output / "metrics.json").read_text(), parse_constant=refuse_nan)


def test_every_promised_file_is_there_and_nothing_else(written):
    assert {path.name for path in written[0].iterdir()} == FILES | {
        "confusion_matrix.png",
        "misses.png",
        "false_alarms.png",
    }


def test_metrics_have_the_keys_that_others_rely_on(written):
    metrics = written[2]
    assert {*FIGURES, "per_class", "images_per_second", "class_agnostic", "groups", "errors"} <= metrics.keys()
    assert set(metrics["per_class"]) == {"crane", "heron"}
    assert set(metrics["per_class"]["heron"]) == set(FIGURES)
    assert metrics["images_per_second"] == 4
    assert (metrics["images"], metrics["boxes"]) == (4, 6)
    assert {name: part["images"] for name, part in metrics["groups"]["modality"].items()} == {
        "thermal": 2,
        "visible": 2,
    }
    expected = evaluate_coco(written[1], json.loads((written[0] / "predictions.json").read_text()), class_agnostic=True)
    assert metrics["class_agnostic"]["AP50"] == expected.AP50


def test_pycocotools_gets_our_figures_from_our_predictions(written):
    output, ground_truth, metrics = written
    evaluator = run_pycocotools(ground_truth, str(output / "predictions.json"))
    for name, expected in zip(FIGURES, evaluator.stats.tolist(), strict=False):
        assert (-1 if metrics[name] is None else metrics[name]) == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize(("images", "found"), [(0, False), (1, False), (4, False), (4, True)])
def test_empty_data_and_empty_predictions_are_written_too(tmp_path, images, found):
    ground_truth = make_ground_truth(("bird",), images)
    results = coco_results(draw_detections_of(ground_truth) if found else {}, category_ids=[5])
    write_evaluation(tmp_path, evaluate_detections(ground_truth, results), grey_image)
    metrics = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse_nan)
    if images < 2:
        assert metrics["AP"] is None, "there was no box to find"
    else:
        assert (metrics["AP"] > 0) == found
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"misses.png", "false_alarms.png"}


def test_one_category_is_its_own_class_agnostic_figure():
    ground_truth = make_ground_truth(("bird",))
    evaluation = evaluate_detections(ground_truth, coco_results(draw_detections_of(ground_truth), [5]))
    assert evaluation.class_agnostic == evaluation.metrics
    assert evaluation.confusion is None


@pytest.mark.parametrize("error", [MediaError("cannot be decoded"), FileNotFoundError("gone.jpg")])
def test_a_picture_that_cannot_be_read_costs_only_its_tile(tmp_path, error):
    def read_image(image_id):
        if image_id == 0:
            raise error
        return grey_image(image_id)

    ground_truth = make_ground_truth(("bird",))
    evaluation = evaluate_detections(ground_truth, [])
    write_evaluation(tmp_path, evaluation, read_image)
    assert len(evaluation.misses) == 6
    assert Image.open(tmp_path / "misses.png").width == 4 * 248 + 8


def test_an_evaluation_replaces_an_older_one_whole(tmp_path):
    ground_truth = make_ground_truth(("bird",))
    results = coco_results(draw_detections_of(ground_truth), category_ids=[5])
    write_evaluation(tmp_path, evaluate_detections(ground_truth, results))
    write_evaluation(tmp_path, evaluate_detections(ground_truth, []))
    assert json.loads((tmp_path / "predictions.json").read_text()) == []
    assert json.loads((tmp_path / "metrics.json").read_text())["AP"] == 0.0
    assert {path.name for path in tmp_path.iterdir()} == FILES, "no unfinished file is left"


@pytest.mark.skipif(not BIRDS.exists(), reason="the real photos lie beside the repository")
def test_real_annotations_as_predictions_are_perfect_in_every_group():
    ground_truth = json.loads((BIRDS / "annotations" / "val.json").read_text())
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 1.0}
        for a in ground_truth["annotations"]
    ]
    evaluation = evaluate_detections(ground_truth, results, group_by=["modality"])
    assert math.isclose(evaluation.metrics.AP, 1.0)
    assert {name: round(part.AP, 9) for name, part in evaluation.groups["modality"].items()} == {
        "thermal": 1.0,
        "visible": 1.0,
    }
    assert sum(evaluation.errors.counts.values()) == 0
    assert (evaluation.misses, evaluation.false_alarms) == ([], [])


def crowd_of_two_species(birds):
    """One image with so many birds, of two categories by turns, and every bird found."""
    boxes = [[10.0 * (n % 20), 10.0 * (n // 20), 8.0, 8.0] for n in range(birds)]
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1 + n % 2, "bbox": box, "area": 64.0, "iscrowd": 0}
        for n, box in enumerate(boxes, 1)
    ]
    results = [{**record, "score": 0.9} for record in annotations]
    categories = [{"id": 1, "name": "tern"}, {"id": 2, "name": "gull"}]
    return {"images": [{"id": 1}], "annotations": annotations, "categories": categories}, results


def test_cocos_limit_is_for_each_category_also_where_all_are_taken_for_one():
    evaluation = evaluate_detections(*crowd_of_two_species(180))
    assert pytest.approx(1.0) == evaluation.metrics.AP
    assert pytest.approx(1.0) == evaluation.class_agnostic.AP
    assert evaluation.crowded_images == 0


def test_errors_and_confusions_count_every_bird_that_ap_counts():
    evaluation = evaluate_detections(*crowd_of_two_species(180))
    assert evaluation.errors.ap50 == pytest.approx(evaluation.metrics.AP50)
    assert set(evaluation.errors.prediction_types) == {"correct"}
    assert evaluation.confusion is not None
    assert evaluation.confusion.counts.tolist() == [[90, 0, 0], [0, 90, 0], [0, 0, 0]]


def test_images_with_more_birds_than_the_limit_are_counted():
    truth, results = crowd_of_two_species(220)
    evaluation = evaluate_detections(truth, results)
    assert evaluation.crowded_images == 1
    assert evaluation.metrics.AP < 0.95
    more = evaluate_detections(truth, results, max_detections=110)
    assert (more.crowded_images, more.metrics.AP) == (0, pytest.approx(1.0))
