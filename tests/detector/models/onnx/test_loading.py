"""What an ONNX file says of itself, what a person says beside it, and files that are wrong."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from detector.cli.main import main
from detector.models import detect, load_detector, save_detector
from detector.models.coco import GROUPS
from detector.models.onnx.categories import COCO_80, COCO_91, categories_of, names_in
from detector.models.onnx.layouts import family_of
from tests.detector.models.onnx.onnx_files import COLUMNS, FILES, LOGITS, NAMED, READY, SCORE, File, picture

YOLO = FILES["YOLOv8, v11"]
BOX = (32, 16, 96, 60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "finder.onnx"


def load(file: File, path: Path):
    return load_detector(file.write(path), "cpu")


@pytest.mark.parametrize(
    ("shapes", "classes", "description", "ready", "family"),
    [
        ({}, 3, "", (), None),
        ({"output0": (1, 84, 8400)}, 80, "", (), "yolov8"),
        ({"output0": (1, 7, 33600)}, 3, "", (), "yolov8"),  # MegaDetector v6
        ({"output": (1, 25200, 8)}, 3, "", (), "yolov5"),  # MegaDetector v5
        ({"output": (1, 25200, 6)}, 1, "", (), "yolov5"),  # one category: as wide as suppressed boxes
        ({"output0": (1, 300, 6)}, 80, "", ("output0",), "yolov10"),
        ({"output0": (1, 300, 6)}, 80, "rtdetr-l rtdetrdecoder", ("output0",), "rtdetr"),
        ({"output0": (1, 300, 6)}, 2, "", (), None),  # scores of two categories
        ({"output0": (1, 300, 84)}, 80, "ultralytics rtdetr-l model", (), "rtdetr"),
        ({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, None, "", (), "rtdetr"),
        ({"dets": (1, 300, 4), "labels": (1, 300, 4)}, None, "", (), "rfdetr"),
        ({"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300)}, None, "", (), "rtdetr"),
        (
            {"boxes": (1, 300, 4), "scores": (1, 300, 80)},
            None,
            "",
            (),
            None,
        ),  # YOLO-NAS's are neither logits nor shares
        ({"output": (1, 8400, 85)}, None, "", (), None),  # YOLOX says nothing of itself
    ],
)
def test_the_family_is_told_where_only_one_fits(shapes, classes, description, ready, family) -> None:
    assert family_of(shapes, classes, description, ready) == family


@pytest.mark.parametrize(
    "text", ["", "birds", "{}", "{'bird': 0}", "{0: 1}", "{-1: 'bird'}", "__import__('os')", "[" * 9999]
)
def test_metadata_that_names_nothing_is_passed_over(text: str) -> None:
    assert names_in(text) is None


def test_numbers_without_a_name_stay_free() -> None:
    assert names_in("{2: 'bird', 0: 'cat'}") == ["cat", None, "bird"]
    assert names_in("['cat', 'bird']") == ["cat", "bird"]


def test_categories_of_coco_are_joined_as_the_built_in_detector_joins_them() -> None:
    for names in (COCO_80, COCO_91):
        categories = categories_of(names)
        assert categories.names == tuple(GROUPS)
        scores = np.zeros((3, len(names)), np.float32)
        scores[0, names.index("horse")] = scores[1, names.index("bird")] = scores[2, names.index("bench")] = 0.9
        np.testing.assert_array_equal(categories.scores(scores) > 0, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])


def test_names_may_be_joined_and_left_out(path: Path) -> None:
    model = load(replace(YOLO, text="names: {0: null, 1: animal, 2: animal}"), path)
    assert model.categories == ("animal",)
    assert len(detect(model, [picture((128, 96), BOX)])[0]) == 0


def test_a_person_is_believed_before_the_file(path: Path) -> None:
    model = load(replace(YOLO, text="names: [crane, heron, vehicle]\nscore_threshold: 0.95"), path)
    assert model.categories == ("crane", "heron", "vehicle")
    assert len(detect(model, [picture((128, 96), BOX)])[0]) == 0
    assert model.sha256 != load(YOLO, path.with_name("other.onnx")).sha256


def test_a_size_that_is_open_is_taken_from_the_file_or_said(path: Path) -> None:
    open_file = FILES["YOLOv8, open size and batch"]
    assert load(open_file, path).size_rule.size((1280, 960)) == (64, 48)
    said = replace(open_file, text="size: [128, 256]")
    assert load(said, path).size_rule.size((1280, 960)) == (171, 128)
    with pytest.raises(ConfigError, match="64 x 64 pixels and no others"):
        load(replace(YOLO, text="size: 128"), path)


def test_pictures_stand_in_the_input_as_in_ultralytics(path: Path) -> None:
    """Its LetterBox: the rest halved, on both sides, grey of 114."""
    net = load(YOLO, path).net
    for height, width in ((64, 47), (31, 64), (64, 64)):
        image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
        dw, dh = (64 - width) / 2, (64 - height) / 2
        top, bottom, left, right = (round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1))
        padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=114)
        expected = padded.transpose(2, 0, 1)[None] / np.float32(255)
        np.testing.assert_array_equal(net._batch([image], (64, 64)), expected)


def test_boxes_of_one_bird_are_suppressed_and_the_surest_stays(path: Path) -> None:
    twice = COLUMNS.replace("table = Unsqueeze (row, middle)", TWICE)
    found = detect(load(replace(YOLO, ends=twice), path), [picture((128, 96), BOX)])[0]
    assert len(found) == 1
    assert found.scores[0] == pytest.approx(SCORE)
    both = detect(load(replace(YOLO, ends=twice, text="nms_iou: 1.0"), path), [picture((128, 96), BOX)])[0]
    assert len(both) == 2


def test_it_suppresses_softly_if_asked(path: Path) -> None:
    twice = COLUMNS.replace("table = Unsqueeze (row, middle)", TWICE)
    model = replace(load(replace(YOLO, ends=twice), path), suppression="soft")
    assert len(detect(model, [picture((128, 96), BOX)])[0]) == 2


TWICE = """
  less = Constant <value_float = 0.95> ()
  weak = Mul (row, less)
  strong0 = Unsqueeze (row, middle)
  weak0 = Unsqueeze (weak, middle)
  table = Concat <axis = 1> (strong0, weak0)
"""


def test_a_fixed_batch_and_an_open_one_find_the_same(path: Path) -> None:
    pictures = [picture((128, 96), (8 * each, 16, 8 * each + 40, 60)) for each in range(5)]
    by_file = [detect(load(FILES[name], path), pictures) for name in ("YOLOv8, v11", "YOLOv8, open size and batch")]
    for one, other in zip(*by_file, strict=True):
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-4)
        assert len(one) == 1


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (replace(YOLO, metadata={}), "does not say how its outputs are to be read"),
        (replace(YOLO, text="family: yolox", metadata=NAMED), "these are not the outputs of yolox"),
        (replace(YOLO, metadata={}, text="family: yolov8"), "does not name its categories"),
        (replace(YOLO, text="names: [bird]"), "how its outputs are to be read"),
        (replace(YOLO, text="family: yolov8\nnames: [bird]"), "3 categories if it is yolov8, and 1 are named"),
        (replace(YOLO, text="names: [null, null, null]"), "no category is left"),
        (replace(YOLO, metadata={**YOLO.metadata, "task": "segment"}), "made to segment"),
        (replace(YOLO, ends=READY.replace("300", "7"), text="family: yolov5"), "1 categories if it is yolov5"),
        (replace(YOLO, inputs="float[1,4,64,64] images"), "4 channels"),
        (replace(YOLO, inputs="float[1,3,64,64] images, float[1] more"), "this takes images"),
    ],
)
def test_a_file_that_is_not_understood_says_so(file: File, told: str, path: Path) -> None:
    with pytest.raises(CheckpointError, match=told):
        load(file, path)


def test_an_unclear_file_shows_the_yaml_to_write(path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(replace(YOLO, metadata={}), path)
    written = str(caught.value.hint)
    assert written.startswith("write finder.yaml beside it:\n    family: yolov8")
    lines = [line[4:] for line in written.splitlines() if line.startswith("    ")]
    path.with_suffix(".yaml").write_text("\n".join(lines).replace("size: 640", "size: 64"))
    assert load_detector(path, "cpu").categories == ("animal", "person", "vehicle")


@pytest.mark.parametrize("text", ["family: yolo99", "sizes: 640", "names: 7", "- bird", "size: 0", "std: [1, 0, 1]"])
def test_a_wrong_yaml_is_named(text: str, path: Path) -> None:
    with pytest.raises(ConfigError, match=r"finder\.yaml"):
        load(replace(YOLO, text=text), path)


def test_logits_are_not_taken_for_scores(path: Path) -> None:
    logits = "logit = Constant <value_float = 7.0> ()\n  found_logit = Mul (any, logit)"
    ends = logits + COLUMNS.replace("found,", "found_logit,")
    model = load(replace(YOLO, ends=ends), path)
    with pytest.raises(CheckpointError, match=r"between 0 and 7, and not in 0\.\.1"):
        detect(model, [picture((128, 96), BOX)])


def test_scores_are_not_taken_for_logits(path: Path) -> None:
    file = FILES["RT-DETR of transformers"]
    scores = replace(
        file, ends=file.ends.replace(*LOGITS_AS_SCORES).replace("value_float = -10.0", "value_float = 0.0")
    )
    with pytest.raises(CheckpointError, match=r"logits lies in 0\.\.1, as scores do"):
        load(scores, path)
    found = detect(load(replace(scores, text=f"{scores.text}logits: false"), path), [picture((128, 96), BOX)])[0]
    assert found.scores.tolist() == [pytest.approx(SCORE)]


LOGITS_AS_SCORES = (LOGITS, "\n  logit = Identity (found)\n  low = Identity (none)\n")


@pytest.mark.parametrize("size", [0, 1, 100, -10])
def test_a_truncated_file_is_named(size: int, path: Path) -> None:
    content = YOLO.write(path).read_bytes()
    path.write_bytes(content[:size])
    with pytest.raises(CheckpointError, match=r"finder\.onnx"):
        load_detector(path, "cpu")


def test_a_damaged_file_is_read_or_named_and_nothing_else(path: Path, capfd) -> None:
    content, random = YOLO.write(path).read_bytes(), Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(random.choice([1, 2, 5])):
            place = random.randrange(len(damaged))
            damaged[place : place + random.randrange(3)] = random.randbytes(random.randrange(1, 3))
        path.write_bytes(damaged)
        with contextlib.suppress(HoopoeError):
            detect(load_detector(path, "cpu"), [picture((128, 96), BOX)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/passwd", "..\\secret.bin", "", "sub/../../secret.bin", "link.bin"]
)
def test_weights_outside_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    (tmp_path / "model" / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = with_weights_beside(tmp_path / "model" / "finder.onnx", location)
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_detector(path, "cpu")


@pytest.mark.parametrize(("key", "value"), [("offset", "²"), ("length", "9" * 5000), ("length", "-1")])
def test_places_of_weights_that_are_no_numbers_are_refused(key: str, value: str, tmp_path: Path) -> None:
    path = with_weights_beside(tmp_path / "finder.onnx", "finder.onnx.data")
    (tmp_path / "finder.onnx.data").write_bytes(bytes(64))
    model = onnx.load(str(path), load_external_data=False)
    next(entry for entry in model.graph.initializer[-1].external_data if entry.key == key).value = value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="are cut short"):
        load_detector(path, "cpu")


@pytest.mark.parametrize("stride", ["²", "9" * 5000, "-1"])
def test_a_stride_that_is_no_number_is_passed_over(stride: str, path: Path) -> None:
    file = FILES["YOLOv8, open size and batch"]
    model = load(replace(file, metadata={**file.metadata, "stride": stride}), path)
    assert len(detect(model, [picture((128, 96), BOX)])[0]) == 1


def test_an_input_that_no_machine_holds_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="no machine holds"):
        load(replace(YOLO, inputs="float[1,3,1000000,1000000] images"), path)


def test_weights_beside_the_file_are_read_and_belong_to_its_hash(tmp_path: Path) -> None:
    path = with_weights_beside(tmp_path / "finder.onnx", "finder.onnx.data")
    with pytest.raises(CheckpointError, match="are missing"):
        load_detector(path, "cpu")
    (tmp_path / "finder.onnx.data").write_bytes(np.float32(0).tobytes()[:3])
    with pytest.raises(CheckpointError, match="are cut short"):
        load_detector(path, "cpu")
    hashes = set()
    for value in (0, 1):
        (tmp_path / "finder.onnx.data").write_bytes(np.float32(value).tobytes())
        hashes.add(load_detector(path, "cpu").sha256)
    assert len(hashes) == 2


def with_weights_beside(path: Path, location: str) -> Path:
    """A finder of which one weight is said to lie in another file."""
    model = onnx.load(str(YOLO.write(path)))
    tensor = model.graph.initializer.add(name="unused", data_type=1, dims=[1], data_location=1)
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    model.graph.node.append(onnx.helper.make_node("Identity", ["unused"], ["nothing"]))
    onnx.save(model, str(path))
    return path


def test_what_is_missing_and_what_cannot_be_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="there is no such detector"):
        load_detector(path, "cpu")
    model = load(YOLO, path)
    with pytest.raises(ConfigError, match="are not saved"):
        save_detector(path.with_suffix(".safetensors"), model)
    with pytest.raises(ConfigError, match="cannot be trained"):
        model.net.train()([], [])
    with pytest.raises(ConfigError, match="not in bf16"):
        load_detector(path, "cpu", "bf16")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'hoopoe\[fast\]'"):
        load_detector(path, "cpu")


def test_it_is_not_exported_again(path: Path, capsys) -> None:
    YOLO.write(path)
    assert main(["export-model", str(path), "--output", str(path.with_name("out"))]) == 2
    assert "in another runtime's form already" in capsys.readouterr().err
