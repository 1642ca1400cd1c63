"""What the four numbers of a box mean, told over all boxes of a file together.

COCO's boxes are left, top, width and height in pixels. Files with corners, centres, fractions or per cents are read
without a murmur by who looks at one box at a time: every box is a box, and none is where its bird is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats, xyxy_to_xywh


class Boxes(StrEnum):
    """A convention: the unit (pixels, unless it is named), and the four numbers of a box."""

    XYWH = "xywh"
    XYXY = "xyxy"
    CXCYWH = "cxcywh"
    FRACTIONS = "fractions"
    FRACTIONS_XYXY = "fractions-xyxy"
    FRACTIONS_CXCYWH = "fractions-cxcywh"
    PERCENTS = "percents"
    PERCENTS_XYXY = "percents-xyxy"
    PERCENTS_CXCYWH = "percents-cxcywh"

    @property
    def layout(self) -> str:
        """`xywh`, `xyxy` or `cxcywh`."""
        return self.value.split("-")[-1] if "-" in self.value or self.unit == "pixels" else "xywh"

    @property
    def unit(self) -> str:
        """`pixels`, `fractions` or `percents`."""
        unit = self.value.split("-")[0]
        return unit if unit in ("fractions", "percents") else "pixels"

    @property
    def words(self) -> str:
        """In a person's words: `corners (x1, y1, x2, y2) in per cent`."""
        layouts = {
            "xywh": "left, top, width, height",
            "xyxy": "corners (x1, y1, x2, y2)",
            "cxcywh": "centre, width, height",
        }
        units = {"pixels": "in pixels", "fractions": "in fractions of the picture", "percents": "in per cent"}
        return f"{layouts[self.layout]} {units[self.unit]}"


_SLACK = 0.01  # of the frame's side: annotators overshoot, and a frame is cut off by a pixel
_FITTING = 0.98  # of the boxes that a convention must explain: a few may be at fault for themselves
_LEAST_FRAME = 16  # pixels; in smaller pictures a box of one pixel is a box
_CENTRES_HANGING, _CENTRES_OVERHANG = 2, 0.1  # boxes that hang over as centres do: so many, by so much of their side
MOST_PERCENT = 100.1  # beyond it, numbers are no per cents
_PERCENT_BOXES, _PERCENT_FRAME, _PERCENT_REACH = 20, 300, (10.0, 90.0)


@dataclass(frozen=True)
class Misread:
    """Boxes that do not mean what their format says.

    Args:
        meant: The conventions that explain them, the likeliest first.
        boxes: How many boxes there are.
        unexplained: How many of them the format's own convention does not explain.
        row: The first of these.
    """

    meant: tuple[Boxes, ...]
    boxes: int
    unexplained: int
    row: int

    def problem(self, expected: Boxes) -> str:
        """In a person's words."""
        meant = " or as ".join(each.words for each in self.meant)
        count = f"{self.unexplained} of {self.boxes} boxes"
        return f"{count} cannot be {expected.words}, and all fit their pictures as {meant}"


def to_xywh(boxes: NDArray[np.float64], frames_wh: NDArray[np.integer], convention: Boxes) -> NDArray[np.float64]:
    """Boxes (N, 4) of a convention as left, top, width, height in pixels of their frames (N, 2)."""
    unit = {"pixels": 1.0, "fractions": 1.0, "percents": 0.01}[convention.unit]
    scale = np.tile(frames_wh, 2) if convention.unit != "pixels" else np.ones((1, 4))
    return _xywh(boxes * unit * scale, convention.layout).astype(np.float64, copy=False)


def misread(
    boxes: NDArray[np.float64],
    frames_wh: NDArray[np.integer],
    expected: Boxes = Boxes.XYWH,
    areas: NDArray[np.float64] | None = None,
) -> Misread | None:
    """Whether all boxes of a file together tell that they follow another convention than their format's.

    Boxes that fit their frames as the format has it are never called something else, unless all of them lie in the
    first pixel and some are less than it (fractions), 20 and more spread from 0 to 100 in large pictures, or the areas
    that the file states for them are those of per cents.

    Args:
        boxes: float64 (N, 4), as the file has them.
        frames_wh: (N, 2), the frame of each, pixels.
        expected: The format's convention.
        areas: (N,), square pixels as the file states them; NaN where it does not.
    """
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1) & (np.abs(boxes) < 1e9).all(axis=1) & (frames_wh > 0).all(1))
    boxes, frames_wh = boxes[rows], frames_wh[rows]
    if not len(rows):
        return None
    stated = np.full(len(rows), np.nan) if areas is None else areas[rows]
    found = _other_unit(boxes, frames_wh, stated) if expected.unit == "pixels" else _pixels(boxes, frames_wh, expected)
    if found:
        return Misread(found, len(rows), len(rows), int(rows[0]))
    unit_boxes = to_xywh(boxes, frames_wh, expected)
    unexplained = ~_inside(unit_boxes, frames_wh)
    if not unexplained.any():
        return None
    found = tuple(
        other
        for other in Boxes
        if other.unit == expected.unit
        and other != expected
        and _explains(boxes, frames_wh, other)
        and _is_evidence(unit_boxes[unexplained], frames_wh[unexplained], expected, other)
    )
    return Misread(found, len(rows), int(unexplained.sum()), int(rows[unexplained.argmax()])) if found else None


def _other_unit(
    boxes: NDArray[np.float64], frames_wh: NDArray[np.integer], areas: NDArray[np.float64]
) -> tuple[Boxes, ...]:
    """Fractions or per cents where pixels are expected."""
    within = (np.abs(boxes) <= 1.001).all(axis=1)
    below_a_pixel = (boxes[:, 2:] < 1).any()  # (0, 0, 1, 1) alone is a pixel
    if within.mean() >= _FITTING and below_a_pixel and (frames_wh.max(axis=1) >= _LEAST_FRAME).all():
        unit = "fractions"
    elif boxes.max() <= MOST_PERCENT and (
        _spread_as_percents(boxes, frames_wh) or _areas_tell(boxes, frames_wh, areas)
    ):
        unit = "percents"
    else:
        return ()
    return tuple(each for each in Boxes if each.unit == unit and _explains(boxes, frames_wh, each))


def _areas_tell(boxes: NDArray[np.float64], frames_wh: NDArray[np.integer], areas: NDArray[np.float64]) -> bool:
    """Whether stated areas are those that the boxes have as per cents, and too large for pixels."""
    as_pixels = boxes[:, 2:].prod(axis=1)
    as_percents = as_pixels * frames_wh.prod(axis=1) / 100**2
    with np.errstate(invalid="ignore"):
        telling = (np.abs(areas - as_percents) <= 0.02 * areas) & (areas > 1.05 * as_pixels)
    return len(boxes) > 1 and bool(telling.mean() >= _FITTING)


def _spread_as_percents(boxes: NDArray[np.float64], frames_wh: NDArray[np.integer]) -> bool:
    low, high = _PERCENT_REACH
    corners = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2] + boxes[:, 2:])])
    if len(boxes) < _PERCENT_BOXES or (frames_wh.min(axis=1) < _PERCENT_FRAME).any():
        return False
    reach = [np.where(corners <= MOST_PERCENT, corners, 0).max(axis=0), boxes[:, :2].min(axis=0)]
    return bool((reach[0] >= high).all() and (reach[1] <= low).all())


def _pixels(boxes: NDArray[np.float64], frames_wh: NDArray[np.integer], expected: Boxes) -> tuple[Boxes, ...]:
    """Pixels where fractions or per cents are expected."""
    most = 1.0 if expected.unit == "fractions" else 100.0
    if not (boxes.max(axis=1) > 2 * most).mean() >= 1 - _SLACK:
        return ()
    return tuple(each for each in Boxes if each.unit == "pixels" and _explains(boxes, frames_wh, each))


def _explains(boxes: NDArray[np.float64], frames_wh: NDArray[np.integer], convention: Boxes) -> bool:
    return bool(_inside(to_xywh(boxes, frames_wh, convention), frames_wh).mean() >= _FITTING)


def _inside(boxes_xywh: NDArray[np.float64], frames_wh: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which boxes (N,) have an area, and lie in their frames but for a slip of the hand."""
    slack = np.maximum(1.0, _SLACK * frames_wh)
    ends = boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    return ((boxes_xywh[:, 2:] > 0) & (boxes_xywh[:, :2] >= -slack) & (ends <= frames_wh + slack)).all(axis=1)


def _is_evidence(
    boxes_xywh: NDArray[np.float64], frames_wh: NDArray[np.integer], expected: Boxes, other: Boxes
) -> bool:
    """Whether boxes that the format does not explain tell of the other convention, and not of a large hand.

    Corners give themselves away by any box. Centres taken for corners hang over by up to half of their side.
    """
    if "xyxy" in (expected.layout, other.layout):
        return True
    over = np.maximum(boxes_xywh[:, :2] + boxes_xywh[:, 2:] - frames_wh, -boxes_xywh[:, :2]) / boxes_xywh[:, 2:]
    return len(over) >= _CENTRES_HANGING and bool(np.median(over.max(axis=1)) >= _CENTRES_OVERHANG)


def _xywh(boxes: Floats, layout: str) -> Floats:
    if layout == "xyxy":
        return xyxy_to_xywh(boxes)
    if layout == "cxcywh":
        return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
    return boxes
