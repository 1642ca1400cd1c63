"""Suspicious repeats: a box that stays where it is and looks as it did, in many pictures of one camera.

A stone, a stump or a hanging branch that the detector takes for an animal. As MegaDetector's repeat detection
elimination (https://github.com/agentmorris/MegaDetector, megadetector/postprocessing), but a bird that sits is none:

- A repeat looks the same too, in several sequences, on two days at least and at several hours of the day: it is listed
  for a person. It is left out of the counts only if it is seen on more days (five, unless one says otherwise): a heron
  stands for hours, and a bird may come back to its perch, or sit on a nest that nobody listed, for days.
- What is at one place but is seen in other sizes and shapes just as often is a perch, and no repeat.
- Boxes that the classifier is sure are birds, or whose individual is elsewhere within the same burst or video, are
  listed with the repeat and yet counted.
- Boxes of files without a time are no evidence of days, but go with the group that they are like.

Nest cameras are not checked unless one asks for it, since there a bird sits for weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_iou, paired_iou, xywh_to_xyxy
from detector.decisions.individuals.linking import Individuals, standardised

REPEAT_IOU = 0.9  # MegaDetector's
REPEAT_SCORE = 0.1  # MegaDetector's lowest
FEWEST_FRAMES = 20  # MegaDetector's
FEWEST_SEQUENCES = 5
LISTED_DAYS = 2  # different days on which it is seen
FEWEST_HOURS = 3  # different hours of the day, such as 6:00 to 6:59
ELSEWHERE_IOU = 0.5  # with the first box of its group; below, an individual is at another place
PERCH_IOU = (0.2, 0.7)  # with the first box of a group: at its place, but something else
CELL_LEADERS = 128  # of each place, the things that were seen last: time does not grow faster than the number of boxes
LARGEST_AREA = 0.2  # share of the picture; MegaDetector's
SAME_LOOKS = 0.9  # correlation of the grey pictures: light and shade change, a bird more

# boxes with an IoU of 0.9 or more differ by at most 11 % in each side and 5.9 % of a side in each centre, either way
_SIDE_REACH, _CENTRE_REACH = -np.log(REPEAT_IOU), (1 - REPEAT_IOU) / (1 + REPEAT_IOU) / REPEAT_IOU
_SIDE_STEP = 2 * -2 * np.log(REPEAT_IOU)  # of a cell in log sides: twice what a group spans
_CENTRE_STEP = 4 * (1 - REPEAT_IOU) / (1 + REPEAT_IOU) * 1.6  # in sides; 1.6: sides in one cell differ by 1.52


@dataclass(frozen=True, eq=False)
class CameraBoxes:
    """Boxes (B) of cameras that do not move, in an order that does not change (by card, path, frame and box).

    Attributes:
        xywh: float32 (B, 4), shares of the picture.
        appearance: uint8 (B, 64).
        has_appearance: bool (B,); boxes without it are no repeats.
        camera: int (B,), index of each box's deployment; -1: not to be checked.
        frame: int (B,), index of its frame.
        sequence: int (B,), of its sequence.
        time: datetime64 (B,), local time of its file; NaT: unknown.
    """

    xywh: NDArray[np.float32]
    appearance: NDArray[np.uint8]
    has_appearance: NDArray[np.bool_]
    camera: NDArray[np.integer]
    frame: NDArray[np.integer]
    sequence: NDArray[np.integer]
    time: NDArray[np.datetime64]


def find_repeats(boxes: CameraBoxes, fewest_days: int = LISTED_DAYS) -> NDArray[np.int64]:
    """Group boxes that repeat; the time taken is near to linear in their number.

    The first box that no group takes begins one; a box belongs to the group whose first box it overlaps by IoU 0.9 and
    correlates with by 0.9. Groups count if they are in 20 frames and 5 sequences; those in one place, such as of a
    stone by day and by night, are joined, so that a person decides once, and are kept if they are spread over time.

    Args:
        boxes: Of a store, or of some of its cameras.
        fewest_days: On which a group must be seen.

    Returns:
        int64 (B,): the first box of each box's group, or -1.
    """
    xywh, frame, sequence = boxes.xywh, boxes.frame, boxes.sequence
    group = np.full(len(xywh), -1)
    days, hours = _days_and_hours(boxes.time)
    spread = [(fewest_days, days), (FEWEST_HOURS, hours)]
    camera = _kept(boxes.camera, spread)  # what watched for less cannot show it of anything
    area = xywh[:, 2] * xywh[:, 3]
    checked = (camera >= 0) & boxes.has_appearance
    usable = np.flatnonzero(checked & (xywh[:, 2:] > 0).all(axis=1) & (area <= LARGEST_AREA))
    if not len(usable):
        return group
    usable = usable[_crowded(xywh[usable].astype(np.float64), camera[usable])]
    if not len(usable):
        return group
    leader = _follow_leaders(usable, xywh, standardised(boxes.appearance[usable]), camera)
    leader = _kept(leader, [(FEWEST_FRAMES, frame[usable]), (FEWEST_SEQUENCES, sequence[usable])])
    joined = _joined(leader, xywh, camera)
    group[usable] = _kept(joined, [(fewest, places[usable]) for fewest, places in spread])
    perches = _perches(group, xywh, camera, frame)
    group[np.isin(group, perches)] = -1
    return group


def left_out(
    repeat: NDArray[np.int64],
    boxes: CameraBoxes,
    individuals: Individuals,
    surely_bird: NDArray[np.bool_],
    fewest_days: int,
) -> NDArray[np.bool_]:
    """Which boxes (B,) of repeats are left out of the counts: of many days, no sure birds, and nothing that moved.

    Args:
        repeat: (B,), from `find_repeats`.
        boxes: As for `find_repeats`.
        individuals: The boxes by individual.
        surely_bird: (B,), what the classifier is sure is a bird.
        fewest_days: On which a repeat must be seen.
    """
    of_box = individuals.of_box
    group = np.full(len(individuals.size), -1)
    np.maximum.at(group, of_box, repeat)
    there = np.flatnonzero(group[of_box] >= 0)
    first = group[of_box[there]]
    apart = paired_iou(*(xywh_to_xyxy(boxes.xywh[rows].astype(np.float64)) for rows in (there, first))) < ELSEWHERE_IOU
    moved = np.zeros(len(group), bool)
    moved[of_box[there[apart]]] = True
    lasting = _kept(repeat, [(fewest_days, _days_and_hours(boxes.time)[0])])
    return (lasting >= 0) & ~surely_bird & ~moved[of_box]


def _days_and_hours(time: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days since 1970 and hours of the day (N,); -1: unknown."""
    hours = time.astype("datetime64[h]").astype(np.int64)  # NaT is the lowest number
    known = ~np.isnat(time)
    return np.where(known, hours // 24, -1), np.where(known, hours % 24, -1)


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
    log_sides = np.log(xywh[boxes, 2:].astype(np.float64))
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    sides = np.floor(log_sides / _SIDE_STEP).astype(int)
    own = np.floor(middle / (np.exp(sides * _SIDE_STEP) * _CENTRE_STEP)).astype(int)
    own_cells = list(map(tuple, np.column_stack([camera[boxes], sides, own]).tolist()))
    reach = np.exp(log_sides) * _CENTRE_REACH
    leaders: dict[tuple[int, ...], list[int]] = {}
    found = np.arange(len(boxes))
    for index, cell in enumerate(own_cells):
        near = leaders.get(cell)
        if near is not None:
            same = looks[near] @ looks[index] >= SAME_LOOKS
            if same.any():
                same &= box_iou(corners[index : index + 1], corners[near])[0] >= REPEAT_IOU
            if same.any():
                leader = near[int(same.argmax())]
                found[index] = leader
                near.remove(leader)
                near.append(leader)  # the last that was seen
                continue
        for place in _cells_within(cell[0], log_sides[index], middle[index], reach[index]):
            there = leaders.setdefault(place, [])
            there.append(index)
            if len(there) > CELL_LEADERS:
                del there[0]
    return boxes[found]


def _cells_within(
    camera: int, log_sides: NDArray[np.float64], middle: NDArray[np.float64], reach: NDArray[np.float64]
) -> list[tuple[int, ...]]:
    """All cells in which boxes may lie that overlap a box by IoU 0.9."""
    axes = []
    for log_side, centre, far in zip(log_sides.tolist(), middle.tolist(), reach.tolist(), strict=True):
        low, high = (int((log_side + way) // _SIDE_STEP) for way in (-_SIDE_REACH, _SIDE_REACH))
        places = []
        for side in range(low, high + 1):
            scale = float(np.exp(side * _SIDE_STEP)) * _CENTRE_STEP
            places += [(side, at) for at in range(int((centre - far) // scale), int((centre + far) // scale) + 1)]
        axes.append(places)
    return [(camera, x_side, y_side, x, y) for (x_side, x), (y_side, y) in product(*axes)]


def _kept(leader: NDArray[np.integer], needed: Sequence[tuple[int, NDArray[np.integer]]]) -> NDArray[np.int64]:
    """Leaders (N,), -1 where the group is not in enough different ones of each kind (N,); -1 is none."""
    values, of_box = np.unique(leader, return_inverse=True)
    enough = values >= 0
    for fewest, places in needed:
        there = places >= 0
        span = int(places.max(initial=0)) + 1
        different = np.unique(of_box[there] * span + places[there]) // span
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


def _perches(
    group: NDArray[np.int64], xywh: NDArray[np.float32], camera: NDArray[np.integer], frame: NDArray[np.integer]
) -> list[int]:
    """The groups in whose place, in frames without them, something else is seen at least as often."""
    perches = []
    leaders = np.unique(group[group >= 0])
    for each in np.unique(camera[leaders]).tolist():
        boxes = np.flatnonzero(camera == each)
        single = boxes[group[boxes] < 0]
        corners = xywh_to_xyxy(xywh[single].astype(np.float64))
        for leader in leaders[camera[leaders] == each].tolist():
            overlap = box_iou(xywh_to_xyxy(xywh[[leader]].astype(np.float64)), corners)[0]
            own = np.unique(frame[boxes[group[boxes] == leader]])
            others = single[(overlap >= PERCH_IOU[0]) & (overlap < PERCH_IOU[1])]
            if len(np.setdiff1d(frame[others], own)) >= len(own):
                perches.append(leader)
    return perches
