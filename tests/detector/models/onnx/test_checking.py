"""`hoopoe check-detector` says which conventions are wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.errors import ConfigError, DataError
from detector.cli.check_detector import _known
from detector.cli.main import main
from detector.models import load_detector
from detector.models.detector import Detector
from detector.models.onnx.checking import CHOICES, check_conventions
from tests.detector.models.onnx.onnx_files import FILES, picture

YOLO = FILES["YOLOv8, v11"]
BOX = (32, 16, 96, 60)
KNOWN = np.array([BOX], np.float32)
WRONG = {
    "colours": ("bgr", "rgb"),
    "pixel_max": (255, 1),
    "boxes": ("xyxy", "cxcywh"),
    "unit": ("shares", "pixels"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Image.fromarray(picture((128, 96), BOX)).save(tmp_path / "photo.png")
    return tmp_path / "finder.onnx"


def test_a_photo_of_nothing_decides_nothing(path: Path) -> None:
    model = load_detector(YOLO.write(path), "cpu")
    for known in (None, np.zeros((0, 4), np.float32)):
        verdicts = check_conventions(model, np.zeros((64, 64, 3), np.uint8), known)
        assert {verdict.option for verdict in verdicts} >= CHOICES.keys() - {"placing"}
        assert not any(verdict.decided for verdict in verdicts)


def test_a_file_that_is_read_rightly_has_no_better_reading(path: Path) -> None:
    model = load_detector(YOLO.write(path), "cpu")
    for known in (KNOWN, None):
        verdicts = {verdict.option: verdict for verdict in check_conventions(model, picture((128, 96), BOX), known)}
        assert all(verdict.better is None for verdict in verdicts.values())
        assert verdicts["colours"].decided
        assert verdicts["colours"].agreement == pytest.approx(0.9, abs=0.02)
    assert verdicts["boxes"].decided


@pytest.mark.parametrize("option", WRONG)
def test_what_is_read_wrongly_is_named(option: str, path: Path) -> None:
    wrong, right = WRONG[option]
    model = load_detector(replace(YOLO, text=f"{option}: {wrong}").write(path), "cpu")
    verdicts = check_conventions(model, picture((128, 96), BOX), KNOWN)
    assert {verdict.option: verdict.better for verdict in verdicts if verdict.better} == {option: right}


def test_detectors_of_other_kinds_need_no_check(make_detector) -> None:
    with pytest.raises(ConfigError, match="says itself how it is read"):
        check_conventions(Detector.of(make_detector()), picture((64, 64), (8, 8, 20, 20)))


def test_the_command_draws_what_is_found_and_says_that_all_is_right(path: Path, capsys) -> None:
    YOLO.write(path)
    words = ["check-detector", str(path), str(path.with_name("photo.png"))]
    drawn = path.with_name("boxes.png")
    assert main([*words, "--boxes", "32,16,64,44", "--drawn", str(drawn)]) == 0
    said = capsys.readouterr().out
    assert "onnx yolov8, input 64 x 64, categories bird, person, vehicle" in said
    assert "colours: rgb is right" in said
    assert Image.open(drawn).size == (128, 96)


def test_the_command_takes_known_boxes_of_a_coco_file(path: Path, capsys) -> None:
    replace(YOLO, text="colours: bgr").write(path)
    document = {
        "images": [{"id": 1, "file_name": "photo.png", "width": 128, "height": 96}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [32, 16, 64, 44]}],
        "categories": [{"id": 1, "name": "bird"}],
    }
    path.with_name("truth.json").write_text(json.dumps(document))
    words = [
        "check-detector",
        str(path),
        str(path.with_name("photo.png")),
        "--boxes",
        str(path.with_name("truth.json")),
    ]
    assert main(words) == 1
    assert "look: colours: rgb agrees better than bgr: write `colours: rgb` into finder.yaml" in capsys.readouterr().out


def test_of_photos_of_one_name_the_folder_tells_and_else_nothing_is_taken(path: Path) -> None:
    boxes = {"cam1": [1, 2, 3, 4], "cam2": [32, 16, 64, 44]}
    document = {
        "images": [
            {"id": number, "file_name": f"{folder}/photo.png", "width": 128, "height": 96}
            for number, folder in enumerate(boxes)
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": box}
            for number, box in enumerate(boxes.values())
        ],
        "categories": [{"id": 1, "name": "bird"}],
    }
    truth = path.with_name("truth.json")
    truth.write_text(json.dumps(document))
    known = _known([str(truth)], path.parent / "cam2" / "photo.png")
    np.testing.assert_array_equal(known, KNOWN)
    with pytest.raises(DataError, match="lists 2 photos"):
        _known([str(truth)], path.with_name("photo.png"))
    with pytest.raises(DataError, match="does not list"):
        _known([str(truth)], path.with_name("other.png"))


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "1,2,0,4", "1,2,nan,4", "none.json"])
def test_a_box_that_is_none_is_named(box: str, path: Path, capsys) -> None:
    YOLO.write(path)
    assert main(["check-detector", str(path), str(path.with_name("photo.png")), "--boxes", box]) == 2
    assert f"'{box}' is no box" in capsys.readouterr().err
