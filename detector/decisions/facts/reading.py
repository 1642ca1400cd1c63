"""Reads the facts of a store, or a portion of it, into a `FactsTable`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.times import LONGEST_S, seconds_that_can_be
from detector.decisions.facts.portions import Portion, folders_of
from detector.decisions.facts.table import FactsTable, as_numpy
from detector.store.reader import MEND_FACTS, FactsReader
from detector.store.schema import AUDIT, FACTS, FIRST_PASS
from detector.store.vectors import binary_matrix

APPEARANCE_BYTES = 64
_MEDIA = [
    *("media_id", "card", "path", "content_hash", "media_type", "width", "height", "captured_at", "captured_from"),
    *("modified_at", "camera_model", "frame_rate", "duration_s", "failure", "warning"),
]
_REPEATING = ("card", "media_type", "captured_from", "camera_model", "failure", "warning")
_LARGEST = {"frame_rate": 1e6, "duration_s": LONGEST_S}  # what headers claim beyond is not known
_FRAME = ("frame_number", "time_s", "brightness", "night", "moved", "seen_by")
_BOX = ("x", "y", "w", "h", "label_scores", "track_id", "appearance")


def read_facts(reader: FactsReader, num_labels: int, portion: Portion | None = None) -> FactsTable:
    """Read the facts of a store.

    Args:
        reader: Of the store.
        num_labels: Number of the detector's categories.
        portion: What to read of it; None: all.

    Raises:
        DataError: A part is damaged, an item is in two parts, or the scores are not of `num_labels` categories.
    """
    columns = _Columns(num_labels)
    names = [*_MEDIA, *_FRAME, *(f"detections.list.element.{name}" for name in _BOX)]
    for part in reader.parts() if portion is None else portion.parts:
        columns.begin_part(part, whole=portion is None)
        for batch in reader.batches(part, names):
            columns.add(batch, None if portion is None else portion.rows(batch))
        pa.default_memory_pool().release_unused()  # it would keep what every part took
    return columns.sorted()


class _Growing:
    """An array that grows at its end, in few large pieces of memory that go back to the system."""

    def __init__(self, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        self.values = np.empty((1024, *shape), dtype)
        self.length = 0

    def extend(self, values: NDArray) -> None:
        end = self.length + len(values)
        if end > len(self.values):
            larger = np.empty((max(end, 2 * len(self.values)), *self.values.shape[1:]), self.values.dtype)
            larger[: self.length] = self.values[: self.length]
            self.values = larger
        self.values[self.length : end] = values
        self.length = end

    def filled(self) -> NDArray:
        """What was added; the memory that is left over was never touched."""
        return self.values[: self.length]


@dataclass
class _Columns:
    """Gathers batches."""

    num_labels: int
    media: list[pa.Table] = field(default_factory=list)
    folder_codes: dict[tuple[str, str], int] = field(default_factory=dict)
    arrays: dict[str, _Growing] = field(default_factory=dict)
    items: int = 0
    frames: int = 0
    last_id: str | None = None
    parts: list[tuple[Path, list[NDArray[np.bool_]] | None]] = field(default_factory=list)

    def begin_part(self, part: Path, whole: bool) -> None:
        self.last_id = None  # an item is in one part
        self.parts.append((part, None if whole else []))

    def add(self, batch: pa.RecordBatch, rows: NDArray[np.bool_] | None) -> None:
        """Take a batch of the part that was begun, or only these of its rows."""
        masks = self.parts[-1][1]
        if rows is not None and masks is not None:
            masks.append(np.repeat(rows, _lengths(batch.column("detections"))))
            batch = batch.filter(pa.array(rows))
        if not batch.num_rows:
            return
        ids = batch.column("media_id")
        new = np.ones(len(ids), bool)
        new[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
        new[0] = ids[0].as_py() != self.last_id
        self.last_id = ids[-1].as_py()
        self._add_media(batch.select(_MEDIA).take(pa.array(np.flatnonzero(new))))
        self._append("frame_media", self.items - 1 + np.cumsum(new), np.int32)
        self.items += int(new.sum())
        self._append("frame_number", batch.column("frame_number"), np.int32)
        self._append("time_s", batch.column("time_s"), np.float64)
        self._append("brightness", batch.column("brightness"), np.float32)
        self._append("night", batch.column("night").cast(pa.uint8()).cast(pa.float32()), np.float32)
        seen_by = pc.fill_null(batch.column("seen_by"), "")
        gated = pc.and_(pc.fill_null(pc.invert(batch.column("moved")), False), pc.not_equal(seen_by, AUDIT))
        reasons = np.where(as_numpy(pc.equal(seen_by, FIRST_PASS)), 2, as_numpy(gated))  # into PASSED_OVER
        self._append("passed_over", reasons, np.uint8)
        self._add_boxes(batch.column("detections"))
        self.frames += batch.num_rows

    def _add_media(self, items: pa.RecordBatch) -> None:
        found = folders_of(items)
        codes = [self.folder_codes.setdefault(folder, len(self.folder_codes)) for folder in found.folders]
        self._append("folder", np.array(codes, np.int32)[found.of_row], np.int32)
        table = pa.Table.from_batches([items])
        for name, largest in _LARGEST.items():
            index, values = table.column_names.index(name), table[name]
            possible = pc.and_(pc.greater(values, 0), pc.less_equal(values, largest))
            table = table.set_column(index, table.field(name), pc.if_else(possible, values, None))
        for name in _REPEATING:
            index = table.column_names.index(name)
            table = table.set_column(index, name, table[name].dictionary_encode())
        self.media.append(table)

    def _add_boxes(self, detections: pa.ListArray) -> None:
        counts = _lengths(detections)
        boxes = detections.flatten()
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        self._append("box_frame", np.repeat(self.frames + np.arange(len(counts)), counts), np.int32)
        self._append("box", np.arange(len(boxes)) - starts, np.int32)
        for name in ("x", "y", "w", "h"):
            self._append(name, pc.struct_field(boxes, name), np.float32)
        part = self.parts[-1][0]
        scores = label_matrix(pc.struct_field(boxes, "label_scores"), self.num_labels, part)
        self._append("label", scores.argmax(axis=1) if scores.size else np.zeros(len(scores)), np.int32)
        self._append("score", scores.max(axis=1, initial=-np.inf), np.float32)
        self._append("track", pc.struct_field(boxes, "track_id").fill_null(-1), np.int32)
        appearance = pc.struct_field(boxes, "appearance")
        if pc.any(pc.not_equal(pc.binary_length(appearance), APPEARANCE_BYTES)).as_py():
            problem = f"its boxes have an appearance of another size than {APPEARANCE_BYTES} bytes"
            raise DataError(problem, where=part, hint=MEND_FACTS)
        self._append("has_appearance", pc.is_valid(appearance), np.bool_)
        filled = binary_matrix(appearance.fill_null(bytes(APPEARANCE_BYTES)), "u1")
        self._append("appearance", filled.reshape(-1, APPEARANCE_BYTES), np.uint8)

    def _append(self, name: str, values: pa.Array | NDArray, dtype: type[np.generic]) -> None:
        array = values if isinstance(values, np.ndarray) else as_numpy(values)
        if name not in self.arrays:
            self.arrays[name] = _Growing(dtype, array.shape[1:])
        self.arrays[name].extend(array)

    def _joined(self, name: str, dtype: type[np.generic], *shape: int) -> NDArray:
        column = self.arrays.pop(name, None)
        return np.zeros((0, *shape), dtype) if column is None else column.filled()

    def sorted(self) -> FactsTable:
        media = _one_table(self.media)
        self.media.clear()
        order = _order(media)
        if not _is_range(order):
            media = media.take(pa.array(order))
        media = media.combine_chunks()
        _check_unique(media)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        folder = self._joined("folder", np.int32)[order]

        frame_media = rank[self._joined("frame_media", np.int32)]
        frame_order = np.argsort(frame_media, kind="stable")  # frames of an item are in order in the facts
        frame_rank = np.empty(len(frame_order), np.int32)
        frame_rank[frame_order] = np.arange(len(frame_order), dtype=np.int32)

        box_frame = frame_rank[self._joined("box_frame", np.int32)]
        box_order = np.argsort(box_frame, kind="stable")

        def frames(name: str, dtype: type[np.generic]) -> NDArray:
            return _ordered(self._joined(name, dtype), frame_order)

        def boxes(name: str, dtype: type[np.generic], *shape: int) -> NDArray:
            return _ordered(self._joined(name, dtype, *shape), box_order)

        return FactsTable(
            media=media,
            folder=folder,
            folders=list(self.folder_codes),
            frame_media=frame_media[frame_order],
            frame_number=frames("frame_number", np.int32),
            time_s=seconds_that_can_be(frames("time_s", np.float64)),
            brightness=frames("brightness", np.float32),
            night=frames("night", np.float32),
            passed_over=frames("passed_over", np.uint8),
            box_frame=box_frame[box_order],
            box=boxes("box", np.int32),
            xywh=np.stack([boxes(name, np.float32) for name in ("x", "y", "w", "h")], axis=1),
            score=boxes("score", np.float32),
            label=boxes("label", np.int32),
            track=boxes("track", np.int32),
            appearance=boxes("appearance", np.uint8, APPEARANCE_BYTES),
            has_appearance=boxes("has_appearance", np.bool_),
            position=box_order,
            parts=[(part, None if masks is None else _concatenated(masks)) for part, masks in self.parts],
        )


def label_matrix(label_scores: pa.ListArray, num_labels: int, part: Path) -> NDArray[np.float32]:
    """The scores of boxes of a part by label, float32 (B, num_labels).

    Raises:
        DataError: A box has scores for another number of labels.
    """
    lengths = as_numpy(pc.list_value_length(label_scores).fill_null(0))
    if (lengths != num_labels).any():
        raise DataError(
            f"boxes have scores for {lengths.min()} to {lengths.max()} categories, and run.json names {num_labels}",
            where=part,
            hint="restore run.json from a copy, or begin a new store",
        )
    return as_numpy(label_scores.flatten()).reshape(-1, num_labels) if num_labels else np.zeros((len(lengths), 0), "f4")


def _lengths(lists: pa.ListArray) -> NDArray[np.int64]:
    return as_numpy(pc.list_value_length(lists).fill_null(0)).astype(np.int64)


def _concatenated(masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate(masks) if masks else np.zeros(0, bool)


def _is_range(order: NDArray[np.integer]) -> bool:
    return bool((order == np.arange(len(order))).all())


def _ordered(values: NDArray, order: NDArray[np.integer]) -> NDArray:
    return values if _is_range(order) else values[order]  # one card, annotated in one go, is in order already


def _one_table(tables: list[pa.Table]) -> pa.Table:
    if not tables:
        fields = [FACTS.field(name) for name in _MEDIA]
        return pa.table({each.name: pa.array([], each.type) for each in fields})
    return pa.concat_tables(tables).unify_dictionaries()


def _order(media: pa.Table) -> NDArray[np.int64]:
    """Rows by card and path."""
    if not len(media):
        return np.zeros(0, np.int64)
    cards = media["card"].combine_chunks()
    rank = pc.rank(cards.dictionary).to_numpy()[cards.indices.to_numpy()]
    keys = pa.table({"card": rank, "path": media["path"]})
    return pc.sort_indices(keys, [("card", "ascending"), ("path", "ascending")]).to_numpy()


def _check_unique(media: pa.Table) -> None:
    if len(media) < 2:
        return
    cards, paths = media["card"].cast(pa.string()), media["path"]
    same = pc.and_(
        pc.equal(cards.slice(1), cards.slice(0, len(media) - 1)),
        pc.equal(paths.slice(1), paths.slice(0, len(media) - 1)),
    )
    rows = np.flatnonzero(as_numpy(same))
    if len(rows):
        row = int(rows[0])
        raise DataError(
            "a file is in two parts of the facts: two processes have written to this store",
            where=f"{cards[row].as_py()}/{paths[row].as_py()}",
            hint="delete the later of the parts that hold it, and run the same `hoopoe annotate` again",
        )
