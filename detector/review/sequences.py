"""What was at one place at one time, by whatever names: a visit, which a person may decide on as a whole."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detector.review.boxes import NO_TIME, Boxes
from detector.review.names import BoxName
from detector.types import Kind

MAYBE_BIRDS = (Kind.BIRD, Kind.UNCERTAIN, Kind.UNDECIDED)


@dataclass(frozen=True, eq=False)
class Visit:
    """Birds at a place, with no pause as long as that between independent events.

    Attributes:
        rows: The surest box of each bird.
        votes: Names of birds with how many birds have each, and how sure the models are of these together; the most
            voted for first.
    """

    rows: NDArray[np.int64]
    votes: tuple[tuple[BoxName, int, float], ...]

    @property
    def majority(self) -> BoxName | None:
        """The name that most have, of species where one is named at all; None: nothing is."""
        return next((name for name, _, _ in self.votes if name.rank in ("species", None) and name.name), None) or next(
            (name for name, _, _ in self.votes if name.name), None
        )


class Visits:
    """Visits of birds, by their boxes.

    Args:
        boxes: Of the store.
        independence_min: Minutes without a bird after which another visit begins.
    """

    def __init__(self, boxes: Boxes, independence_min: float) -> None:
        self._boxes, self._pause_s = boxes, independence_min * 60

    @cached_property
    def _number(self) -> NDArray[np.int64]:
        """int64 (B,): the visit of each box."""
        boxes = self._boxes
        order = np.lexsort((boxes.moment, boxes.place))
        moment, place = boxes.moment[order], boxes.place[order]
        known = moment != NO_TIME
        gap = np.ones(len(order), bool)
        if len(order):
            near = (np.diff(moment) <= self._pause_s) & known[1:] & known[:-1]
            gap[1:] = (np.diff(place) != 0) | ~near
            # of what has no time only the same file is one visit
            media = boxes.media_row[order]
            gap[1:] &= ~((media[1:] == media[:-1]) & ~known[1:])
        number = np.empty(len(order), np.int64)
        number[order] = np.cumsum(gap)
        return number

    def of(self, row: int) -> Visit:
        """The visit that a box is of."""
        boxes = self._boxes
        birds = np.array([name.kind in MAYBE_BIRDS for name in boxes.names], bool)
        rows = np.flatnonzero((self._number == self._number[row]) & boxes.lead & boxes.counted & birds[boxes.name])
        votes: dict[int, list[float]] = defaultdict(list)
        for each in rows.tolist():
            votes[int(boxes.name[each])].append(1 - float(boxes.uncertainty[each]))
        ranked = sorted(votes.items(), key=lambda vote: (-len(vote[1]), -sum(vote[1])))
        return Visit(rows, tuple((boxes.names[name], len(sure), sum(sure)) for name, sure in ranked))
