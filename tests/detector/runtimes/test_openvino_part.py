"""A part that is compiled for each size of picture gives what one for all sizes gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from detector.conversion.export import Target, export_plain
from detector.runtimes import openvino_part
from detector.runtimes.openvino_part import OpenVINOPart
from detector.runtimes.part import Part
from detector.runtimes.stand_ins import DenseBackbone, PartClassifier
from tests.detector.runtimes.nano_models import nano_detector

SIZES_HW = ((64, 64), (64, 96), (128, 64), (64, 64), (96, 96), (64, 64))


@pytest.mark.parametrize("backbone", ["biformer_nano", pytest.param("davit_nano", marks=pytest.mark.slow)])
def test_sizes_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(openvino_part, "MOST_SIZES", 2)
    export_plain(nano_detector(backbone, detector="retinanet"), tmp_path / "export", Target())
    free, by_size = (OpenVINOPart(tmp_path / "export/dense.xml", "fp32", exact=exact) for exact in (True, False))
    DenseBackbone(free), DenseBackbone(by_size)
    assert not free.by_size
    assert by_size.by_size
    torch.manual_seed(0)
    for size in SIZES_HW:
        picture = torch.randn(1, 3, *size)
        for ours, theirs in zip(by_size(picture), free(picture), strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


class BySize(Part):
    """A part that remembers how many crops it got at once."""

    by_size = True

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        self.counts.append(len(inputs[0]))
        return inputs[0].flatten(1)[:, :4], inputs[0].flatten(1)[:, 4:6]


def test_a_part_for_one_picture_gets_crops_one_at_a_time() -> None:
    crops = torch.randn(3, 3, 4, 4)
    part = BySize()
    net = PartClassifier(part, 2, 4)
    assert torch.equal(net.embedding(crops), crops.flatten(1)[:, :4])
    assert torch.equal(net(crops), crops.flatten(1)[:, 4:6])
    assert part.counts == [1] * 6
    assert net.embedding(crops[:0]).shape == (0, 4)
