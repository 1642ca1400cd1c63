"""False boxes on pictures without birds: counted at the score of best F1, of this set and of other pictures."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from detector.cli.main import main
from detector.data.negatives import read_negatives
from detector.evaluation.detecting import DetectedSet
from detector.evaluation.evaluation import evaluate_detections
from detector.evaluation.false_boxes import annotated_categories, false_boxes, sheet_of
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect
from detector.models.saving import load_detector, save_detector
from detector.types import Detections


def evaluated(birds, found):
    """Of four pictures: birds by (picture, category), detections by (picture, category, score)."""
    truth = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 50, "height": 50} for n in (1, 2, 3, 4)],
        "categories": [{"id": 1, "name": "bird"}, {"id": 2, "name": "person"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": kind, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": crowd}
            for n, (image, kind, crowd) in enumerate(birds, 1)
        ],
    }
    rows = [{"image_id": i, "category_id": k, "bbox": [0, 0, 9, 9], "score": s} for i, k, s in found]
    return evaluate_detections(truth, rows)


def test_a_set_with_birds_everywhere_has_no_picture_to_count_in():
    assert evaluated([(n, 1, 0) for n in (1, 2, 3, 4)], []).false_on_own is None


def test_boxes_of_annotated_categories_count_from_the_best_threshold_where_no_box_is():
    evaluation = evaluated(
        [(1, 1, 0), (2, 1, 1)],  # a bird, and a crowd, in which anything may be
        [(1, 1, 0.9), (2, 1, 0.95), (3, 1, 0.95), (3, 1, 0.91), (3, 1, 0.5), (4, 2, 0.95)],
    )
    assert evaluation.sweep.best_threshold == 0.9
    own = evaluation.false_on_own
    assert (own.images, own.images_with, own.boxes, own.per_image) == (2, 1, 2, 1.0)
    assert json.loads(json.dumps(evaluation.as_dict()["false_boxes"]["own"]))["boxes"] == 2


def test_without_any_bird_every_category_counts():
    assert annotated_categories(evaluated([], []).inputs) == {"bird", "person"}
    assert annotated_categories(evaluated([(1, 1, 0)], []).inputs) == {"bird"}


@pytest.fixture
def blanks(tmp_path):
    folder = tmp_path / "blanks"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 255, (60, 80, 3), np.uint8))
    return folder


def test_the_surest_of_each_picture_are_named_the_surest_first(blanks, tmp_path):
    negatives, _ = read_negatives([blanks])
    found = {
        image: Detections(
            boxes_xyxy=np.array([[5, 5, 20, 20]] * len(scores), np.float32).reshape(-1, 4),
            scores=np.array(scores, np.float32),
            labels=np.array(labels, np.int64),
            category_names=("bird", "person"),
        )
        for image, scores, labels in ((1, [0.9, 0.6, 0.1], [1, 0, 0]), (2, [], []), (3, [0.8, 0.7], [0, 0]))
    }
    counted = false_boxes(negatives, DetectedSet(found, 1.0), {"bird"}, score=0.5)
    assert (counted.images, counted.images_with, counted.boxes) == (3, 2, 3)
    assert [(each.path.name, round(each.score, 2)) for each in counted.worst] == [("c.png", 0.8), ("a.png", 0.6)]
    assert str(counted) == "1.00 a picture from 0.50 up: 3 in 2 of 3 pictures"
    gone = replace(counted.worst[0], path=tmp_path / "gone.png")
    assert sheet_of([*counted.worst, gone]).any()


def test_evaluate_counts_boxes_on_other_pictures(blanks, drawn_set, tmp_path, capsys):
    torch.manual_seed(0)
    small = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}
    net = build_detector(ModelConfig(**small, score_threshold=0.0))
    file, out = tmp_path / "detector.safetensors", tmp_path / "out"
    save_detector(file, Detector(net, DetectorMeta(config_of(net), {"mapping": {"*": "bird"}, "licence": "CC0-1.0"})))
    annotations = ["--annotations", str(drawn_set / "val.json"), "--images", str(drawn_set / "images")]
    words = ["evaluate", str(file), *annotations, "--negatives", str(blanks), "--output", str(out), "--device", "cpu"]
    assert main([*words, "--workers", "0"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    negatives, score = metrics["false_boxes"]["negatives"], metrics["best_threshold"]["score"]
    pictures = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(blanks.iterdir())]
    found = detect(load_detector(file), pictures)
    assert negatives["boxes"] == sum(int((each.scores >= score).sum()) for each in found)
    assert negatives["images"] == 3
    assert negatives["score"] == score
    assert (out / "false_on_negatives.png").exists()
    assert "false boxes on --negatives: " in capsys.readouterr().out
    card = (out / "model_card.md").read_text()
    assert f"on 3 pictures of others without birds | {negatives['boxes_per_image']:.3f} |" in card
    assert "These weights: CC0-1.0" in card
