"""Linking boxes that show one individual: by track in a video; by place, size, looks and species through a burst.

A box that is sure of another kind or species shows another individual, also where a track or a burst holds both. An
exception is a classifier's slip: a box between two others that lies where they lie and looks as they look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from detector.boxes import Floats, paired_iou, xywh_to_xyxy
from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.features import ANIMAL, BoxFeatures, cannot_be_one, unlike_species
from detector.decisions.individuals.sequences import BURST_GAP_S

LINK_SCORE = 0.2  # boxes from here up are linked, whatever the threshold from which they count
REACH = 3.0  # how far a bird gets between two photos of a burst, in sides of its box
LARGEST_GROWTH = 2.5  # of its box's side, as it turns or comes nearer
OVERLAP_PART, PLACE_PART, LOOKS_PART = 0.2, 0.6, 0.2  # of what speaks against a link, each 0..1
TIME_PART = 0.2  # on top, of two photos as far apart as those of a burst may be
SPECIES_PART, EMBEDDED_PART = 0.3, 0.5  # on top, as far as both know their species, and by the cosine of embeddings
LEAST_LIKENESS = 0.1  # of that cosine; below, it is another bird
HIGHEST_COST = 0.8
SLIP_IOU, SLIP_LOOKS = 0.5, 0.9  # overlap and correlation of pictures in which nothing but the name has changed
CHUNK = 16_384  # pairs that are compared together
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
    moments_ms: NDArray[np.int64],
    features: BoxFeatures,
) -> Individuals:
    """Link boxes.

    In photos of a burst, boxes of one photo are assigned to boxes of the one before; weak boxes stand alone, so that
    they do not lead links astray. In videos the tracks of the facts are taken, and divided where they must be two.

    Args:
        facts: Of the store.
        sequence: (M,), from `find_sequences`.
        photo_order: (P,), from `find_sequences`.
        moments_ms: (M,), as given to `find_sequences`.
        features: What the boxes show, from `read_features`.
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
    links = _Links(facts, features, moments_ms, facts.sizes_wh, strong, np.full(len(strong), -1))

    before, after = photo_order[:-1], photo_order[1:]
    pairs = (sequence[before] == sequence[after]) & (count[before] > 0) & (count[after] > 0)
    before, after = before[pairs], after[pairs]
    single = (count[before] == 1) & (count[after] == 1)
    links.link_single(start[before[single]], start[after[single]])
    links.assign(*(_Runs(start[items], count[items]) for items in (before[~single], after[~single])))
    root[strong] = strong[_roots(links.previous)]
    when = np.zeros(len(sequence), np.int64)
    when[photo_order] = np.arange(len(photo_order))
    by_time = np.argsort(when[box_media], kind="stable")
    # persons and vehicles from all animals, then birds from other animals, then species from species
    root = _divided(root, by_time, np.maximum(features.kind, ANIMAL), None)  # a label of a person is no slip
    for said in (features.kind, features.sure_species):
        root = _divided(root, by_time, said, facts)
    values, of_box, size = np.unique(root, return_inverse=True, return_counts=True)
    # a later photo of a burst may come first by path
    first_box = np.full(len(values), len(root))
    np.minimum.at(first_box, of_box, np.arange(len(root)))
    rank = np.argsort(np.argsort(first_box, kind="stable"), kind="stable")
    by_first = np.argsort(first_box, kind="stable")
    return Individuals(rank[of_box], first_box[by_first], size[by_first])


def linkable(facts: FactsTable, sequence: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which boxes (B,) may be linked with others: of bursts and tracks with more than one box."""
    box_media, is_video = facts.box_media, facts.is_video
    tracked = is_video[box_media] & (facts.track >= 0)
    several = tracked | (~is_video[box_media] & (facts.score >= LINK_SCORE))
    track = box_media.astype(np.int64) << 32 | np.maximum(facts.track, 0)
    group = np.where(tracked, -1 - track, sequence[box_media])  # below 0 they are no sequences
    _, inverse, count = np.unique(group[several], return_inverse=True, return_counts=True)
    several[several] = count[inverse] > 1
    return several


def standardised(appearance: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Appearances (N, 64) with mean 0 and length 1, so that a product is their correlation; 0 where they are flat."""
    values = appearance.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > _FLAT)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Boxes of photos (P,): the first of each, and how many."""

    start: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(eq=False)
class _Links:
    """Links between strong boxes (S)."""

    facts: FactsTable
    features: BoxFeatures
    moments_ms: NDArray[np.int64]  # (M,), of items
    size_wh: NDArray[np.float64]  # (M, 2), of items, so that distances are the same in both directions
    rows: NDArray[np.int64]  # (S,), among all boxes
    previous: NDArray[np.int64]  # (S,), the box in the photo before; -1: none

    def link_single(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """One box in each of two photos: many such pairs at once."""
        for start in range(0, len(first), CHUNK):
            before, after = first[start : start + CHUNK], second[start : start + CHUNK]
            linked = self._costs(before, after) <= HIGHEST_COST
            self.previous[after[linked]] = before[linked]

    def assign(self, first: _Runs, second: _Runs) -> None:
        """Several boxes in each of two photos: of each pair of photos the assignment of least cost among the links that
        are possible."""
        combinations = first.count * second.count
        if not len(combinations):
            return
        chunk = (np.cumsum(combinations) - combinations) // CHUNK
        for pairs in np.split(np.arange(len(chunk)), np.flatnonzero(np.diff(chunk)) + 1):
            sizes, widths = combinations[pairs], second.count[pairs]
            ends = np.cumsum(sizes)
            row, column = np.divmod(np.arange(sizes.sum()) - np.repeat(ends - sizes, sizes), np.repeat(widths, sizes))
            one, other = np.repeat(first.start[pairs], sizes) + row, np.repeat(second.start[pairs], sizes) + column
            costs = self._costs(one, other)
            for cost, pair in zip(np.split(costs, ends[:-1]), pairs.tolist(), strict=True):
                self._assign(cost.reshape(first.count[pair], -1), first.start[pair], second.start[pair])

    def _assign(self, cost: Floats, first: int, second: int) -> None:
        # what is too dear costs as much as no link, so that it takes no place from a link that is possible
        rows, columns = linear_sum_assignment(np.minimum(cost, HIGHEST_COST))
        linked = cost[rows, columns] <= HIGHEST_COST
        self.previous[second + columns[linked]] = first + rows[linked]

    def _costs(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
        a, b = self.rows[first], self.rows[second]
        unlike = (1 - (self._looks(a) * self._looks(b)).sum(axis=-1)) / 2
        cost = _costs(self._boxes(a), self._boxes(b), unlike) + SPECIES_PART * unlike_species(self.features, a, b)
        cost += TIME_PART * self._pauses(a, b)
        apart = cannot_be_one(self.features, a, b)
        if self.features.embedding.shape[1]:
            one, other = (self.features.embedding[rows].astype(np.float32) for rows in (a, b))
            known = (one != 0).any(axis=-1) & (other != 0).any(axis=-1)
            cosine = (one * other).sum(axis=-1)
            cost = cost + EMBEDDED_PART * np.where(known, 1 - np.clip(cosine, 0, 1), 0)
            apart |= known & (cosine < LEAST_LIKENESS)
        return np.where(apart, np.inf, cost)

    def _boxes(self, rows: NDArray[np.int64]) -> Floats:
        """xywh (..., 4) in pixels."""
        return self.facts.xywh[rows] * np.concatenate([self.size_wh[self.facts.box_media[rows]]] * 2, axis=-1)

    def _pauses(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> Floats:
        """Between the photos of boxes, 1 for the longest within a burst."""
        first, second = (self.moments_ms[self.facts.box_media[rows]] for rows in (one, other))
        return np.abs(second - first) / (BURST_GAP_S * 1000)

    def _looks(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        flat = standardised(self.facts.appearance[rows.reshape(-1)])
        return flat.reshape(*rows.shape, -1)


def _costs(a: Floats, b: Floats, unlike: Floats) -> Floats:
    """What speaks against linking boxes xywh (..., 4) with others, where shapes broadcast; infinite: impossible."""
    side_a, side_b = (np.maximum(np.sqrt(each[..., 2] * each[..., 3]), _SMALLEST) for each in (a, b))
    middle_a, middle_b = (each[..., :2] + each[..., 2:] / 2 for each in (a, b))
    apart = np.sqrt(((middle_a - middle_b) ** 2).sum(axis=-1))
    distance = 2 * apart / (side_a + side_b) / REACH
    growth = np.maximum(side_a / side_b, side_b / side_a)
    cost = (
        OVERLAP_PART * (1 - paired_iou(xywh_to_xyxy(a), xywh_to_xyxy(b))) + PLACE_PART * distance + LOOKS_PART * unlike
    )
    return np.where((distance <= 1) & (growth <= LARGEST_GROWTH), cost, np.inf)


def _roots(previous: NDArray[np.int64]) -> NDArray[np.int64]:
    """The end of each chain, by jumping twice as far each time."""
    root = np.where(previous >= 0, previous, np.arange(len(previous)))
    while True:
        further = root[root]
        if (further == root).all():
            return root
        root = further


def _divided(
    root: NDArray[np.int64], by_time: NDArray[np.int64], said: NDArray[np.integer], facts: FactsTable | None
) -> NDArray[np.int64]:
    """Divide individuals whose boxes say different things into one for each thing that is said.

    A box that says nothing goes with the one before it, or with the first that says something.

    Args:
        root: (B,), individuals.
        by_time: (B,), the boxes in the order in which they were seen.
        said: (B,), what each box is sure of; -1: nothing.
        facts: Where the boxes lie, and how they look, to tell slips; None: there are none.

    Returns:
        (B,), individuals, named by boxes of theirs.
    """
    order = by_time[np.argsort(root[by_time], kind="stable")]
    speaks = order[said[order] >= 0]
    differs = np.flatnonzero((root[speaks[1:]] == root[speaks[:-1]]) & (said[speaks[1:]] != said[speaks[:-1]]))
    if not len(differs):
        return root
    mixed = np.zeros(len(root), bool)
    mixed[root[speaks[differs]]] = True
    rows = order[mixed[root[order]]]
    says = said[rows] if facts is None else _without_slips(rows, root, said, facts)
    begins = np.ones(len(rows), bool)
    begins[1:] = root[rows[1:]] != root[rows[:-1]]
    # the last that spoke in this individual, or else the first that does
    own = np.cumsum(begins) - 1
    spoken = np.where(says >= 0, np.arange(len(rows)), -1)
    last = np.maximum.accumulate(spoken)
    first = np.full(own[-1] + 1, len(rows))
    np.minimum.at(first, own[says >= 0], spoken[says >= 0])
    last = np.where(last >= np.flatnonzero(begins)[own], last, first[own])
    pairs = np.stack([own, says[last]])
    _, index, inverse = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
    divided = root.copy()
    divided[rows] = rows[index[inverse.reshape(-1)]]
    return divided


def _without_slips(
    rows: NDArray[np.int64], root: NDArray[np.int64], said: NDArray[np.integer], facts: FactsTable
) -> NDArray[np.integer]:
    """What boxes (N,) say, but for slips: a word between two of another, in pictures that are the same."""
    says = said[rows].copy()
    speaks = np.flatnonzero(says >= 0)
    one, middle, other = speaks[:-2], speaks[1:-1], speaks[2:]
    slip = (root[rows[one]] == root[rows[other]]) & (says[one] == says[other]) & (says[middle] != says[one])
    one, middle, other = one[slip], middle[slip], other[slip]
    same = np.ones(len(middle), bool)
    looks = standardised(facts.appearance[rows[middle]])
    for beside in (one, other):
        a, b = facts.xywh[rows[beside]].astype(np.float64), facts.xywh[rows[middle]].astype(np.float64)
        alike = (standardised(facts.appearance[rows[beside]]) * looks).sum(axis=1)
        known = facts.has_appearance[rows[beside]] & facts.has_appearance[rows[middle]]
        same &= known & (paired_iou(xywh_to_xyxy(a), xywh_to_xyxy(b)) >= SLIP_IOU) & (alike >= SLIP_LOOKS)
    says[middle[same]] = says[one[same]]
    return says
