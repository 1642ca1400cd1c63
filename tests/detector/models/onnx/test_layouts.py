"""Detectors of other programs find what is there, whatever the layout of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backbones.errors import CheckpointError
from detector.models import detect, load_detector
from detector.models.detector import Detector
from detector.models.onnx.checking import onnx_net
from detector.models.prediction import image_tensor
from tests.detector.models.onnx.onnx_files import BGR, FILES, picture

BOX = (32, 16, 96, 60)


@pytest.fixture(params=FILES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(kind: str, tmp_path: Path) -> Detector:
    return load_detector(FILES[kind].write(tmp_path / "finder.onnx"), "cpu")


def test_a_picture_without_anything_gives_nothing(model: Detector) -> None:
    [found] = detect(model, [np.full((96, 128, 3), 30, np.uint8)])
    assert len(found) == 0
    assert found.category_names == ("bird", "person", "vehicle")


def test_what_is_there_is_found_where_it_is(kind: str, model: Detector) -> None:
    upright = (16, 32, 60, 96)
    pictures = [picture((128, 96), BOX, blue=kind in BGR), picture((96, 128), upright, blue=kind in BGR)]
    found = detect(model, pictures)
    for each, box in zip(found, (BOX, upright), strict=True):
        assert each.names == ["bird"]
        assert_allclose(each.boxes_xyxy[0], box, atol=1.5)  # sides of odd sizes, stretched
        assert each.scores[0] > 0.89


def test_red_and_blue_are_not_exchanged(kind: str, model: Detector) -> None:
    [found] = detect(model, [picture((128, 96), BOX, blue=kind not in BGR)])
    assert len(found) == 0


@pytest.mark.parametrize("spoil", ["cut", "flat", "twice", "wide"])
def test_outputs_of_another_shape_are_told_and_not_read(
    spoil: str, model: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = onnx_net(model)
    outputs = net.session.run(net.input_of(image_tensor(picture((64, 64), (8, 8, 40, 40)))))
    first = net.layout.outputs[0]
    spoiled = {
        "cut": outputs[first][..., :-1],
        "flat": outputs[first].reshape(-1),
        "twice": np.concatenate([outputs[first]] * 2),
        "wide": np.concatenate([outputs[first]] * 2, axis=1 if net.layout.form == "columns" else 2),
    }[spoil]
    if net.layout.form == "columns" and spoil == "cut":
        spoiled = outputs[first][:, :-1]
    monkeypatch.setattr(net.session, "run", lambda _: {**outputs, first: spoiled})
    with pytest.raises(CheckpointError, match="other outputs than it was read by"):
        detect(model, [picture((128, 96), BOX)])
