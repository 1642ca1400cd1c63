"""Parts of an export whose outputs do not belong together are told, and not put together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from backbones.errors import CheckpointError, HoopoeError
from detector.runtimes.part import Part
from detector.runtimes.stand_ins import (
    CarriedRPNHead,
    DenseBackbone,
    PartBoxHead,
    PartClassifier,
    ProposingBackbone,
)

Spoil = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]
SPOILED: dict[str, Spoil] = {
    "a map that is smaller than its level's": lambda found: (*found[:-1], found[-1][..., :-1]),
    "no map": lambda found: (*found[:-1], found[-1].flatten(2)),
    "maps of no dimensions": lambda found: (found[0].flatten(1), *found[1:]),
}


class Given(Part):
    """A part that gives what it is told."""

    def __init__(self, found: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.found = found

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.found


def outputs(widths: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Maps (1, channels, h, w) of five levels of a picture of 64 x 64 pixels, a kind after the other."""
    sides = (8, 4, 2, 1, 1)
    return tuple(torch.zeros(1, width, side, side) for width in widths for side in sides)


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_retinanets_maps_that_do_not_fit_are_told(spoil: str) -> None:
    net = DenseBackbone(Given(SPOILED[spoil](outputs((3, 12)))))
    with pytest.raises(CheckpointError, match="do not belong together"):
        net(torch.zeros(1, 3, 64, 64))
    assert len(DenseBackbone(Given(outputs((3, 12))))(torch.zeros(1, 3, 64, 64))) == 5


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_faster_rcnns_maps_that_do_not_fit_are_told(spoil: str) -> None:
    levels = ["0", "1", "2", "3", "pool"]
    net = ProposingBackbone(Given(SPOILED[spoil](outputs((16, 3, 12)))), levels)
    with pytest.raises(CheckpointError, match="do not belong together"):
        net(torch.zeros(1, 3, 64, 64))
    maps = ProposingBackbone(Given(outputs((16, 3, 12))), levels)(torch.zeros(1, 3, 64, 64))
    assert [len(each) for each in CarriedRPNHead()(list(maps.values()))] == [5, 5]


def test_a_box_head_answers_for_each_box() -> None:
    pooled = torch.zeros(4, 16, 7, 7)
    right = Given((torch.zeros(4, 3), torch.zeros(4, 12)))
    assert [each.shape[0] for each in PartBoxHead(right, (3, 12))(pooled)] == [4, 4]
    for found in ((torch.zeros(3, 3), torch.zeros(4, 12)), (torch.zeros(4, 3), torch.zeros(4, 4, 12))):
        with pytest.raises(CheckpointError, match="do not belong together"):
            PartBoxHead(Given(found), (3, 12))(pooled)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 9])
def test_a_network_that_computes_no_numbers_is_told_and_not_taken_for_an_empty_photo(value: float, place: int) -> None:
    found = list(outputs((3, 12)))
    found[place][0, 0, 0, 0] = value
    part = Given(tuple(found))
    part.widths = (3,) * 5 + (12,) * 5
    with pytest.raises(HoopoeError, match="no number"):
        part(torch.zeros(1, 3, 64, 64))


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
