"""Suspicious repeats: a box that stays where it is and looks as it did, in many pictures of one camera.

A stone, a stump or a hanging branch that the detector takes for an animal. As MegaDetector's repeat detection
elimination (https://github.com/agentmorris/MegaDetector, megadetector/postprocessing), but a repeat must look the same
too, and in several sequences: a bird that sits still for a while is none.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_iou, xywh_to_xyxy
from detector.decisions.linking import standardised

REPEAT_IOU = 0.9  # MegaDetector's
REPEAT_SCORE = 0.1  # MegaDetector's lowest
FEWEST_FRAMES = 20  # MegaDetector's
FEWEST_SEQUENCES = 5
LARGEST_AREA = 0.2  # share of the picture; MegaDetector's
SAME_LOOKS = 0.9  # correlation of the grey pictures: light and shade change, a bird more

# boxes with an IoU of 0.9 or more differ by at most 11 % in each side and 5.3 % of a side in each centre, either way
_SIDE_STEP = 2 * -2 * np.log(REPEAT_IOU)  # of a cell in log sides: twice what a group spans
_CENTRE_STEP = 4 * (1 - REPEAT_IOU) / (1 + REPEAT_IOU) * 1.6  # in sides; 1.6: sides in one cell differ by 1.52


def find_repeats(
    xywh: NDArray[np.float32],
    appearance: NDArray[np.uint8],
    has_appearance: NDArray[np.bool_],
    camera: NDArray[np.integer],
    frame: NDArray[np.integer],
    sequence: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Group boxes that repeat; the time taken is near to linear in their number.

    The first box that no group takes begins one; a box belongs to the group whose first box it overlaps by IoU 0.9 and
    correlates with by 0.9. Groups count if they are in 20 frames and 5 sequences; those in one place, such as of a
    stone by day and by night, are joined, so that a person decides once.

    Args:
        xywh: (B, 4), shares of the picture, in an order that does not change (by card, path, frame and box).
        appearance: (B, 64).
        has_appearance: (B,); boxes without it are no repeats.
        camera: (B,), index of each box's deployment; -1: not to be looked at.
        frame: (B,), index of its frame.
        sequence: (B,), of its sequence.

    Returns:
        int64 (B,): the first box of each box's group, or -1.
    """
    group = np.full(len(xywh), -1)
    area = xywh[:, 2] * xywh[:, 3]
    usable = np.flatnonzero((camera >= 0) & has_appearance & (xywh[:, 2:] > 0).all(axis=1) & (area <= LARGEST_AREA))
    if not len(usable):
        return group
    usable = usable[_crowded(xywh[usable].astype(np.float64), camera[usable])]
    if not len(usable):
        return group
    leader = _follow_leaders(usable, xywh, standardised(appearance[usable]), camera)
    group[usable] = _joined(_kept(leader, frame[usable], sequence[usable]), xywh, camera)
    return group


def _crowded(xywh: NDArray[np.float64], camera: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which boxes have so many like them that they may be in a group: (N,), without false negatives.

    Boxes are counted in cells of a grid over camera, sides and centre. A group spans at most half a cell in each
    direction, so that it lies in one cell in at least one of the 16 grids that are shifted by half a cell.
    """
    log_sides = np.log(xywh[:, 2:])
    centre = xywh[:, :2] + xywh[:, 2:] / 2
    crowded = np.zeros(len(xywh), bool)
    for shift in np.ndindex(2, 2, 2, 2):
        side_cell = np.floor(log_sides / _SIDE_STEP + np.array(shift[:2]) / 2)
        cell_side = np.exp((side_cell - np.array(shift[:2]) / 2) * _SIDE_STEP)  # of the smallest box in the cell
        centre_cell = np.floor(centre / (_CENTRE_STEP * cell_side) + np.array(shift[2:]) / 2)
        key = _hashed(camera, side_cell, centre_cell)
        _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
        crowded |= count[inverse] >= FEWEST_FRAMES
    return crowded


def _hashed(camera: NDArray[np.integer], *cells: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Cells as one number; that two cells share one only costs time."""
    key = camera.astype(np.uint64)
    for column in np.concatenate(cells, axis=1).T:
        key = (key ^ column.astype(np.int64).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def _follow_leaders(
    boxes: NDArray[np.int64], xywh: NDArray[np.float32], looks: NDArray[np.float32], camera: NDArray[np.integer]
) -> NDArray[np.int64]:
    """The first box (N,) that each of the boxes (N,) overlaps and resembles, itself if there is none."""
    corners = xywh_to_xyxy(xywh[boxes].astype(np.float64))
    sides = np.floor(np.log(xywh[boxes, 2:].astype(np.float64)) / _SIDE_STEP).astype(int)
    scale = np.exp(sides * _SIDE_STEP) * _CENTRE_STEP
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    cameras = camera[boxes].tolist()
    leaders: dict[tuple[int, ...], list[int]] = {}
    found = np.arange(len(boxes))
    own_cells = np.floor(middle / scale).astype(int)
    for index in range(len(boxes)):
        key = (cameras[index], *sides[index].tolist(), *own_cells[index].tolist())
        near = leaders.get(key)
        if near is not None:
            same = box_iou(corners[index : index + 1], corners[near])[0] >= REPEAT_IOU
            same &= looks[near] @ looks[index] >= SAME_LOOKS
            if same.any():
                found[index] = near[int(same.argmax())]
                continue
        for cell in _cells_around(cameras[index], sides[index], middle[index]):
            leaders.setdefault(cell, []).append(index)
    return boxes[found]


def _cells_around(camera: int, sides: NDArray[np.int64], middle: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """All cells in which boxes may lie that overlap a box by IoU 0.9."""
    cells: list[tuple[int, ...]] = []
    for x_side in (sides[0] - 1, sides[0], sides[0] + 1):
        for y_side in (sides[1] - 1, sides[1], sides[1] + 1):
            scale = np.exp(np.array([x_side, y_side]) * _SIDE_STEP) * _CENTRE_STEP
            x, y = np.floor(middle / scale).astype(int)
            for dx, dy in product((-1, 0, 1), repeat=2):
                cells.append((camera, int(x_side), int(y_side), int(x + dx), int(y + dy)))
    return cells


def _kept(leader: NDArray[np.int64], frame: NDArray[np.integer], sequence: NDArray[np.integer]) -> NDArray[np.int64]:
    """Leaders (N,), -1 where the group is in too few frames or sequences."""
    values, of_box = np.unique(leader, return_inverse=True)
    enough = np.ones(len(values), bool)
    for places, fewest in ((frame, FEWEST_FRAMES), (sequence, FEWEST_SEQUENCES)):
        span = int(places.max()) + 1
        different = np.unique(of_box * span + places) // span
        enough &= np.bincount(different, minlength=len(values)) >= fewest
    return np.where(enough[of_box], leader, -1)


def _joined(leader: NDArray[np.int64], xywh: NDArray[np.float32], camera: NDArray[np.integer]) -> NDArray[np.int64]:
    """Leaders (N,) after those of one camera that overlap by IoU 0.9 have become the first of them."""
    joined: dict[int, int] = {-1: -1}
    by_camera: dict[int, list[int]] = {}
    for each in np.unique(leader[leader >= 0]).tolist():
        others = by_camera.setdefault(int(camera[each]), [])
        corners = xywh_to_xyxy(xywh[[each, *others]].astype(np.float64))
        same = np.flatnonzero(box_iou(corners[:1], corners[1:])[0] >= REPEAT_IOU)
        joined[each] = others[same[0]] if len(same) else each
        if not len(same):
            others.append(each)
    return np.array([joined[each] for each in leader.tolist()], np.int64)
