"""The order of pictures on the page: the least sure first, and among these beside each other those that look alike.

What looks alike is told from the classifier's embeddings, or from its logits where the store has none.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.review.boxes import Boxes
from detector.store.reader import FactsReader
from detector.store.vectors import binary_matrix

Order = Literal["unsure", "alike", "sure", "time", "latest"]
ORDERS: tuple[Order, ...] = get_args(Order)
STEPS = 5  # of uncertainty, within which likeness orders
KEPT = 64  # numbers a vector: projections of longer ones at random keep their angles (Johnson and Lindenstrauss 1984)
CHAIN = 1_000  # vectors that are compared with each other; of more, those that are near each other anyway


class Likeness:
    """Vectors of boxes (B), of which near ones look alike to the classifier.

    Args:
        reader: Of the facts.
        boxes: Of the store.

    Raises:
        DataError: A part of the facts is damaged.
    """

    def __init__(self, reader: FactsReader, boxes: Boxes) -> None:
        self.vectors: NDArray[np.float16] | None = None
        keys = _keys(boxes.media_row, boxes.frame, boxes.box)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        ids = boxes.media["media_id"]
        for part in reader.parts():
            columns = ["media_id", "frame_number", "detections.list.element.x"]
            rows = [_batch_keys(batch, ids) for batch in reader.batches(part, columns)]
            of_part = np.concatenate(rows) if rows else np.zeros(0, np.int64)
            places = np.searchsorted(keys, of_part)
            held = (places < len(keys)) & (of_part >= 0)  # boxes that people drew have no key, and no vector
            held[held] = keys[places[held]] == of_part[held]
            rows_of_part = order[np.minimum(places, len(keys) - 1)] if len(keys) else places
            self._take(reader, part, np.where(held, rows_of_part, -1), len(keys))

    def _take(self, reader: FactsReader, part: object, places: NDArray[np.int64], count: int) -> None:
        """The vectors of a part, into the places of their boxes; -1: of no box."""
        for name in ("embedding", "logits"):
            start, taken = 0, False
            for packed in reader.vectors(part, name):  # type: ignore[arg-type]
                at = places[start : start + len(packed)]
                start += len(packed)
                there = np.asarray(pc.is_valid(packed).to_numpy(zero_copy_only=False), bool) & (at >= 0)
                if not there.any():
                    continue
                taken = True
                matrix = binary_matrix(packed.filter(pa.array(there)), "<f2").astype(np.float32)
                if self.vectors is None:
                    self.vectors = np.zeros((count, min(matrix.shape[1], KEPT)), np.float16)
                self.vectors[at[there]] = _reduced(matrix)
            if taken:
                return

    def chained(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, each followed by the nearest of those that are left, from the one that is most like all on."""
        if self.vectors is None or len(rows) < 3:
            return rows
        if len(rows) <= CHAIN:
            return rows[_chain(self.vectors[rows].astype(np.float32))]
        vectors = self.vectors[rows].astype(np.float32)
        axis = np.linalg.svd(vectors[:: len(rows) // CHAIN + 1] - vectors.mean(axis=0), full_matrices=False)[2][0]
        along = np.argsort(vectors @ axis, kind="stable")
        parts = np.array_split(along, -(-len(rows) // CHAIN))
        return rows[np.concatenate([part[_chain(vectors[part])] for part in parts])]


def ordered(boxes: Boxes, rows: NDArray[np.int64], order: Order, likeness: Likeness | None) -> NDArray[np.int64]:
    """Rows of boxes in an order."""
    if order in ("time", "latest"):
        late = boxes.moment[rows]
        return rows[np.lexsort((rows, -late if order == "latest" else late))]
    unsure = boxes.uncertainty[rows]
    by_sureness = rows[np.lexsort((rows, unsure if order == "sure" else -unsure))]
    if order in ("sure", "unsure") or likeness is None:
        return by_sureness
    step = np.floor(boxes.uncertainty[by_sureness] * STEPS)
    cuts = np.flatnonzero(np.diff(step)) + 1
    return np.concatenate([likeness.chained(part) for part in np.split(by_sureness, cuts)])


def _chain(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The numbers of unit vectors (N, D), each followed by the nearest of those that are left."""
    near = vectors @ vectors.T
    at = int(near.sum(axis=1).argmax())
    order = [at]
    left = np.ones(len(vectors), bool)
    left[at] = False
    for _ in range(len(vectors) - 1):
        at = int(np.where(left, near[at], -np.inf).argmax())
        left[at] = False
        order.append(at)
    return np.array(order)


def _reduced(matrix: NDArray[np.float32]) -> NDArray[np.float16]:
    """Vectors (N, D) of length 1 around their middle, with at most `KEPT` numbers each."""
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    width = centred.shape[1]
    if width > KEPT:
        centred = centred @ np.random.default_rng(0).standard_normal((width, KEPT), np.float32)
    return (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)).astype(np.float16)


def _keys(media_row: NDArray, frame: NDArray, box: NDArray) -> NDArray[np.int64]:
    """A number a box, rising by file, frame and box; -1 for what no store holds so many of."""
    keys = (np.asarray(media_row, np.int64) << 40) | (np.asarray(frame, np.int64) << 12) | np.asarray(box, np.int64)
    return np.where((np.asarray(media_row) >= 0) & (frame < 1 << 28) & (box < 1 << 12), keys, -1)


def _batch_keys(batch: pa.RecordBatch, ids: pa.ChunkedArray) -> NDArray[np.int64]:
    counts = np.asarray(pc.fill_null(pc.list_value_length(batch["detections"]), 0).to_numpy(zero_copy_only=False))
    media = pc.fill_null(pc.index_in(batch["media_id"], ids), -1).to_numpy(zero_copy_only=False)
    frame = batch["frame_number"].to_numpy(zero_copy_only=False)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    box = np.arange(counts.sum()) - starts
    return _keys(np.repeat(media, counts), np.repeat(frame, counts), box)
