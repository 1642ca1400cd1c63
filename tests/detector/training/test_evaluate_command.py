import json
from pathlib import Path

import pytest
import torch

from detector.cli.main import main
from detector.data.coco import read_coco
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig
from detector.models.prediction import predict
from detector.models.saving import DetectorMeta, save_detector
from detector.training.evaluation import detect_all, limit_detections

SMALL = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}


@pytest.fixture
def detector_file(tmp_path: Path) -> Path:
    """A detector of one category with random weights that knows what it was trained on."""
    torch.manual_seed(0)
    model = build_detector(ModelConfig(**SMALL, score_threshold=0.0))
    path = tmp_path / "detector.safetensors"
    save_detector(path, model, DetectorMeta(config_of(model), {"mapping": {"*": "bird"}}))
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


def test_a_missing_picture_is_named(detector_file: Path, drawn_set: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", str(detector_file), "--annotations", str(drawn_set / "val.json"), "--images", str(tmp_path)]
    assert main([*words, "--output", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]) == 2
    assert "val_000001.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_a_data_set_is_predicted_as_its_pictures_are_one_by_one(kind: str, drawn_set: Path) -> None:
    torch.manual_seed(0)
    model = build_detector(ModelConfig.model_validate({**SMALL, "detector": kind, "score_threshold": 0.0}))
    limit_detections(model, None, 10)
    annotations, _ = read_coco([(drawn_set / "val.json", drawn_set / "images")])
    # 5 images over two processes, put together again: each is there once
    found = detect_all(model, annotations, DataConfig(workers=0), batch_size=2, precision="fp32")
    assert sorted(found.detections) == annotations.image_ids.tolist()
    assert model.training
    for place in range(len(annotations)):
        record = annotations[place]
        [alone] = predict(model, [read_image(record.path)])
        assert len(alone) == 10
        torch.testing.assert_close(
            torch.from_numpy(found.detections[record.id].scores), torch.from_numpy(alone.scores), rtol=1e-4, atol=1e-5
        )
