"""Detectors of other programs in 8 bits: which, what of them stays as it is, and that they are read as before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from detector.annotation.request import Models
from detector.api.speed import models_at
from detector.conversion import fast, onnx_int8
from detector.conversion.onnx_int8 import export_onnx_int8, is_quantisable, last_layers
from detector.conversion.photos import Chosen, Photos
from detector.conversion.quantising import TooLossy
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.models.saving import load_detector
from detector.runtimes.manifest import EXPORT_FILE
from detector.store.run_file import DetectorEntry, RunFile
from detector.store.run_json import write_run
from tests.detector.models.onnx.onnx_files import FILES, picture

pytest.importorskip("openvino")
SIZE = (128, 96)


def with_layers(path: Path, name: str = "YOLOv8, v11") -> Path:
    """A finder behind two convolutions that leave pictures as they are."""
    model = onnx.load(str(FILES[name].write(path)))
    graph = model.graph
    graph.input[0].name = "pixels"
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3), 1, 1] = 1
    names = ("pixels", "between", "images")
    for place in (1, 0):
        weights = f"weights{place}"
        graph.initializer.append(onnx.numpy_helper.from_array(kernel, weights))
        node = onnx.helper.make_node("Conv", [names[place], weights], [names[place + 1]], f"conv{place}", pads=[1] * 4)
        graph.node.insert(0, node)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def finder(tmp_path: Path) -> Detector:
    return load_detector(with_layers(tmp_path / "finder.onnx"), "cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Chosen:
    paths = []
    for place in range(9):
        paths.append(tmp_path / f"{place}.png")
        Image.fromarray(picture(SIZE, (8 * place, 16, 8 * place + 40, 60))).save(paths[-1])
    return Chosen(Photos(tuple(paths[:6])), Photos(tuple(paths[6:])))


def test_yolos_are_brought_to_8_bits_and_detrs_are_not(tmp_path: Path) -> None:
    for name, able in {"YOLOv5": True, "YOLOX": True, "RF-DETR": False, "RT-DETR of transformers": False}.items():
        assert is_quantisable(load_detector(FILES[name].write(tmp_path / f"{len(name)}.onnx"), "cpu")) is able


def test_what_decodes_boxes_and_the_last_layer_stay_as_they_are(finder: Detector) -> None:
    from detector.runtimes.openvino_part import openvino_core

    net: Any = finder.net
    network = openvino_core().read_model(str(net.session.file))
    layers = [node for node in network.get_ops() if node.get_type_name() == "Convolution"]
    kept = last_layers(network)
    first, last = sorted(layers, key=lambda node: node.get_friendly_name())
    assert last.get_friendly_name() in kept
    assert first.get_friendly_name() not in kept


@pytest.mark.parametrize("name", ["YOLOv8, v11", "YOLOv8, open size and batch", "YOLOX"])
def test_an_export_is_read_as_its_file_was(
    name: str, tmp_path: Path, photos: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_int8, "quantise", lambda network, *_: network)
    finder = load_detector(with_layers(tmp_path / "finder.onnx", name), "cpu")
    manifest = export_onnx_int8(finder, tmp_path / "fast", photos)
    assert manifest.source.sha256 == finder.sha256
    assert manifest.agreement["photos"] == 3
    export = load_detector(tmp_path / "fast", "cpu")
    assert export.categories == finder.categories
    assert export.runtime == "openvino int8"
    seen = [picture(SIZE, (40, 16, 80, 60)), picture((70, 90), (8, 20, 50, 80))]
    for ours, theirs in zip(detect(finder, seen), detect(export, seen), strict=True):
        np.testing.assert_allclose(theirs.boxes_xyxy, ours.boxes_xyxy, atol=1e-3)
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-5)
    with pytest.raises(ConfigError, match="in fp32, not in bf16"):
        load_detector(tmp_path / "fast", "cpu", "bf16")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("of_class", [0, 1, 9]),
        ("outputs", ["other"]),
        ("input", [1, 3, 10**9, 64]),
        ("layout", {"form": "circles", "outputs": ["output0"], "classes": 3}),
        ("dtype", "complex64"),
    ],
)
def test_an_export_that_says_what_cannot_be_is_refused(
    key: str, value: Any, finder: Detector, tmp_path: Path, photos: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_int8, "quantise", lambda network, *_: network)
    export_onnx_int8(finder, tmp_path / "fast", photos)
    said = json.loads((tmp_path / "fast" / EXPORT_FILE).read_text())
    said["model"][key] = value
    (tmp_path / "fast" / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match="cannot be built"):
        load_detector(tmp_path / "fast", "cpu")


def test_an_export_of_another_network_is_refused(
    finder: Detector, tmp_path: Path, photos: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_int8, "quantise", lambda network, *_: network)
    export_onnx_int8(finder, tmp_path / "fast", photos)
    said = json.loads((tmp_path / "fast" / EXPORT_FILE).read_text())
    said["model"]["outputs"].append("more")
    (tmp_path / "fast" / EXPORT_FILE).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match="gives 1 outputs, and it says 2"):
        detect(load_detector(tmp_path / "fast", "cpu"), [picture(SIZE, (40, 16, 80, 60))])


def test_what_the_runtime_cannot_take_is_said(
    finder: Detector, tmp_path: Path, photos: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("unknown node")

    monkeypatch.setattr(onnx_int8, "quantise", fail)
    with pytest.raises(HoopoeError, match=r"OpenVINO cannot take this model \(unknown node\)"):
        export_onnx_int8(finder, tmp_path / "fast", photos)
    assert not (tmp_path / "fast").exists()


def test_a_store_of_the_file_itself_is_not_gone_on_with_fast(finder: Detector, tmp_path: Path) -> None:
    entry = DetectorEntry(name="finder", sha256=finder.sha256, categories=list(finder.categories))
    write_run(tmp_path, RunFile(detector=entry))
    with pytest.raises(ConfigError, match="exact models"):
        models_at("fast", Models(finder), tmp_path, [])


@pytest.mark.slow
def test_in_8_bits_it_finds_the_same(finder: Detector, tmp_path: Path, photos: Chosen) -> None:
    pytest.importorskip("nncf")
    export_onnx_int8(finder, tmp_path / "fast", photos)
    export = load_detector(tmp_path / "fast", "cpu")
    assert b"FakeQuantize" in (tmp_path / "fast" / "foreign.xml").read_bytes()
    [found] = detect(export, [picture(SIZE, (40, 16, 80, 60))])
    np.testing.assert_allclose(found.boxes_xyxy, [(40, 16, 80, 60)], atol=2)


def test_what_loses_too_much_in_8_bits_runs_as_it_is_in_later_runs_too(
    finder: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf")
    out, tried = tmp_path / "out", []

    def lose(*_: Any) -> None:
        tried.append(1)
        raise TooLossy("in 8 bits the model loses too much")

    monkeypatch.setattr(fast, "export_onnx_int8", lose)
    monkeypatch.setattr(fast, "chosen_of", lambda *_: Chosen(Photos(()), Photos(())))
    assert models_at("fast", Models(finder), out, []).detector is finder
    entry = DetectorEntry(name="finder", sha256=finder.sha256, categories=list(finder.categories))
    write_run(out, RunFile(detector=entry))
    capsys.readouterr()
    assert models_at("fast", Models(finder), out, []).detector is finder  # a second card
    assert "runs as it is, as in this store before" in capsys.readouterr().err
    assert tried == [1]
    other = replace(finder, sha256="c" * 64)  # of which nothing is known
    models_at("fast", Models(other), out, [])
    assert tried == [1, 1]
