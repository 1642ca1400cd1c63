"""Boxes within each other: one bird seen twice, as a whole and in part, or several birds and a box around them all.

The detector joins boxes that overlap by half; a box of a head within one of the whole bird overlaps it less. Birds at
once are counted by this rule, for the boxes of one name in one frame:

1. Of two boxes of which one lies within the other, the surer one stands for the bird (a head in a body: 1).
2. But a box that holds two or more others which are disjoint is a box around these: they count, and it does not,
   however sure it is (two birds side by side, and a box around both: 2).
3. People tell birds apart: a box that a person drew within another is a bird of its own (a chick under its mother: 2),
   and so are two of which people said that they differ in sex or age. But drawn boxes that fill most of one around them
   show what that one shows: the same bird drawn anew, or the birds of a group by rule 2.

So a bird is lost only where it lies wholly within another's outline, and none is counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats, xywh_to_xyxy

WITHIN = 0.9  # of the smaller box's area that lies in the larger one
DISJOINT = 0.1  # of the smaller box's area that two neighbours may share
FILLED = 0.6  # of a box's area, by the outline of all that people drew in it


@dataclass(frozen=True, eq=False)
class ToldApart:
    """What people said by which birds are told apart.

    Attributes:
        drawn: bool (B,), boxes that people drew.
        traits: int (T, B), such as sex and age; -1: nobody said.
    """

    drawn: NDArray[np.bool_]
    traits: NDArray[np.integer]


def find_nested(
    xywh: NDArray[np.floating],
    score: NDArray[np.floating],
    frame: NDArray[np.integer],
    key: NDArray[np.integer],
    counts: NDArray[np.bool_],
    apart: ToldApart | None = None,
) -> NDArray[np.bool_]:
    """Which boxes (B,) show what another box of the same name in the same frame stands for; see above.

    Everywhere but in numbers at once they stay boxes like others.

    Args:
        xywh: (B, 4).
        score: (B,); of equally sure ones the first stands for the bird.
        frame: (B,), index of each box's frame.
        key: (B,), index of what is seen.
        counts: (B,), whether a box counts at all; the others are not nested, and nothing is in them.
        apart: What people said.
    """
    rows = np.flatnonzero(counts)
    order = rows[np.lexsort((rows, -score[rows], key[rows], frame[rows]))]
    corners = xywh_to_xyxy(xywh[order].astype(np.float64))
    surer, other = _nested_pairs(corners, np.stack([frame[order], key[order]], axis=1))
    if apart is not None:
        one = _are_one(corners, surer, other, ToldApart(apart.drawn[order], apart.traits[:, order]))
        surer, other = surer[one], other[one]
    dropped = _dropped(surer, other, len(order))
    _open_groups(dropped, surer, other, corners)
    nested = np.zeros(len(score), bool)
    nested[order[dropped]] = True
    return nested


def nested_with(xywh: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which other boxes (N, 4) lie within a box (4,), or around it: (N,)."""
    one, many = xywh_to_xyxy(xywh[None].astype(np.float64)), xywh_to_xyxy(others.astype(np.float64))
    smaller = np.minimum(xywh[2] * xywh[3], others[:, 2] * others[:, 3])
    return (_common(one, many) >= WITHIN * smaller) & (smaller > 0)


def _nested_pairs(corners: Floats, place: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes (N,) of one place of which one lies within the other, the earlier one first."""
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    pairs = [np.zeros((2, 0), np.int64)]
    for step in range(1, len(corners)):
        first = np.flatnonzero((place[step:] == place[:-step]).all(axis=1))
        if not len(first):
            break  # no frame has more boxes of one name
        second = first + step
        smaller = np.minimum(area[first], area[second])
        within = (_common(corners[first], corners[second]) >= WITHIN * smaller) & (smaller > 0)
        pairs.append(np.stack([first[within], second[within]]))
    surer, other = np.concatenate(pairs, axis=1)
    return surer, other


def _are_one(
    corners: Floats, surer: NDArray[np.int64], other: NDArray[np.int64], apart: ToldApart
) -> NDArray[np.bool_]:
    """Which nested pairs (P,) people do not tell apart; see rule 3."""
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    first, second = apart.traits[:, surer], apart.traits[:, other]
    one = ~((first >= 0) & (second >= 0) & (first != second)).any(axis=0)
    swapped = area[surer] < area[other]
    inner, outer = np.where(swapped, surer, other), np.where(swapped, other, surer)
    for around in np.unique(outer[apart.drawn[inner]]).tolist():
        within = (outer == around) & apart.drawn[inner]
        boxes = corners[inner[within]]
        outline = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
        one[within] &= outline.prod() >= FILLED * area[around]
    return one


def _dropped(surer: NDArray[np.int64], other: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Which of the boxes are in or around a surer one that is itself kept: (count,)."""
    dropped, kept = np.zeros(count, bool), np.ones(count, bool)
    kept[other] = False
    while True:  # as often as boxes lie in boxes in boxes
        dropped[other[kept[surer]]] = True
        waiting = np.zeros(count, bool)
        waiting[other[~dropped[surer]]] = True  # for the word on a surer one
        now = ~dropped & (kept | ~waiting)
        if (now == kept).all():
            return dropped
        kept = now


def _open_groups(
    dropped: NDArray[np.bool_], surer: NDArray[np.int64], other: NDArray[np.int64], corners: Floats
) -> None:
    """Let boxes that lie disjoint within a kept one take its place; changes `dropped`."""
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    held = np.bincount(other[~dropped[surer]], minlength=len(dropped))
    inner = ~dropped[surer] & (held[other] == 1) & (area[other] < area[surer])
    around, inside = surer[inner], other[inner]
    by_outer = np.argsort(around, kind="stable")
    for members in np.split(by_outer, np.flatnonzero(np.diff(around[by_outer])) + 1):
        if len(members) < 2:
            continue
        apart: list[int] = []
        for box in sorted(inside[members].tolist(), key=lambda each: (area[each], each)):
            others = corners[apart]
            if (_common(corners[[box]], others) <= DISJOINT * np.minimum(area[box], area[apart])).all():
                apart.append(box)
        if len(apart) > 1:
            dropped[around[members[0]]] = True
            dropped[apart] = False


def _common(one: Floats, other: Floats) -> Floats:
    """Area (N,) that boxes xyxy (N, 4) or (1, 4) share with others (N, 4)."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    return (high - low).clip(min=0).prod(axis=1)
