"""All decisions on a store or a portion of it, as arrays, before they are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detector.decisions.events import Events
from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.linking import Individuals
from detector.decisions.naming.boxes import BoxDecisions
from detector.decisions.options import DecideOptions
from detector.decisions.rules import Rules
from detector.deployments.effort import Watch
from detector.deployments.placement import Placement
from detector.species.rerank import Ranked
from detector.store.reviews.log import Review, Words


@dataclass(frozen=True, eq=False)
class Decisions:
    """What is decided of M media items and B boxes.

    Attributes:
        options: By which they were made.
        rules: Read from the files that the options name.
        facts: Of the store.
        placed: Deployment and time of items.
        sequence: int64 (M,), of each item the first item of its sequence.
        individuals: Boxes by individual.
        repeat: int64 (B,), of each box the first box of its group of repeats; -1: none.
        ranked: The individuals by name.
        boxes: What is decided of each box.
        counted: bool (B,), boxes that count.
        nested: bool (B,), those for which another stands in numbers at once.
        count: int32 (B,), how many individuals each stands for.
        placed_by: int64 (B,), the word that says where a box lies, an index into `words.place`; -1: the detector does.
        blank: bool (M,).
        blank_word: int64 (M,), the word that nothing is there, an index into `words.identity`; -1: nobody said so.
        duplicate_of: string (M,), the first item with the same content; null: none.
        times: datetime64[ms] (B,), local, of each box's frame.
        events: Of the boxes.
        event_ids: Names of the events.
        watches: How long each deployment watched.
        words: What people said.
        lost_reviews: Those of the reviews that say nothing of these boxes.
    """

    options: DecideOptions
    rules: Rules
    facts: FactsTable
    placed: Placement
    sequence: NDArray[np.int64]
    individuals: Individuals
    repeat: NDArray[np.int64]
    ranked: Ranked
    boxes: BoxDecisions
    counted: NDArray[np.bool_]
    nested: NDArray[np.bool_]
    count: NDArray[np.int32]
    placed_by: NDArray[np.int64]
    blank: NDArray[np.bool_]
    blank_word: NDArray[np.int64]
    duplicate_of: pa.Array
    times: NDArray[np.datetime64]
    events: Events
    event_ids: pa.Array
    watches: list[Watch]
    words: Words
    lost_reviews: set[Review]
