"""Linking boxes that show one individual: by track in a video, by place, size and appearance through a burst."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from detector.boxes import Floats, box_iou, xywh_to_xyxy
from detector.decisions.facts_table import FactsTable

LINK_SCORE = 0.2  # boxes from here up are linked, whatever the threshold from which they count
REACH = 3.0  # how far a bird gets between two photos of a burst, in sides of its box
LARGEST_GROWTH = 2.5  # of its box's side, as it turns or comes nearer
OVERLAP_PART, PLACE_PART, LOOKS_PART = 0.2, 0.6, 0.2  # of what speaks against a link, each 0..1
HIGHEST_COST = 0.8
CHUNK = 16_384  # pairs that are looked at together
_SMALLEST = 1e-6  # side of a box, pixels; boxes without area link with nothing
_FLAT = 1e-3  # grey levels' spread below which an appearance says nothing


@dataclass(frozen=True, eq=False)
class Individuals:
    """Boxes (B) by individual (I), numbered by their first boxes.

    Attributes:
        of_box: int64 (B,).
        first_box: int64 (I,).
        size: int64 (I,), number of boxes.
    """

    of_box: NDArray[np.int64]
    first_box: NDArray[np.int64]
    size: NDArray[np.int64]


def find_individuals(
    facts: FactsTable,
    sequence: NDArray[np.int64],
    photo_order: NDArray[np.int64],
    size_wh: NDArray[np.float64],
) -> Individuals:
    """Link boxes.

    In photos of a burst, boxes of one photo are assigned to boxes of the one before; weak boxes stand alone, so that
    they do not lead links astray. In videos the tracks of the facts are taken.

    Args:
        facts: Of the store.
        sequence: (M,), from `find_sequences`.
        photo_order: (P,), from `find_sequences`.
        size_wh: (M, 2), pixels, so that distances are the same in both directions; 1 where unknown.
    """
    box_media = facts.box_media
    root = np.arange(len(facts.score))
    tracked = np.flatnonzero((facts.track >= 0) & facts.is_video[box_media])
    if len(tracked):
        key = box_media[tracked].astype(np.int64) << 32 | facts.track[tracked]
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        root[tracked] = tracked[first[inverse]]

    strong = np.flatnonzero((facts.score >= LINK_SCORE) & ~facts.is_video[box_media])
    media = box_media[strong]  # rising
    start = np.searchsorted(media, np.arange(len(sequence)))
    count = np.bincount(media, minlength=len(sequence))
    links = _Links(facts.xywh[strong], size_wh[media], facts.appearance[strong], np.full(len(strong), -1))

    before, after = photo_order[:-1], photo_order[1:]
    pairs = (sequence[before] == sequence[after]) & (count[before] > 0) & (count[after] > 0)
    before, after = before[pairs], after[pairs]
    single = (count[before] == 1) & (count[after] == 1)
    links.link_single(start[before[single]], start[after[single]])
    for first_item, second_item in zip(before[~single].tolist(), after[~single].tolist(), strict=True):
        links.assign(
            np.arange(start[first_item], start[first_item] + count[first_item]),
            np.arange(start[second_item], start[second_item] + count[second_item]),
        )
    root[strong] = strong[_roots(links.previous)]
    values, of_box, size = np.unique(root, return_inverse=True, return_counts=True)
    # a later photo of a burst may come first by path
    first_box = np.full(len(values), len(root))
    np.minimum.at(first_box, of_box, np.arange(len(root)))
    rank = np.argsort(np.argsort(first_box, kind="stable"), kind="stable")
    by_first = np.argsort(first_box, kind="stable")
    return Individuals(rank[of_box], first_box[by_first], size[by_first])


def standardised(appearance: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Appearances (N, 64) with mean 0 and length 1, so that a product is their correlation; 0 where they are flat."""
    values = appearance.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > _FLAT)


@dataclass(eq=False)
class _Links:
    xywh: NDArray[np.float32]  # (S, 4), shares of the picture
    size_wh: NDArray[np.float64]  # (S, 2), of the picture, pixels
    appearance: NDArray[np.uint8]  # (S, 64)
    previous: NDArray[np.int64]  # (S,), the box in the photo before; -1: none

    def link_single(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """One box in each of two photos: many such pairs at once."""
        for start in range(0, len(first), CHUNK):
            before, after = first[start : start + CHUNK], second[start : start + CHUNK]
            cost = _costs(self.boxes(before), self.boxes(after), self.looks(before), self.looks(after), _iou_of_pairs)
            linked = cost <= HIGHEST_COST
            self.previous[after[linked]] = before[linked]

    def assign(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Several boxes: the assignment of least cost."""
        cost = _costs(
            self.boxes(first)[:, None],
            self.boxes(second)[None],
            self.looks(first)[:, None],
            self.looks(second)[None],
            lambda a, b: box_iou(xywh_to_xyxy(a[:, 0]), xywh_to_xyxy(b[0])),
        )
        rows, columns = linear_sum_assignment(np.minimum(cost, 2 * HIGHEST_COST))
        linked = cost[rows, columns] <= HIGHEST_COST
        self.previous[second[columns[linked]]] = first[rows[linked]]

    def boxes(self, which: NDArray[np.int64]) -> Floats:
        """xywh (N, 4) in pixels."""
        return self.xywh[which] * np.tile(self.size_wh[which], 2)

    def looks(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        return standardised(self.appearance[which])


def _costs(a: Floats, b: Floats, looks_a: Floats, looks_b: Floats, iou: Callable[[Floats, Floats], Floats]) -> Floats:
    """What speaks against linking boxes xywh (..., 4) with others, where shapes broadcast; infinite: impossible."""
    side_a, side_b = (np.maximum(np.sqrt(each[..., 2] * each[..., 3]), _SMALLEST) for each in (a, b))
    middle_a, middle_b = (each[..., :2] + each[..., 2:] / 2 for each in (a, b))
    apart = np.sqrt(((middle_a - middle_b) ** 2).sum(axis=-1))
    distance = 2 * apart / (side_a + side_b) / REACH
    growth = np.maximum(side_a / side_b, side_b / side_a)
    unlike = (1 - (looks_a * looks_b).sum(axis=-1)) / 2
    cost = OVERLAP_PART * (1 - iou(a, b)) + PLACE_PART * distance + LOOKS_PART * unlike
    return np.where((distance <= 1) & (growth <= LARGEST_GROWTH), cost, np.inf)


def _iou_of_pairs(a: Floats, b: Floats) -> Floats:
    """IoU (N,) of boxes xywh (N, 4), one with one."""
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _roots(previous: NDArray[np.int64]) -> NDArray[np.int64]:
    """The end of each chain, by jumping twice as far each time."""
    root = np.where(previous >= 0, previous, np.arange(len(previous)))
    while True:
        further = root[root]
        if (further == root).all():
            return root
        root = further
