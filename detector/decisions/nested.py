"""Boxes within each other: one bird seen twice, as a whole and in part, which overlap too little to be merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.boxes import xywh_to_xyxy

WITHIN = 0.9  # of the smaller box's area that lies in the larger one


def find_nested(
    xywh: NDArray[np.floating],
    score: NDArray[np.floating],
    frame: NDArray[np.integer],
    key: NDArray[np.integer],
    counts: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which boxes (B,) lie within, or around, a surer box of the same name in the same frame.

    Birds at once are counted without them: MaxN is a number that surely was there, and a bird within another's outline
    is rarer than a box around a bird and its shadow. Everywhere else they stay boxes like others.

    Args:
        xywh: (B, 4).
        score: (B,); of equally sure ones the first stands for the bird.
        frame: (B,), index of each box's frame.
        key: (B,), index of what is seen.
        counts: (B,), whether a box counts at all; the others are not nested, and nothing is in them.
    """
    nested = np.zeros(len(score), bool)
    rows = np.flatnonzero(counts)
    order = rows[np.lexsort((rows, -score[rows], key[rows], frame[rows]))]
    corners = xywh_to_xyxy(xywh[order].astype(np.float64))
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    place = np.stack([frame[order], key[order]], axis=1)
    for step in range(1, len(order)):
        surer = np.flatnonzero((place[step:] == place[:-step]).all(axis=1))
        if not len(surer):
            break  # no frame has more boxes of one name
        other = surer + step
        low = np.maximum(corners[surer, :2], corners[other, :2])
        high = np.minimum(corners[surer, 2:], corners[other, 2:])
        common = (high - low).clip(min=0).prod(axis=1)
        smaller = np.minimum(area[surer], area[other])
        nested[order[other[(common >= WITHIN * smaller) & (smaller > 0)]]] = True
    return nested
