"""What there is to look at: the queues, and which boxes are in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.review.boxes import Boxes
from detector.species.naming import DISAGREE_ALL, NOT_LOCAL, RARE
from detector.types import Kind


@dataclass(frozen=True)
class Queue:
    """A queue of boxes.

    Attributes:
        title: What people read.
        hint: What is in it, in a sentence.
        scope: Which boxes it is of, whether or not a person has spoken: bool (B,).
        whole: Whether boxes of reviewed birds stay in it.
        groups: Whether a picture in it stands for a group of repeats.
    """

    title: str
    hint: str
    scope: Callable[[Boxes], NDArray[np.bool_]]
    whole: bool = False
    groups: bool = False


def _disagree(boxes: Boxes) -> NDArray[np.bool_]:
    return boxes.counted & boxes.has_reason([DISAGREE_ALL])


def _rare(boxes: Boxes) -> NDArray[np.bool_]:
    return boxes.counted & boxes.has_reason([NOT_LOCAL, RARE])


def _unnamed(boxes: Boxes) -> NDArray[np.bool_]:
    """Boxes that nobody and nothing has put a species to."""
    unnamed = [name.kind in (Kind.BIRD, Kind.UNCERTAIN, Kind.UNDECIDED) and name.rank != "species" and not (
        name.name and name.rank is None) for name in boxes.names]  # fmt: skip
    return boxes.counted & np.array(unnamed, bool)[boxes.name]


QUEUES: dict[str, Queue] = {
    "review": Queue(
        "Needs review",
        "no species, near the threshold, maybe no bird, or rare here",
        lambda boxes: boxes.counted & boxes.needs_review,
    ),
    "disagree": Queue("Models disagree", "the detector and the classifier say different things", _disagree),
    "rare": Queue("Rare or off-list", "not on the local list, or rare at this time of the year", _rare),
    "unnamed": Queue("Without a species", "birds that are named no further than genus, family or order", _unnamed),
    "repeats": Queue(
        "Repeats",
        "things that stand still in many pictures: one decision for each",
        lambda boxes: boxes.group >= 0,
        groups=True,
    ),
    "all": Queue("Everything", "all that was found and counts", lambda boxes: boxes.counted),
    "reviewed": Queue("Reviewed", "what people have spoken on", lambda boxes: boxes.reviewed, whole=True),
}


class Members:
    """Which boxes are in which queue.

    Args:
        boxes: Of the store.
    """

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes

    def open(self, queue: str, every: bool = False) -> NDArray[np.bool_]:
        """bool (B,): the pictures to show, one of each bird or group.

        Args:
            queue: Its name.
            every: All boxes of a bird, not the surest.
        """
        one, boxes = QUEUES[queue], self.boxes
        shown = one.scope(boxes) & self.units(queue, every)
        return shown if one.whole else shown & ~boxes.reviewed

    def done(self, queue: str) -> int:
        """How many birds or groups of it people have spoken on."""
        one, boxes = QUEUES[queue], self.boxes
        return int((self.units(queue) & boxes.reviewed & (one.groups | boxes.listed)).sum())

    def units(self, queue: str, every: bool = False) -> NDArray[np.bool_]:
        """bool (B,): the boxes that a picture can stand for, whatever people said: see `open`."""
        if QUEUES[queue].groups:
            return self.boxes.group_lead
        return self.boxes.listed if every else self.boxes.lead
