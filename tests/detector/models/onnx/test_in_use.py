"""A detector of another program does all that ours do: it is evaluated, and sees pictures mirrored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import detector as hp
from tests.detector.models.onnx.onnx_files import FILES, picture

SIZE = (128, 96)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return FILES["YOLOv8, v11"].write(tmp_path / "finder.onnx")


def box_at(place: int) -> tuple[int, int, int, int]:
    return 8 * place, 16, 8 * place + 40, 60


def test_it_is_evaluated_as_ours_are(path: Path, tmp_path: Path) -> None:
    images, annotations = [], []
    for place in range(4):
        Image.fromarray(picture(SIZE, box_at(place))).save(tmp_path / f"{place}.png")
        images.append({"id": place, "file_name": f"{place}.png", "width": SIZE[0], "height": SIZE[1]})
        left, top, right, bottom = box_at(place)
        box = [left, top, right - left, bottom - top]
        annotations.append({"id": place, "image_id": place, "category_id": 1, "bbox": box, "area": box[2] * box[3]})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "bird"}]}
    (tmp_path / "truth.json").write_text(json.dumps(document))
    evaluation = hp.evaluate(path, tmp_path / "truth.json", tmp_path, output=tmp_path / "report", workers=0)
    assert pytest.approx(1) == evaluation.metrics.AP50
    card = (tmp_path / "report" / "model_card.md").read_text()
    assert "- Detector: onnx yolov8" in card
    assert "davit" not in card
    tiled = hp.evaluate(path, tmp_path / "truth.json", tmp_path, tile=True, workers=0)
    assert tiled.metrics.AR100 > 0.9


@pytest.mark.parametrize("file", ["YOLOv8, v11", "YOLOv8, open size and batch", "RF-DETR"])
def test_augmented_it_finds_the_same(file: str, tmp_path: Path) -> None:
    model = hp.load_detector(FILES[file].write(tmp_path / "finder.onnx"), "cpu")
    [found] = hp.predict(model, [picture(SIZE, box_at(3))], tta=True)
    assert found.names == ["bird"]
    np.testing.assert_allclose(found.boxes_xyxy, [box_at(3)], atol=4)
