"""Blank files to look at: a random sample, and how many birds the models missed by it.

The sample is drawn by hashes of the files' ids: the same store gives the same order, whoever looks and whenever, so
that what was looked at is a random sample of all blank files at any moment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.evaluation.intervals import clopper_pearson
from detector.review.boxes import HIDDEN, Boxes
from detector.store.reviews.review import DRAWN_FROM
from detector.types import Kind

CONFIDENCE = 0.95
OPEN, BLANK, MISSED, OTHER = "open", "blank", "missed", "other"


@dataclass(frozen=True)
class Missed:
    """Of blank files that people looked at, those with a bird.

    Attributes:
        blank: Files in which the models found nothing that counts.
        looked: Of these, how many people looked at.
        missed: Of these, how many show a bird.
        share: Of the files, estimated; None: nobody looked.
        low: Lower end of its interval.
        high: Upper end of its interval.
    """

    blank: int
    looked: int
    missed: int
    share: float | None = None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As the page takes it."""
        return vars(self) | {"confidence": CONFIDENCE}


class Blanks:
    """The files in which the models found nothing that counts, in random order.

    Args:
        boxes: Of the store.
    """

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes
        self._said: dict[int, str | None] = {}  # since: file -> who said that it is blank; None: taken back

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Their rows among the files."""
        boxes = self.boxes
        found = (boxes.score >= np.float32(boxes.threshold)) & (boxes.box < DRAWN_FROM)
        found &= ~(boxes.suppressed & ~boxes.reviewed)
        blank = np.bincount(boxes.media_row[found], minlength=len(boxes.media)) == 0
        for column in ("failure", "duplicate_of"):
            blank &= pc.is_null(boxes.media[column]).to_numpy()
        rows = np.flatnonzero(blank)
        ids = boxes.media["media_id"].take(rows).to_pylist()
        return rows[np.argsort([_draw(item) for item in ids], kind="stable")] if len(rows) else rows

    @cached_property
    def places(self) -> dict[int, int]:
        """The place of each in the order."""
        return {row: place for place, row in enumerate(self.order.tolist())}

    def say(self, rows: list[int], reviewer: str | None) -> None:
        """Files are blank, as a person says, or as nobody says any more."""
        self._said.update(dict.fromkeys(rows, reviewer))

    def state(self, row: int) -> str:
        """What people made of a file."""
        boxes = self.boxes
        own = slice(boxes.first[row], boxes.first[row + 1])
        seen = boxes.reviewed[own] & ~boxes.suppressed[own]
        kinds = {boxes.names[name].kind for name in boxes.name[own][seen]}
        if kinds & {Kind.BIRD, Kind.UNCERTAIN}:
            return MISSED
        if kinds & {*HIDDEN, Kind.ANIMAL, Kind.UNDECIDED}:
            return OTHER
        return BLANK if self.blank_by(row) is not None else OPEN

    def blank_by(self, row: int) -> str | None:
        """Who said that nothing is in the file."""
        return self._said[row] if row in self._said else self.boxes.media["blank_by"][row].as_py()

    def missed(self) -> Missed:
        """How many birds were missed, by those files that people looked at without leaving one out.

        What was looked at for another reason, further down the order, is no random sample and says nothing.
        """
        looked = missed = 0
        for row in self.order.tolist():
            state = self.state(row)
            if state == OPEN:
                break
            looked += 1
            missed += state == MISSED
        if not looked:
            return Missed(len(self.order), 0, 0)
        low, high = clopper_pearson(missed, looked, CONFIDENCE)
        return Missed(len(self.order), looked, missed, missed / looked, low, high)


def _draw(media_id: str) -> bytes:
    return hashlib.blake2b(f"blanks {media_id}".encode(), digest_size=8).digest()
