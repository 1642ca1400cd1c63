"""Writing decisions: a folder of tables that takes the place of the one before, whole."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detector.base.files import refusing_full_disk
from detector.decisions.events import Events
from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.linking import Individuals
from detector.decisions.naming.name_table import NameTable
from detector.decisions.naming.verdicts import BoxDecisions
from detector.species.naming import REASONS, reason_words
from detector.species.rerank import Ranked
from detector.store import schema
from detector.store.files import PARQUET
from detector.store.layout import decisions_folder
from detector.types import KINDS

CHUNK = 65_536  # rows that are made at a time
GROUP_ROWS = 16_384  # rows of a row group: what a reader holds at a time


@contextlib.contextmanager
def replacing_decisions(folder: Path) -> Iterator[Path]:
    """A folder to write tables into, which becomes the store's decisions when all went well.

    Raises:
        DiskFullError: There is no room; the decisions before stay.
    """
    target = decisions_folder(folder)
    unfinished, old = target.with_name("decisions.unfinished"), target.with_name("decisions.old")
    for left in (unfinished, old):
        shutil.rmtree(left, ignore_errors=True)  # of a killed run
    unfinished.mkdir(parents=True)
    try:
        with refusing_full_disk(folder):
            yield unfinished
        if target.exists():
            target.rename(old)
        unfinished.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def decisions_id(folder: Path) -> str:
    """What tells these decisions from others: a hash of the tables, which equal decisions share."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(decisions_folder(folder).iterdir()):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def write_chunks(writer: pq.ParquetWriter, chunks: Iterable[pa.Table]) -> None:
    """Add to a table chunk by chunk."""
    for chunk in chunks:
        writer.write_table(chunk, row_group_size=GROUP_ROWS)


def write_records(path: Path, table_schema: pa.Schema, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a small table."""
    columns = {name: [record[name] for record in records] for name in table_schema.names}
    pq.write_table(pa.table(columns, schema=table_schema), path, **PARQUET)


def media_chunks(
    facts: FactsTable,
    timestamp: NDArray[np.datetime64],
    offset_min: NDArray[np.int32],
    has_offset: NDArray[np.bool_],
    deployment: pa.DictionaryArray,
    visit: pa.DictionaryArray,
    outside: NDArray[np.bool_],
    sequence: NDArray[np.int64],
    blank: NDArray[np.bool_],
    duplicate_of: pa.Array,
    by_disk: NDArray[np.bool_],
    refused: Mapping[int, str],
) -> Iterator[pa.Table]:
    """Rows of `schema.MEDIA`; arguments are by item, `sequence` rows of items, `duplicate_of` their ids, `by_disk`
    whose time is the file's, `refused` why an item's time counts as none."""
    bounds = np.searchsorted(facts.frame_media, np.arange(len(facts.media) + 1))
    looked_at = ~facts.failed
    night = _majority(facts)
    ids = facts.media["media_id"].combine_chunks()
    for start in range(0, len(facts.media), CHUNK):
        part = slice(start, min(start + CHUNK, len(facts.media)))
        rows = facts.media.slice(start, CHUNK)
        counts = np.where(looked_at[part], np.diff(bounds[part.start : part.stop + 1]), 0)
        frames = facts.frame_number[bounds[part.start] : bounds[part.stop]]
        kept = np.repeat(looked_at[part], np.diff(bounds[part.start : part.stop + 1]))
        frame_lists = pa.ListArray.from_arrays(_offsets(counts), pa.array(frames[kept], pa.int32()))
        yield _table(
            schema.MEDIA,
            {name: rows[name] for name in schema.MEDIA.names if name in facts.media.column_names}
            | {
                "frames": frame_lists,
                "night": pa.array(night[part] > 0.5, mask=np.isnan(night[part])),
                "timestamp": pa.array(timestamp[part]),
                "utc_offset_min": pa.array(offset_min[part].astype(np.int16), mask=~has_offset[part]),
                "deployment_id": deployment[part.start : part.stop],
                "visit_id": visit[part.start : part.stop],
                "outside": pa.array(outside[part]),
                "sequence_id": ids.take(pa.array(sequence[part])),
                "blank": pa.array(blank[part]),
                "duplicate_of": duplicate_of[part.start : part.stop],
                "captured_from": pc.if_else(by_disk[part], "mtime", rows["captured_from"].cast(pa.string())),
                "warning": _warnings(rows["warning"], {item - start: why for item, why in refused.items()}),
            },
        )


def detection_chunks(
    facts: FactsTable,
    individuals: Individuals,
    ranked: Ranked,
    decisions: BoxDecisions,
    categories: Sequence[str],
    event_ids: pa.Array,
    events: Events,
    repeat: NDArray[np.int64],
    nested: NDArray[np.bool_],
) -> Iterator[pa.Table]:
    """Rows of `schema.DETECTIONS`."""
    ids = facts.media["media_id"].combine_chunks()
    box_media = facts.box_media
    tables = _name_columns(decisions.table)
    species = pa.array([each.name for each in ranked.taxonomy.species.taxa] if ranked.taxonomy else [], pa.string())
    reasons = pa.array([list(reason_words(each)) for each in range(1 << len(REASONS))], pa.list_(pa.string()))
    reviewers = pa.array(decisions.reviewers, pa.string())
    labels = pa.array(list(categories), pa.string())
    kinds = pa.array(KINDS)
    linked = individuals.size[individuals.of_box] > 1
    first_box = np.where(linked, individuals.first_box[individuals.of_box], -1)

    for start in range(0, len(facts.score), CHUNK):
        part = slice(start, min(start + CHUNK, len(facts.score)))
        frame = facts.box_frame[part]
        of_box = individuals.of_box[part]
        columns = {
            "media_id": ids.take(pa.array(box_media[part])),
            "frame_number": pa.array(facts.frame_number[frame]),
            "time_s": pa.array(facts.time_s[frame]),
            "box": pa.array(facts.box[part]),
            **{name: pa.array(facts.xywh[part, axis]) for axis, name in enumerate("xywh")},
            "score": pa.array(facts.score[part]),
            "label": labels.take(pa.array(facts.label[part])),
            "kind": kinds.take(pa.array(decisions.kind[part])),
            "individual_id": _box_names(facts, ids, first_box[part]),
            "event_id": _take(event_ids, events.of_box[part]),
            "repeat_group": _box_names(facts, ids, repeat[part]),
            "suppressed": pa.array(decisions.suppressed[part]),
            **{name: column.take(pa.array(decisions.name[part])) for name, column in tables.items()},
            "confidence": _floats(decisions.confidence[part]),
            "species_score": _floats(decisions.species_score[part]),
            "candidates": _candidates(ranked, of_box, species),
            "reasons": reasons.take(pa.array(decisions.reasons[part])),
            "needs_review": pa.array(decisions.needs_review[part]),
            "reviewed_by": _take(reviewers, decisions.reviewer[part]),
            "nested": pa.array(nested[part]),
        }
        yield _table(schema.DETECTIONS, columns)


def event_rows(
    facts: FactsTable,
    events: Events,
    decisions: BoxDecisions,
    deployment_ids: pa.Array,
    visit: pa.DictionaryArray,
    event_ids: pa.Array,
    times: NDArray[np.datetime64],
    offset_min: NDArray[np.int32],
    has_offset: NDArray[np.bool_],
) -> pa.Table:
    """Rows of `schema.EVENTS`; `times` are local, by box; offsets by item."""
    first_media, last_media = (facts.box_media[boxes] for boxes in (events.first_box, events.last_box))
    name = decisions.name[events.first_box]
    tables = _name_columns(decisions.table)
    highest = np.full(len(events.count), np.nan, np.float32)
    counted = np.flatnonzero((events.of_box >= 0) & ~np.isnan(decisions.confidence))
    np.fmax.at(highest, events.of_box[counted], decisions.confidence[counted])
    columns = {
        "event_id": event_ids,
        "deployment_id": deployment_ids.take(pa.array(events.deployment)),
        "visit_id": visit.take(pa.array(first_media)),
        "kind": pa.array(KINDS).take(pa.array(decisions.kind[events.first_box])),
        **{column: tables[column].take(pa.array(name)) for column in ("name", "rank", "display_name")},
        "start": pa.array(times[events.first_box]),
        "end": pa.array(times[events.last_box]),
        "utc_offset_min": pa.array(offset_min[first_media].astype(np.int16), mask=~has_offset[first_media]),
        "end_offset_min": pa.array(offset_min[last_media].astype(np.int16), mask=~has_offset[last_media]),
        "count": pa.array(events.count.astype(np.int32)),
        "detections": pa.array(events.boxes.astype(np.int32)),
        "media": pa.array(events.media.astype(np.int32)),
        "confidence": _floats(highest),
    }
    return _table(schema.EVENTS, columns)


def box_name(facts: FactsTable, box: int) -> str:
    """media_id:frame:box, which names a box for good."""
    frame = int(facts.box_frame[box])
    item = facts.media["media_id"][int(facts.frame_media[frame])].as_py()
    return f"{item}:{facts.frame_number[frame]}:{facts.box[box]}"


def _box_names(facts: FactsTable, ids: pa.Array, boxes: NDArray[np.int64]) -> pa.Array:
    """`box_name` of boxes (N,); null for -1."""
    different, inverse = np.unique(boxes, return_inverse=True)
    frame = facts.box_frame[different] if len(facts.box_frame) else different
    items = ids.take(pa.array(facts.frame_media[frame])).to_pylist()
    numbers, indices = facts.frame_number[frame].tolist(), facts.box[different].tolist()
    texts = [
        None if box < 0 else f"{item}:{number}:{index}"
        for box, item, number, index in zip(different.tolist(), items, numbers, indices, strict=True)
    ]
    return pa.array(texts, pa.string()).take(pa.array(inverse))


def _warnings(warnings: pa.ChunkedArray, refused: Mapping[int, str]) -> pa.Array:
    """What was lost of items, and why the time of some counts as none."""
    if not refused:
        return warnings
    texts = warnings.to_pylist()
    for row in refused.keys() & set(range(len(texts))):
        texts[row] = "; ".join(text for text in (texts[row], refused[row]) if text)
    return pa.array(texts, pa.string())


def _name_columns(table: NameTable) -> dict[str, pa.Array]:
    return {
        column: pa.array([getattr(name, column) for name in table.names], pa.string())
        for column in ("name", "rank", "english_name", "hebrew_name", "ebird_code", "display_name")
    }


def _candidates(ranked: Ranked, individual: NDArray[np.int64], species: pa.Array) -> pa.Array:
    chosen = ranked.candidates[individual]
    there = chosen >= 0
    values = pa.StructArray.from_arrays(
        [species.take(pa.array(chosen[there])), pa.array(ranked.candidate_confidence[individual][there])],
        fields=list(schema.CANDIDATE),
    )
    return pa.ListArray.from_arrays(_offsets(there.sum(axis=1)), values)


def _offsets(counts: NDArray[np.integer]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def _take(values: pa.Array, index: NDArray[np.integer]) -> pa.Array:
    """Values at indices; null at -1."""
    return values.take(pa.array(np.maximum(index, 0).astype(np.int64), mask=index < 0))


def _floats(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=np.isnan(values))


def _majority(facts: FactsTable) -> NDArray[np.float64]:
    """Share of an item's frames that are without colour, (M,); NaN: unknown."""
    known = ~np.isnan(facts.night)
    count = np.bincount(facts.frame_media[known], minlength=len(facts.media))
    dark = np.bincount(facts.frame_media[known], weights=facts.night[known], minlength=len(facts.media))
    return np.divide(dark, count, out=np.full(len(count), np.nan), where=count > 0)


def _table(table_schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    arrays = []
    for each in table_schema:
        values = columns[each.name]
        arrays.append(values if values.type == each.type else values.cast(each.type))
    return pa.Table.from_arrays(arrays, schema=table_schema)
