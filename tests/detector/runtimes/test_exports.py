"""Exports of models: the boxes and names of torch at any size, from a folder that is believed only if it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from detector.cli.main import main
from detector.conversion.export import Target, described, export_plain, new_export
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.models.saving import load_detector
from detector.runtimes import openvino_part
from detector.runtimes.loading import TRUSTED, Runner
from detector.runtimes.manifest import EXPORT_FILE
from detector.runtimes.openvino_part import OpenVINOPart
from detector.runtimes.stand_ins import DenseBackbone
from detector.species.classifier import load_classifier
from tests.detector.runtimes.nano_models import nano_classifier, nano_detector, pictures


@pytest.fixture(scope="module", params=["openvino retinanet biformer_nano", "onnx faster_rcnn davit_nano"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Path]:
    """A detector, and the folder of its export."""
    runtime, kind, backbone = request.param.split()
    pytest.importorskip("openvino" if runtime == "openvino" else "onnxruntime")
    detector = nano_detector(backbone, detector=kind)
    folder = tmp_path_factory.mktemp("exports") / runtime
    export_plain(detector, folder, Target(runtime))
    return detector, folder


@pytest.fixture(scope="module")
def exported_birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of `nano_classifier` for ONNX Runtime; not to be changed."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("exports") / "birds"
    export_plain(nano_classifier(), folder, Target("onnx"))
    return folder


@pytest.fixture
def birds_folder(exported_birds: Path, tmp_path: Path) -> Path:
    """A copy of it, which may be spoiled."""
    return shutil.copytree(exported_birds, tmp_path / "birds")


@pytest.fixture(scope="module")
def loaded(exported: tuple[Detector, Path]) -> Detector:
    return load_detector(exported[1], "cpu", "fp32")


def test_no_pictures_give_nothing(loaded: Detector) -> None:
    assert detect(loaded, []) == []


def test_an_export_finds_the_same_boxes_at_any_size(exported: tuple[Detector, Path], loaded: Detector) -> None:
    detector, folder = exported
    assert loaded.categories == detector.categories
    assert loaded.runtime.split() == [folder.name, "fp32"]
    for ours, theirs in zip(detect(detector, pictures()), detect(loaded, pictures()), strict=True):
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-5)
        np.testing.assert_allclose(theirs.boxes_xyxy, ours.boxes_xyxy, atol=1e-2)
        assert theirs.labels.tolist() == ours.labels.tolist()


def test_compiled_for_sizes_that_come_and_go_it_gives_the_same(
    exported: tuple[Detector, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported[1]
    if folder.name != "openvino":
        pytest.skip("compiled once for all sizes")
    monkeypatch.setattr(openvino_part, "MOST_SIZES", 1)
    free, by_size = (OpenVINOPart(folder / "dense.xml", "fp32", exact=exact) for exact in (True, False))
    DenseBackbone(free), DenseBackbone(by_size)
    assert [free.by_size, by_size.by_size] == [False, True]
    torch.manual_seed(0)
    for size_hw in ((64, 64), (64, 96), (64, 64)):
        picture = torch.randn(1, 3, *size_hw)
        for ours, theirs in zip(by_size(picture), free(picture), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_picture_in_a_batch_has_the_boxes_it_has_alone(loaded: Detector) -> None:
    together = detect(loaded, pictures()[2:], batch_size=2)
    alone = [detect(loaded, [picture])[0] for picture in pictures()[2:]]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


@pytest.mark.parametrize(
    ("said", "told"), [("Reshape: shapes\n do not fit", "failed .Reshape: shapes do not"), ("bad_alloc", "no memory")]
)
def test_a_runtime_that_fails_while_it_runs_is_told_in_words(
    loaded: Detector, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError(said)

    part = cast(Any, loaded.net).backbone.part
    monkeypatch.setattr(type(part), "run", fail)
    with pytest.raises(HoopoeError, match=told) as caught:
        detect(loaded, pictures()[:1])
    assert str(caught.value.where).endswith("dense")


def test_an_export_is_not_saved_as_weights_nor_exported_again(loaded: Detector, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not saved"):
        loaded.save(tmp_path / "copy.safetensors")
    with pytest.raises(ConfigError, match="already"):
        export_plain(loaded, tmp_path / "again", Target("onnx"))


def test_a_file_that_was_changed_or_lost_is_named(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    weights = max(copy.iterdir(), key=lambda path: path.stat().st_size)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="not the one that was exported") as caught:
        load_detector(copy, "cpu")
    assert weights.name in str(caught.value.where)
    weights.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_detector(copy, "cpu")


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_part_that_is_no_network_is_named_whatever_its_hash_says(
    exported: tuple[Detector, Path], tmp_path: Path, content: bytes | None
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    said = json.loads((copy / EXPORT_FILE).read_text())
    name = next(each for each in said["parts"]["dense"]["files"] if not each.endswith(".bin"))
    content = (copy / name).read_bytes()[:-100] if content is None else content  # cut off
    (copy / name).write_bytes(content)
    said["parts"]["dense"]["files"][name] = hashlib.sha256(content).hexdigest()
    (copy / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError) as caught:
        load_detector(copy, "cpu")
    assert name in str(caught.value.where)


def test_a_part_that_lies_elsewhere_is_not_followed(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    part = next(each for each in copy.iterdir() if each.name.startswith("dense"))
    part.rename(tmp_path / part.name)
    part.symlink_to(tmp_path / part.name)
    with pytest.raises(CheckpointError, match="missing"):
        load_detector(copy, "cpu")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": "hoopoe-export-1"}'])
def test_a_folder_that_describes_itself_wrongly_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EXPORT_FILE).write_bytes(content)
    with pytest.raises(CheckpointError):
        load_detector(tmp_path, "cpu")


@pytest.mark.parametrize("name", ["../dense.xml", "/etc/passwd", "a/b.xml", "..", ".hidden"])
def test_no_part_lies_outside_the_folder(exported: tuple[Detector, Path], tmp_path: Path, name: str) -> None:
    said = json.loads((exported[1] / EXPORT_FILE).read_text())
    said["parts"]["dense"]["files"] = {name: "0" * 64}
    (tmp_path / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match="no export"):
        load_detector(tmp_path, "cpu")


@pytest.mark.parametrize(
    "spoil", [lambda said: said.update(format="hoopoe-export-9"), lambda said: said["model"].update(backbone="none")]
)
def test_a_folder_that_says_what_cannot_be_is_refused(
    exported: tuple[Detector, Path], tmp_path: Path, spoil: Any
) -> None:
    said = json.loads((exported[1] / EXPORT_FILE).read_text())
    spoil(said)
    (tmp_path / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError):
        load_detector(tmp_path, "cpu")


def test_a_detector_is_no_classifier(exported: tuple[Detector, Path]) -> None:
    with pytest.raises(CheckpointError, match="exported detector"):
        load_classifier(exported[1])


def test_other_programs_find_a_retinanets_boxes_in_one_file(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    detector = nano_detector("davit_nano", detector="retinanet", light_head=True)
    export_plain(detector, tmp_path / "export", Target("onnx"))
    session = runtime.InferenceSession(tmp_path / "export" / "detector.onnx")
    for size in ((70, 100), (128, 64)):  # neither is the example's
        picture = torch.rand(3, *size)
        boxes, scores, labels = session.run(None, {"picture": picture.numpy()})
        with torch.inference_mode():
            found = detector.net([picture])[0]
        np.testing.assert_allclose(scores, found["scores"], atol=1e-5)
        distances = np.abs(boxes[:, None] - found["boxes"].numpy()[None]).max(axis=2)
        assert distances.min(axis=1).max() < 1e-2  # those of equal score may come in any order
        assert set(labels.tolist()) == set(found["labels"].tolist())
    assert len(detect(load_detector(tmp_path / "export", "cpu"), pictures()[:1])[0]) > 0


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="something else"):
        export_plain(nano_classifier(), tmp_path, Target("onnx"))
    assert (tmp_path / "thesis.txt").exists()


def test_what_lies_beside_an_export_is_left_alone_and_told_before_the_work(tmp_path: Path) -> None:
    described(nano_classifier(), Target("onnx"), tmp_path, {}).write(tmp_path)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="thesis"):
        new_export(tmp_path)
    (tmp_path / "thesis.txt").unlink()
    new_export(tmp_path)


@pytest.mark.parametrize("option", [["--photos", "."], ["--keep-float", "head"], ["--allow-loss"]])
def test_what_only_8_bits_need_is_not_passed_over_otherwise(option: list[str], tmp_path: Path, capsys: Any) -> None:
    assert main(["export-model", "coco", "--output", str(tmp_path / "out"), *option]) == 2
    assert "nothing is calibrated or measured in fp32" in capsys.readouterr().err


def test_a_precision_that_a_runtime_has_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="int8 is for openvino"):
        Target("onnx", "int8")


def test_a_detector_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes classifiers"):
        export_plain(nano_detector("davit_nano"), tmp_path / "export", Target("aot"))


@pytest.mark.slow
def test_a_compiled_classifier_gives_the_same_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    birds = nano_classifier()
    export_plain(birds, tmp_path / "birds", Target("aot"))
    monkeypatch.setenv(TRUSTED, os.pathsep.join([str(tmp_path), str(tmp_path / "birds")]))
    loaded = load_classifier(tmp_path / "birds", "cpu")
    for count in (1, 2, 5):
        crops = np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), np.uint8)
        np.testing.assert_allclose(loaded.logits(crops).logits, birds.logits(crops).logits, atol=1e-5)


@pytest.mark.parametrize("trusted", ["", "/", "."])
def test_machine_code_is_not_loaded_unless_its_folder_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("machine code was loaded")

    monkeypatch.setattr(torch._inductor, "aoti_load_package", never)
    monkeypatch.setenv(TRUSTED, trusted)
    birds = nano_classifier()
    (tmp_path / "classifier.pt2").write_bytes(b"code")
    files = {"classifier": ("classifier.pt2",)}
    described(birds, Target("aot"), tmp_path, files).write(tmp_path)
    with pytest.raises(CheckpointError, match="machine code") as caught:
        load_classifier(tmp_path, "cpu")
    assert f"{TRUSTED}={tmp_path}" in str(caught.value.hint)


def test_machine_code_runs_where_it_was_made_for(tmp_path: Path) -> None:
    said = described(nano_classifier(), Target("aot", device="cuda:0"), tmp_path, {})
    with pytest.raises(ConfigError, match="does not run on cpu"):
        Runner.chosen(tmp_path, said, "cpu", None)
    made_here = described(nano_classifier(), Target("aot"), tmp_path, {})
    assert Runner.chosen(tmp_path, made_here, None, None).device.type == "cpu"
    with pytest.raises(ConfigError, match="cannot be used"):
        Runner.chosen(tmp_path, made_here, "nonsense", None)


@pytest.mark.parametrize("names", [["dense.onnx", "dense.bin"], ["dense.pt2"], ["a.onnx", "b.onnx"]])
def test_a_part_has_the_files_of_its_runtime(birds_folder: Path, names: list[str]) -> None:
    said = json.loads((birds_folder / EXPORT_FILE).read_text())
    said["parts"]["classifier"]["files"] = dict.fromkeys(names, "0" * 64)
    (birds_folder / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match="no files of a part for onnx"):
        load_classifier(birds_folder)


def test_weights_in_other_files_are_not_read(birds_folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = birds_folder
    model = onnx.load_model(str(folder / "classifier.onnx"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="/etc/passwd")
    (folder / "classifier.onnx").write_bytes(model.SerializeToString())
    described(nano_classifier(), Target("onnx"), folder, {"classifier": ("classifier.onnx",)}).write(folder)
    with pytest.raises(CheckpointError, match="in other files"):
        load_classifier(folder)


def test_classes_and_categories_are_as_many_as_the_parts_outputs(
    exported: tuple[Detector, Path], birds_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    for folder, key in ((birds_folder, "class_names"), (copy, "categories")):
        said = json.loads((folder / EXPORT_FILE).read_text())
        said["model"][key] = ["one", "two", "three"]
        (folder / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match="other outputs"):
        load_classifier(birds_folder).logits(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(CheckpointError, match="other outputs"):
        detect(load_detector(copy, "cpu"), pictures()[:1])


def test_a_classifier_gives_the_same_logits_and_embeddings(exported_birds: Path) -> None:
    birds, loaded = nano_classifier(), load_classifier(exported_birds)
    crops = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    ours, theirs = (each.logits(crops, return_embedding=True) for each in (birds, loaded))
    np.testing.assert_allclose(theirs.logits, ours.logits, atol=1e-5)
    np.testing.assert_allclose(theirs.embeddings, ours.embeddings, atol=1e-5)
    assert loaded.logits(crops[:0]).logits.shape == (0, 5)
    assert loaded.class_names == birds.class_names
    assert replace(birds, net=loaded.net).logits(crops[:1]).logits.shape == (1, 5)
    with pytest.raises(CheckpointError, match="exported classifier"):
        load_detector(exported_birds)
