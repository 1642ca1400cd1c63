"""Pictures side by side have what they have one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.errors import CheckpointError
from detector.conversion.export import Target, export_plain
from detector.models.prediction import detect
from detector.models.saving import load_detector
from detector.runtimes.lanes import in_lanes, parts_of, spread
from detector.species.classifier import load_classifier
from tests.detector.runtimes.nano_models import nano_classifier, nano_detector, pictures


def test_nothing_gives_nothing() -> None:
    assert in_lanes(torch.sin, [], 2) == []


def test_results_come_in_order_without_gradients_and_torchs_threads_stay() -> None:
    before, weight = torch.get_num_threads(), torch.ones(1, requires_grad=True)
    found = in_lanes(lambda number: weight * number, list(range(9)), 3)
    assert [int(each) for each in found] == list(range(9))
    assert not any(each.requires_grad for each in found)
    assert torch.get_num_threads() == before


def test_an_error_of_one_picture_comes_out() -> None:
    def fail(number: int) -> int:
        raise CheckpointError(f"picture {number}", hint="none")

    with pytest.raises(CheckpointError, match="picture 0"):
        in_lanes(fail, [0, 1], 2)


def test_lanes_within_a_lane_wait_for_nobody() -> None:
    assert in_lanes(lambda number: in_lanes(lambda other: number + other, [0, 1], 2), [0, 10], 2) == [[0, 1], [10, 11]]


def test_a_network_of_torch_has_no_lanes() -> None:
    net = nano_detector("davit_nano", detector="retinanet").net
    spread(net, 2)
    assert list(parts_of(net)) == []


def test_a_detector_finds_the_same_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    export_plain(nano_detector("davit_nano", detector="faster_rcnn"), tmp_path / "export", Target())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    loaded = load_detector(tmp_path / "export", "cpu", "fp32")
    together = detect(loaded, pictures())
    spread(loaded.net, 8)
    assert [part.lanes for part in parts_of(loaded.net)] == [2, 2]
    for ours, theirs in zip(together, detect(loaded, pictures()), strict=True):
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-5)
        np.testing.assert_allclose(theirs.boxes_xyxy, ours.boxes_xyxy, atol=1e-2)


def test_a_classifier_gives_the_same_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    export_plain(nano_classifier(), tmp_path / "export", Target())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    birds = load_classifier(tmp_path / "export")
    crops = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), np.uint8)
    before = birds.logits(crops, return_embedding=True)
    spread(birds.net, 8)
    for count in (1, 5):
        after = birds.logits(crops[:count], return_embedding=True)
        np.testing.assert_allclose(after.logits, before.logits[:count], atol=1e-4)
        assert after.embeddings is not None
        assert before.embeddings is not None
        np.testing.assert_allclose(after.embeddings, before.embeddings[:count], atol=1e-4)
