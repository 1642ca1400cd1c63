"""What boxes say about species, as the facts stream by, and its sums by individual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.decisions.facts_table import label_matrix
from detector.store.reader import FactsReader
from detector.store.vectors import binary_matrix


@dataclass(eq=False)
class Evidence:
    """What a batch of boxes says about species.

    Attributes:
        count: Number of boxes N.
        seen: bool (N,), which have logits.
        logits: float16 (seen, C).
        labels: float32 (N, L); None where the detector knows no species.
    """

    count: int
    seen: NDArray[np.bool_]
    logits: NDArray
    labels: NDArray[np.float32] | None


def read_evidence(
    reader: FactsReader,
    parts: Sequence[tuple[Path, NDArray[np.bool_] | None]],
    num_classes: int,
    has_classifier: bool,
    num_labels: int | None,
) -> Iterator[Evidence]:
    """Batch by batch in the order of the facts.

    Args:
        reader: Of the store.
        parts: Those to read, and which of their boxes; see `FactsTable.parts`.
        num_classes: Number of the classes that are named, C.
        has_classifier: Whether the facts hold logits of these classes; else they are the detector's labels.
        num_labels: Number of a species detector's categories; None: it knows no species.

    Raises:
        DataError: A part is damaged, or the logits are of another number of classes.
    """
    for part, chosen in parts:
        labels = None if num_labels is None else _labels(reader, part, num_labels, chosen)
        if not has_classifier:
            assert labels is not None
            for scores in labels:
                yield Evidence(len(scores), np.zeros(len(scores), bool), np.zeros((0, num_classes), "<f2"), scores)
            continue
        for packed in chosen_boxes(reader.logits(part), chosen):
            seen = pc.is_valid(packed).to_numpy(zero_copy_only=False)
            logits = binary_matrix(packed.drop_null(), "<f2")
            if len(logits) and logits.shape[1] != num_classes:
                raise DataError(
                    f"boxes have logits of {logits.shape[1]} classes, and run.json names {num_classes}",
                    where=part,
                    hint="restore run.json from a copy, or begin a new store",
                )
            yield Evidence(len(packed), seen, logits.reshape(-1, num_classes), next(labels) if labels else None)


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


class Sums:
    """Sums of logits and of label scores by individual, until all its boxes have been seen."""

    def __init__(self, size: NDArray[np.int64]) -> None:
        self.missing = size.copy()
        self.is_open = np.zeros(len(size), bool)
        self.open: dict[int, list[Any]] = {}  # individual -> [boxes with logits, sum of logits, sum of label scores]
        self.complete: list[tuple[NDArray, NDArray, NDArray, NDArray | None]] = []

    def add(self, individual: NDArray[np.int64], wanted: NDArray[np.bool_], evidence: Evidence) -> None:
        use = wanted[individual]
        if not use.any():
            return
        order = np.argsort(individual[use], kind="stable")
        rows = np.flatnonzero(use)[order]
        who, start, boxes = np.unique(individual[rows], return_index=True, return_counts=True)
        position = np.cumsum(evidence.seen) - 1
        seen = evidence.seen[rows]
        counts = np.add.reduceat(seen.astype(np.int64), start)
        logits = np.zeros((len(who), evidence.logits.shape[1]))
        some = counts > 0
        if some.any():
            begin = (np.cumsum(counts) - counts)[some]
            logits[some] = np.add.reduceat(evidence.logits[position[rows[seen]]].astype(np.float64), begin, axis=0)
        labels = None
        if evidence.labels is not None:
            labels = np.add.reduceat(evidence.labels[rows].astype(np.float64), start, axis=0)
        self.missing[who] -= boxes
        whole = (self.missing[who] == 0) & ~self.is_open[who]
        self.complete.append((who[whole], counts[whole], logits[whole], None if labels is None else labels[whole]))
        for row in np.flatnonzero(~whole).tolist():
            self._add_open(int(who[row]), counts[row], logits[row], None if labels is None else labels[row])

    def _add_open(self, who: int, count: int, logits: NDArray, labels: NDArray | None) -> None:
        entry = self.open.setdefault(who, [0, np.zeros_like(logits), None if labels is None else np.zeros_like(labels)])
        self.is_open[who] = True
        entry[0] += count
        entry[1] += logits
        if labels is not None:
            entry[2] += labels
        if self.missing[who] == 0:
            del self.open[who]
            total = None if labels is None else entry[2][None]
            self.complete.append((np.array([who]), np.array([entry[0]]), entry[1][None], total))

    def take_complete(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray, NDArray | None]:
        """Those of which all boxes have been seen: (I,), boxes with logits (I,), sums (I, C) and (I, L)."""
        done, self.complete = self.complete, []
        if not done:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0)), None
        labels = [each[3] for each in done if each[3] is not None]
        return (
            np.concatenate([each[0] for each in done]),
            np.concatenate([each[1] for each in done]),
            np.concatenate([each[2] for each in done]),
            np.concatenate(labels) if labels else None,
        )
