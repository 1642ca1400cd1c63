"""Finding and mending boxes that no detector can learn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.boxes import clip_boxes, xywh_to_xyxy, xyxy_to_xywh

OVERHANG_TOLERANCE = 0.01  # pixels; COCO writes two decimals, and converters lose the last bits of a float
MOST_FRAMES = 2  # sides of the frame that a box may be long
MIN_SIDE = 0.05  # pixels; more than a tolerated overhang on both sides, and safely above zero in float32

SOUND, NOT_FINITE, DEGENERATE, OUTSIDE, OVERHANGS = range(5)
CODES = ("", "box_not_finite", "box_degenerate", "box_outside", "box_overhangs")


_BLOCK = 65_536  # boxes at a time, so that checking a million of them needs little memory of its own


class CheckedBoxes(NamedTuple):
    """The result of `check_boxes`, row by row.

    Args:
        boxes_xywh: float64 (N, 4): clipped where `faults` is OVERHANGS, else as given.
        faults: uint8 (N,): one of SOUND, NOT_FINITE, DEGENERATE, OUTSIDE, OVERHANGS.
    """

    boxes_xywh: NDArray[np.float64]
    faults: NDArray[np.uint8]


def check_boxes(
    boxes_xywh: NDArray[np.float64], sizes_wh: NDArray[np.integer], images: NDArray[np.integer]
) -> CheckedBoxes:
    """Say of every box whether it can be used, and clip those that hang over the frame.

    Args:
        boxes_xywh: float64 (N, 4), pixels.
        sizes_wh: (I, 2), the frame of every image, pixels.
        images: (N,), the row of each box's image in `sizes_wh`.
    """
    result = CheckedBoxes(boxes_xywh.copy(), np.zeros(len(boxes_xywh), np.uint8))
    for start in range(0, len(boxes_xywh), _BLOCK):
        block = slice(start, start + _BLOCK)
        result.boxes_xywh[block], result.faults[block] = _check(boxes_xywh[block], sizes_wh[images[block]])
    return result


def _check(boxes_xywh: NDArray[np.float64], frames_wh: NDArray[np.integer]) -> CheckedBoxes:
    with np.errstate(invalid="ignore", over="ignore"):
        corners = xywh_to_xyxy(boxes_xywh)
        finite = np.asarray(np.isfinite(corners).all(axis=1) & np.isfinite(boxes_xywh).all(axis=1))
        corners = np.where(finite[:, None], corners, 0)
        clipped = clip_boxes(corners, frames_wh)
        faults = np.full(len(boxes_xywh), SOUND, np.uint8)
        overhangs = (np.abs(clipped - corners) > OVERHANG_TOLERANCE).any(axis=1)
        # twice the side, so that what is clipped now is sound when it is read again
        nothing_left = (clipped[:, 2:] - clipped[:, :2] < 2 * MIN_SIDE).any(axis=1)
        faults[overhangs] = OVERHANGS
        far = (boxes_xywh[:, 2:] > MOST_FRAMES * frames_wh).any(axis=1)  # cut off, it would be no bird's box
        faults[overhangs & (nothing_left | far)] = OUTSIDE
        faults[(boxes_xywh[:, 2:] < MIN_SIDE).any(axis=1)] = DEGENERATE
    faults[~finite] = NOT_FINITE
    boxes = np.where((faults == OVERHANGS)[:, None], xyxy_to_xywh(clipped), boxes_xywh)
    return CheckedBoxes(boxes, faults)
