import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detector.cli.main import main
from detector.data.coco.reading import read_coco
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.evaluation.detecting import DetectedSet, DetectionOptions, detect_all
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect
from detector.models.saving import save_detector
from detector.types import Detections
from tests.detector.evaluation.reference import run_pycocotools

SMALL = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}


@pytest.fixture
def detector_file(tmp_path: Path) -> Path:
    """A detector of one category with random weights that knows what it was trained on."""
    torch.manual_seed(0)
    model = build_detector(ModelConfig(**SMALL, score_threshold=0.0))
    path = tmp_path / "detector.safetensors"
    save_detector(path, Detector(model, DetectorMeta(config_of(model), {"mapping": {"*": "bird"}})))
    return path


def test_evaluate_writes_figures_and_pictures(detector_file: Path, drawn_set: Path, tmp_path: Path, capsys) -> None:
    annotations = ["--annotations", str(drawn_set / "val.json"), "--images", str(drawn_set / "images")]
    words = ["evaluate", str(detector_file), *annotations, "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--workers", "0", "--max-detections", "20", "--group-by", "width"]) == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["images"] == 5
    assert metrics["images_per_second"] > 0
    assert metrics["max_detections"] == 20
    assert list(metrics["per_class"]) == ["bird"], "the species were mapped as in training"
    assert list(metrics["groups"]["width"]) == ["128"]
    predictions = json.loads((tmp_path / "out/predictions.json").read_text())
    per_image = [sum(row["image_id"] == image for row in predictions) for image in range(1, 6)]
    assert max(per_image) <= 20
    assert (tmp_path / "out/misses.png").exists()
    assert "AP50" in capsys.readouterr().out


def test_pycocotools_gets_our_figures_from_the_file_of_annotations_and_predictions_json(
    drawn_set: Path, tmp_path: Path, monkeypatch
) -> None:
    """Sparse category and image ids, a crowd, an image without boxes, and one with more than 100 detections."""
    document = json.loads((drawn_set / "val.json").read_text())
    for record in document["categories"]:
        record["id"] = 7 * record["id"] + 2
    document["categories"].reverse()
    for record in document["images"]:
        record["id"] = 1000 - 3 * record["id"]
    for record in document["annotations"]:
        record |= {"category_id": 7 * record["category_id"] + 2, "image_id": 1000 - 3 * record["image_id"]}
    emptied = document["images"][1]["id"]
    document["annotations"] = [each for each in document["annotations"] if each["image_id"] != emptied]
    document["annotations"][0]["iscrowd"] = 1
    path = tmp_path / "sparse.json"
    path.write_text(json.dumps(document))

    def found_with_some_skill(model: object, annotations: Annotations, *_: object, **__: object) -> DetectedSet:
        rng = np.random.default_rng(0)
        detections = {}
        for place, image in enumerate(annotations.image_ids.tolist()):
            record = annotations[place]
            boxes = np.repeat(record.boxes_xyxy, 2, axis=0) + rng.normal(0, 1, (2 * len(record.labels), 4))
            alarms = rng.uniform([0, 0, 64, 64], [60, 60, 128, 128], (110 if place == 2 else 3, 4))
            labels = np.concatenate([np.repeat(record.labels, 2), rng.integers(0, 12, len(alarms))])
            detections[image] = Detections(np.concatenate([boxes, alarms]), rng.random(len(labels)), labels)
        return DetectedSet(detections, 1.0)

    monkeypatch.setattr("detector.evaluation.evaluation.detect_all", found_with_some_skill)
    detector = tmp_path / "twelve.safetensors"
    categories = tuple(record["name"] for record in document["categories"])
    model = build_detector(ModelConfig(**SMALL, categories=categories))
    save_detector(detector, Detector.of(model))
    words = ["evaluate", str(detector), "--annotations", str(path), "--images", str(drawn_set / "images")]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu"]) == 0

    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    evaluator = run_pycocotools(json.loads(path.read_text()), str(tmp_path / "out/predictions.json"))
    theirs = dict(
        zip(("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100"), evaluator.stats, strict=False)
    )
    assert 0.05 < theirs["AP"] < 0.95
    for name, value in theirs.items():
        assert (-1 if metrics[name] is None else metrics[name]) == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("crowds", [False, True])
def test_a_set_without_birds_is_said_to_have_no_ap(
    detector_file: Path, drawn_set: Path, tmp_path: Path, capsys, crowds: bool
) -> None:
    document = json.loads((drawn_set / "val.json").read_text())
    document["annotations"] = [record | {"iscrowd": 1} for record in document["annotations"] if crowds]
    (tmp_path / "blank.json").write_text(json.dumps(document))
    files = ["--annotations", str(tmp_path / "blank.json"), "--images", str(drawn_set / "images")]
    words = ["evaluate", str(detector_file), *files, "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--workers", "0", "--max-detections", "20"]) == 0
    assert "no annotated bird" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/metrics.json").read_text())["AP"] is None


def test_a_missing_picture_is_named(detector_file: Path, drawn_set: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", str(detector_file), "--annotations", str(drawn_set / "val.json"), "--images", str(tmp_path)]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]) == 2
    assert "val_000001.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_a_data_set_is_predicted_as_its_pictures_are_one_by_one(kind: str, drawn_set: Path) -> None:
    torch.manual_seed(0)
    model = build_detector(ModelConfig.model_validate({**SMALL, "detector": kind, "score_threshold": 0.0}))
    annotations, _ = read_coco([(drawn_set / "val.json", drawn_set / "images")])
    # 5 images over two processes, put together again: each is there once
    few = DetectionOptions(batch_size=2, loading=DataConfig(workers=0), max_detections=10)
    found = detect_all(Detector.of(model), annotations, few)
    assert sorted(found.detections) == annotations.image_ids.tolist()
    assert model.training
    for place in range(len(annotations)):
        record = annotations[place]
        [alone] = detect(Detector.of(model), [read_image(record.path)])
        assert len(alone) > 10, "the detector's own limit holds again"
        alone = alone[:10]
        torch.testing.assert_close(
            torch.from_numpy(found.detections[record.id].scores), torch.from_numpy(alone.scores), rtol=1e-4, atol=1e-5
        )


def test_ids_of_the_file_stay_its_ids_in_every_output(
    detector_file: Path, drawn_set: Path, tmp_path: Path, capsys
) -> None:
    """Ids that are texts, boxes without ids, two categories of one name: pycocotools reads our predictions."""
    document = json.loads((drawn_set / "val.json").read_text())
    own = {each["id"]: f"cam{each['id']}/IMG_0031" for each in document["images"]}
    for record in document["images"]:
        record["id"] = own[record["id"]]
    document["categories"] = [{"id": 40, "name": "bird"}, {"id": 30, "name": "bird"}]
    for number, record in enumerate(document["annotations"]):
        del record["id"]
        record |= {"image_id": own[record["image_id"]], "category_id": (40, 30)[number % 2]}
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(document))
    words = ["evaluate", str(detector_file), "--annotations", str(path), "--images", str(drawn_set / "images")]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]) == 0

    said = " ".join(capsys.readouterr().err.split())
    assert "'bird' has the ids 30, 40, which count as one category; give it one id" in said

    predictions = json.loads((tmp_path / "out/predictions.json").read_text())
    assert {row["image_id"] for row in predictions} == set(own.values())
    assert {row["category_id"] for row in predictions} == {30}, "the first of its ids"
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    names = {own[number]: f"val_{number:06}.jpg" for number in own}
    assert metrics["worst_misses"]
    for mistake in (*metrics["worst_misses"], *metrics["worst_false_alarms"]):
        assert mistake["file_name"] == names[mistake["image_id"]]
    assert {miss["annotation_id"] for miss in metrics["worst_misses"]} == {None}

    for number, record in enumerate(document["annotations"], 1):
        record |= {"id": number, "category_id": 30}
    evaluator = run_pycocotools(document, str(tmp_path / "out/predictions.json"))
    assert metrics["AP50"] == pytest.approx(evaluator.stats[1], abs=1e-6)


def test_ids_of_annotations_are_told_where_the_file_has_them(detector_file: Path, drawn_set: Path, tmp_path) -> None:
    document = json.loads((drawn_set / "val.json").read_text())
    for record in document["annotations"]:
        record["id"] += 1000
    path = tmp_path / "numbered.json"
    path.write_text(json.dumps(document))
    words = ["evaluate", str(detector_file), "--annotations", str(path), "--images", str(drawn_set / "images")]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]) == 0
    misses = json.loads((tmp_path / "out/metrics.json").read_text())["worst_misses"]
    assert {miss["annotation_id"] for miss in misses} <= {record["id"] for record in document["annotations"]}
