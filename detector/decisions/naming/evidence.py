"""What boxes say about species, as the facts stream by, and its sums by individual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.decisions.facts.reading import label_matrix
from detector.decisions.facts.table import FactsTable
from detector.species.rules import NamingRules
from detector.store.reader import FactsReader
from detector.store.vectors import binary_matrix


@dataclass(frozen=True, eq=False)
class BoxBatch:
    """What a batch of boxes (N,) says about species.

    Attributes:
        seen: bool (N,), which have logits.
        logits: float16 (seen, C).
        labels: float32 (N, L), scores of the detector's categories; (N, 0) where they are no species.
    """

    seen: NDArray[np.bool_]
    logits: NDArray[np.float16]
    labels: NDArray[np.float32]

    def __getitem__(self, use: NDArray[np.bool_]) -> BoxBatch:
        return BoxBatch(self.seen[use], self.logits[use[self.seen]], self.labels[use])


def walk_boxes(
    reader: FactsReader, facts: FactsTable, rules: NamingRules
) -> Iterator[tuple[NDArray[np.int64], BoxBatch]]:
    """Rows of boxes (N,) and what they say, batch by batch in the order of the facts; nothing where nothing is named.

    Raises:
        DataError: A part is damaged, or the logits are not of the taxonomy's classes.
    """
    if rules.taxonomy is None:
        return
    start = 0
    for part, chosen in facts.parts:
        for batch in _batches(reader, part, chosen, rules, len(rules.taxonomy.class_names)):
            yield facts.rows_by_facts[start : start + len(batch.seen)], batch
            start += len(batch.seen)


def _batches(
    reader: FactsReader, part: Path, chosen: NDArray[np.bool_] | None, rules: NamingRules, num_classes: int
) -> Iterator[BoxBatch]:
    labels = _labels(reader, part, len(rules.categories), chosen) if rules.names_species else None
    if not rules.has_classifier:
        for scores in labels or ():
            yield BoxBatch(np.zeros(len(scores), bool), np.zeros((0, num_classes), np.float16), scores)
    else:
        for packed in chosen_boxes(reader.logits(part), chosen):
            seen = pc.is_valid(packed).to_numpy(zero_copy_only=False)
            logits = binary_matrix(packed.drop_null(), "<f2")
            if len(logits) and logits.shape[1] != num_classes:
                raise DataError(
                    f"boxes have logits of {logits.shape[1]} classes, and run.json names {num_classes}",
                    where=part,
                    hint="restore run.json from a copy, or begin a new store",
                )
            scores = next(labels) if labels else np.zeros((len(packed), 0), np.float32)
            yield BoxBatch(seen, logits.reshape(-1, num_classes), scores)


def _labels(
    reader: FactsReader, part: Path, num_labels: int, chosen: NDArray[np.bool_] | None
) -> Iterator[NDArray[np.float32]]:
    batches = reader.batches(part, ["detections.list.element.label_scores"])
    boxes = (pc.struct_field(batch.column("detections").flatten(), "label_scores") for batch in batches)
    for scores in chosen_boxes(boxes, chosen):
        yield label_matrix(scores, num_labels, part)


def chosen_boxes(batches: Iterator[pa.Array], mask: NDArray[np.bool_] | None) -> Iterator[pa.Array]:
    """Of each batch of boxes those that a mask of all boxes chooses; None chooses all."""
    start = 0
    for batch in batches:
        yield batch if mask is None else batch.filter(pa.array(mask[start : start + len(batch)]))
        start += len(batch)


@dataclass(frozen=True, eq=False)
class Sum:
    """What all boxes of individuals (I,) say, added up.

    Attributes:
        who: int64 (I,), the individuals.
        seen: int64 (I,), how many of their boxes have logits.
        logits: float64 (I, C).
        labels: float64 (I, L), as in `BoxBatch`.
    """

    who: NDArray[np.int64]
    seen: NDArray[np.int64]
    logits: NDArray[np.float64]
    labels: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.bool_] | slice) -> Sum:
        return Sum(*(values[rows] for values in vars(self).values()))

    def __add__(self, other: Sum) -> Sum:
        """Of the same individuals, more boxes."""
        return Sum(self.who, self.seen + other.seen, self.logits + other.logits, self.labels + other.labels)

    @classmethod
    def of_all(cls, sums: Sequence[Sum]) -> Sum:
        """Those of several together."""
        return cls(*(np.concatenate(values) for values in zip(*(vars(each).values() for each in sums), strict=True)))


class Sums:
    """Adds up what boxes say by individual; holds those of which boxes are still to come.

    Sums of float16 in float64 are exact, so that the order of the boxes does not matter.

    Args:
        size: int64 (I,), number of boxes of each individual.
    """

    def __init__(self, size: NDArray[np.int64]) -> None:
        self._missing = size.copy()
        self._is_open = np.zeros(len(size), bool)
        self._open: dict[int, Sum] = {}

    def add(self, individual: NDArray[np.int64], batch: BoxBatch) -> Sum:
        """Take boxes (N,), at least one, of these individuals (N,); gives those all of whose boxes have now come."""
        rows = np.argsort(individual, kind="stable")
        who, start, boxes = np.unique(individual[rows], return_index=True, return_counts=True)
        position = np.cumsum(batch.seen) - 1
        seen = batch.seen[rows]
        counts = np.add.reduceat(seen.astype(np.int64), start)
        logits = np.zeros((len(who), batch.logits.shape[1]))
        some = counts > 0
        if some.any():
            begin = (np.cumsum(counts) - counts)[some]
            logits[some] = np.add.reduceat(batch.logits[position[rows[seen]]].astype(np.float64), begin, axis=0)
        sums = Sum(who, counts, logits, np.add.reduceat(batch.labels[rows].astype(np.float64), start, axis=0))
        self._missing[who] -= boxes
        whole = (self._missing[who] == 0) & ~self._is_open[who]
        return Sum.of_all([sums[whole], *self._closed(sums[~whole])])

    def _closed(self, sums: Sum) -> Iterator[Sum]:
        """Keep sums of some of the boxes of individuals, and give those to which nothing is missing any more."""
        for row, who in enumerate(sums.who.tolist()):
            one = sums[row : row + 1]
            total = self._open.pop(who) + one if self._is_open[who] else one
            if self._missing[who]:
                self._open[who], self._is_open[who] = total, True
            else:
                yield total
