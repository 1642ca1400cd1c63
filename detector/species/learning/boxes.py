"""Boxes with the names that people gave them, and the crops that are cut of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.boxes import xywh_to_xyxy
from detector.species.crops import CONTEXT, crop_boxes


@dataclass(frozen=True)
class LabelledBox:
    """A bird in a picture, or what is none, and what it is called.

    Attributes:
        label: As it was written: a class, a scientific or an English name, or `not_a_bird`.
        picture: The file, and the frame of a video, as people know them.
        content: Hash of the file's content: copies of a file have the same.
        camera: Where it was taken; "" where that is not known.
        event: What it was taken with, within the camera.
        box_xywh: Shares of the picture: left, top, width, height; None: the picture is a crop already.
    """

    label: str
    picture: str
    content: str
    camera: str
    event: str
    box_xywh: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Cut:
    """How a crop is cut: with how much around the box, squashed to which height and width in pixels."""

    context: float
    size_hw: tuple[int, int]


@dataclass(frozen=True, eq=False)
class CutCrop:
    """A crop of a box, by its number in its source: uint8 (H, W, 3); or why there is none."""

    number: int
    pixels: NDArray[np.uint8] | None
    problem: str | None = None


class CropSource(Protocol):
    """Where labelled crops come from."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def boxes(self) -> Sequence[LabelledBox]:
        """All that is labelled there."""

    def cut(self, cuts: Mapping[int, Cut]) -> Iterator[CutCrop]:
        """Cut crops, boxes by their numbers; one that cannot be read costs no other."""


def window_in_patch(box: LabelledBox, context: float) -> NDArray[np.float32]:
    """Where the crop that the classifier sees lies in a patch that was cut with more around it.

    Args:
        box: Whose they are.
        context: Of the patch.

    Returns:
        float32 (4,), left, top, right, bottom as shares of the patch.
    """
    if box.box_xywh is None:
        return np.array([0, 0, 1, 1], np.float32)
    inside = xywh_to_xyxy(np.array([box.box_xywh], np.float64))
    patch, crop = (crop_boxes(inside, (1.0, 1.0), share)[0] for share in (context, CONTEXT))
    sides = np.tile(np.maximum(patch[2:] - patch[:2], 1e-9), 2)
    return ((crop - np.tile(patch[:2], 2)) / sides).astype(np.float32)
