"""Reading facts, part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backbones.errors import DataError
from detector.store.facts import FactRow, fact_rows, with_possible_times
from detector.store.files import open_parquet
from detector.store.layout import facts_folder, overlay_folder, parts
from detector.store.marks import classifier_key, marks_of
from detector.store.media_ids import MediaIds, current_id, with_current_ids
from detector.store.run_json import read_run
from detector.store.schema import FACTS, OVERLAY

MEND_FACTS = "delete it and run the same `hoopoe annotate` again: only the files of this part are done again"
MEND_OVERLAY = "delete it and run the same `hoopoe reclassify` again: only this part is done again"
_BATCH_ROWS = 4_096
_LATER = ("modified_at", "seen_by")  # columns that parts of earlier versions lack


def open_facts(part: Path) -> AbstractContextManager[pq.ParquetFile]:
    """Open a part of the facts; it is refused where it lacks a column, or has one of another type.

    Raises:
        DataError: The part is damaged.
    """
    return open_parquet(part, MEND_FACTS, FACTS, optional=_LATER)


def written_batches(part: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a part with all columns of `schema.FACTS`, as they are: without overlay, times and cards unchanged.

    Raises:
        DataError: The part is damaged.
    """
    with open_facts(part) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            _check_rows(batch, part)
            yield _with_later_columns(with_current_ids(batch), None).select(FACTS.names)


def finished(folder: Path) -> MediaIds:
    """Ids of the media items that a store holds, failures included.

    Raises:
        DataError: A part is damaged.
    """
    ids = MediaIds()
    for path in parts(facts_folder(folder)):
        with open_facts(path) as file:
            ids.update_from(file.read(["media_id"])["media_id"])
    return ids


def failed(folder: Path) -> dict[str, str]:
    """Ids of the media items of which nothing could be seen, and why.

    Raises:
        DataError: A part is damaged.
    """
    reasons: dict[str, str] = {}
    for path in parts(facts_folder(folder)):
        with open_facts(path) as file:
            failures = file.read(["failure"])["failure"]
            if failures.null_count == len(failures):
                continue
            ids = file.read(["media_id"])["media_id"]
        rows = zip(ids.to_pylist(), failures.to_pylist(), strict=True)
        reasons.update((current_id(item), reason) for item, reason in rows if reason is not None)
    return reasons


class FactsReader:
    """The facts of a store, with the logits of the classifier that counts.

    Args:
        folder: The store; one without facts is empty.

    Raises:
        DataError: `run.json` is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        run = read_run(self.folder)
        species = None if run is None else run.species
        name = None if species is None else species.overlay
        self.classifier = classifier_key(species)
        self.labels = {} if run is None else run.labels
        self.overlay = None if name is None else overlay_folder(self.folder, name)

    def parts(self) -> list[Path]:
        """The parts, in the order in which they were written."""
        return parts(facts_folder(self.folder))

    def contents(self) -> dict[str, str]:
        """Media id -> hash of the file's content, where it could be read."""
        found: dict[str, str] = {}
        for part in self.parts():
            for batch in self.batches(part, ["media_id", "content_hash"]):
                pairs = zip(batch["media_id"].to_pylist(), batch["content_hash"].to_pylist(), strict=True)
                found.update((item, digest) for item, digest in pairs if digest is not None)
        return found

    def batches(self, part: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A part's rows as they were written, without the overlay, and cards by their labels.

        Args:
            part: One of `parts`.
            columns: Names, also of fields within boxes (`detections.list.element.x`); all by default.

        Raises:
            DataError: The part is damaged.
        """
        with open_facts(part) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                _check_rows(batch, part)
                yield self._labelled(with_possible_times(_with_later_columns(with_current_ids(batch), columns)))

    def _labelled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with the names by which people call the cards."""
        place = batch.schema.get_field_index("card")
        if place < 0 or not self.labels:
            return batch
        cards = batch.column(place).dictionary_encode()
        names = pa.array([self.labels.get(card, card) for card in cards.dictionary.to_pylist()], pa.string())
        return batch.set_column(place, batch.schema.field(place), names.take(cards.indices))

    def items(self, part: Path | None = None) -> Iterator[tuple[FactRow, ...]]:
        """Media items, each with all its rows, in the order in which they were written.

        Args:
            part: Only those of this part.

        Raises:
            DataError: A part is damaged.
        """
        for path in self.parts() if part is None else [part]:
            overlay = self._overlay(path)
            rows = (row for batch in self.batches(path) for row in fact_rows(batch))
            for _, item in groupby(rows, key=lambda row: row.media_id):
                yield tuple(row if overlay is None else _overlaid(row, overlay) for row in item)

    def logits(self, part: Path) -> Iterator[pa.Array]:
        """The logits that count; see `vectors`."""
        return self.vectors(part, "logits")

    def vectors(self, part: Path, name: Literal["logits", "embedding"]) -> Iterator[pa.Array]:
        """Logits or embeddings of the classifier that counts: binary, one a box of the part, in the order of its rows
        and boxes, batch by batch; null where there is none.

        Raises:
            DataError: The part or its overlay is damaged.
        """
        overlay = self._overlay(part)
        if overlay is None:
            for batch in self.batches(part, [f"detections.list.element.{name}"]):
                boxes = batch.column("detections").flatten()  # nulls are left out
                yield pc.struct_field(boxes, name)
            return
        columns = ["media_id", "frame_number", "detections.list.element.x"]
        for batch in self.batches(part, columns):
            ids, frames, counts = (
                batch.column("media_id").to_pylist(),
                batch.column("frame_number").to_pylist(),
                pc.list_value_length(batch.column("detections")).fill_null(0).to_pylist(),
            )
            keys = ((ids[row], frames[row], box) for row in range(len(ids)) for box in range(counts[row]))
            yield pa.array([overlay.get(key, (None, None))[name == "embedding"] for key in keys], pa.binary())

    def _overlay(self, part: Path) -> dict[tuple[str, int, int], tuple[bytes | None, bytes | None]] | None:
        """(media_id, frame, box) -> (logits, embedding) of a part; None where the facts' own count."""
        if self.overlay is None:
            return None
        facts, path = marks_of(part, MEND_FACTS), self.overlay / part.name
        if path.exists() and marks_of(path, MEND_OVERLAY).part == facts.part:
            with open_parquet(path, MEND_OVERLAY, OVERLAY) as file:
                columns = file.read().to_pydict()
            keys = zip(map(current_id, columns["media_id"]), columns["frame_number"], columns["box"], strict=True)
            return dict(zip(keys, zip(columns["logits"], columns["embedding"], strict=True), strict=True))
        if facts.classifier in (None, self.classifier):
            return None  # written after the overlay, by the classifier of the overlay
        hint = "run the same `hoopoe reclassify` again: only what is missing is done"
        raise DataError("this part was not classified by the classifier that counts", where=part, hint=hint)


def _check_rows(batch: pa.RecordBatch, part: Path) -> None:
    """Refuse what no version of Hoopoe writes, and no decision can be made of."""
    for field in FACTS:
        if not field.nullable and field.name in batch.schema.names and batch.column(field.name).null_count:
            raise DataError(f"its column '{field.name}' has empty cells", where=part, hint=MEND_FACTS)
    if "frame_number" in batch.schema.names and pc.any(pc.less(batch.column("frame_number"), 0)).as_py():
        raise DataError("its column 'frame_number' has numbers below 0", where=part, hint=MEND_FACTS)
    if "detections" in batch.schema.names and batch.column("detections").type == FACTS.field("detections").type:
        boxes = batch.column("detections").flatten()
        needed = [pc.struct_field(boxes, name) for name in ("x", "y", "w", "h", "label_scores")]
        if boxes.null_count or any(values.null_count for values in needed):
            raise DataError("its column 'detections' has boxes without a place or scores", where=part, hint=MEND_FACTS)
    if {"failure", "detections"} <= set(batch.schema.names):
        empty = pc.is_null(batch.column("detections"))
        if pc.any(pc.equal(empty, pc.is_null(batch.column("failure")))).as_py():
            raise DataError("it has files that neither failed nor were annotated", where=part, hint=MEND_FACTS)


def _with_later_columns(batch: pa.RecordBatch, columns: Sequence[str] | None) -> pa.RecordBatch:
    """The rows with all columns that are asked for, null in parts from before they were kept."""
    for name in _LATER:
        if name not in batch.schema.names and (columns is None or name in columns):
            batch = batch.append_column(FACTS.field(name), pa.nulls(batch.num_rows, FACTS.field(name).type))
    return batch


def _overlaid(row: FactRow, overlay: dict[tuple[str, int, int], tuple[bytes | None, bytes | None]]) -> FactRow:
    if not row.detections:
        return row
    boxes = []
    for index, box in enumerate(row.detections):
        logits, embedding = overlay.get((row.media_id, row.frame_number, index), (None, None))
        boxes.append(dataclasses.replace(box, logits=logits, embedding=embedding))
    return dataclasses.replace(row, detections=tuple(boxes))
