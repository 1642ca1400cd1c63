"""Decisions as rows of Arrow tables, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.decided import Decisions
from detector.decisions.facts.table import PASSED_OVER, FactsTable
from detector.decisions.naming.name_table import NameTable
from detector.deployments.placement import Placement
from detector.species.naming import REASONS, reason_words
from detector.species.rerank import Ranked
from detector.store import schema
from detector.store.reviews.review import DRAWN, LIFE_STAGES, SEXES
from detector.types import KINDS

CHUNK = 65_536  # rows that are made at a time


def media_chunks(decided: Decisions) -> Iterator[pa.Table]:
    """Rows of `schema.MEDIA`."""
    facts, placed = decided.facts, decided.placed
    deployment, visit = _places(decided)
    bounds = np.searchsorted(facts.frame_media, np.arange(len(facts.media) + 1))
    seen = ~facts.failed
    night = _majority(facts)
    reasons = pa.array(PASSED_OVER, pa.string())
    ids = facts.media["media_id"].combine_chunks()
    identity = decided.words.identity
    blank_by = pa.array([review.reviewer for review in identity], pa.string())
    blank_at = pa.array([review.reviewed_at for review in identity], pa.timestamp("ms"))
    for start in range(0, len(facts.media), CHUNK):
        part = slice(start, min(start + CHUNK, len(facts.media)))
        rows = facts.media.slice(start, CHUNK)
        counts = np.where(seen[part], np.diff(bounds[part.start : part.stop + 1]), 0)
        frames = facts.frame_number[bounds[part.start] : bounds[part.stop]]
        kept = np.repeat(seen[part], np.diff(bounds[part.start : part.stop + 1]))
        frame_lists = pa.ListArray.from_arrays(_offsets(counts), pa.array(frames[kept], pa.int32()))
        yield _table(
            schema.MEDIA,
            {name: rows[name] for name in schema.MEDIA.names if name in facts.media.column_names}
            | {
                "frames": frame_lists,
                "night": pa.array(night[part] > 0.5, mask=np.isnan(night[part])),
                "timestamp": pa.array(placed.timestamp[part]),
                "utc_offset_min": _offsets_min(placed, part),
                "deployment_id": deployment[part.start : part.stop],
                "visit_id": visit[part.start : part.stop],
                "outside": pa.array(placed.outside[part]),
                "passed_over": reasons.take(pa.array(facts.item_passed_over[part])),
                "blank_by": _take(blank_by, decided.blank_word[part]),
                "blank_at": _take(blank_at, decided.blank_word[part]),
                "sequence_id": ids.take(pa.array(decided.sequence[part])),
                "blank": pa.array(decided.blank[part]),
                "duplicate_of": decided.duplicate_of[part.start : part.stop],
                "captured_from": pc.if_else(placed.by_disk[part], "mtime", rows["captured_from"].cast(pa.string())),
                "warning": _warnings(rows["warning"], {item - start: why for item, why in placed.refused.items()}),
            },
        )


def detection_chunks(decided: Decisions) -> Iterator[pa.Table]:
    """Rows of `schema.DETECTIONS`."""
    facts, individuals, ranked, boxes = decided.facts, decided.individuals, decided.ranked, decided.boxes
    ids = facts.media["media_id"].combine_chunks()
    box_media = facts.box_media
    tables = _name_columns(boxes.table)
    species = pa.array([each.name for each in ranked.taxonomy.species.taxa] if ranked.taxonomy else [], pa.string())
    reasons = pa.array([list(reason_words(each)) for each in range(1 << len(REASONS))], pa.list_(pa.string()))
    reviewers = pa.array(boxes.reviewers, pa.string())
    categories = decided.rules.naming.categories
    labels = pa.array([*categories, DRAWN], pa.string())
    placers = pa.array([review.reviewer for review in decided.words.place], pa.string())
    sexes, stages = pa.array(SEXES, pa.string()), pa.array(LIFE_STAGES, pa.string())
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
            "label": labels.take(pa.array(np.where(facts.drawn[part], len(categories), facts.label[part]))),
            "kind": kinds.take(pa.array(boxes.kind[part])),
            "individual_id": _box_names(facts, ids, first_box[part]),
            "event_id": _take(decided.event_ids, decided.events.of_box[part]),
            "repeat_group": _box_names(facts, ids, decided.repeat[part]),
            "suppressed": pa.array(boxes.suppressed[part]),
            **{name: column.take(pa.array(boxes.name[part])) for name, column in tables.items()},
            "confidence": _floats(boxes.confidence[part]),
            "species_score": _floats(boxes.species_score[part]),
            "candidates": _candidates(ranked, of_box, species),
            "reasons": reasons.take(pa.array(boxes.reasons[part])),
            "needs_review": pa.array(boxes.needs_review[part]),
            "reviewed_by": _take(reviewers, boxes.reviewer[part]),
            "nested": pa.array(decided.nested[part]),
            "count": pa.array(decided.count[part]),
            "sex": _take(sexes, boxes.sex[part]),
            "life_stage": _take(stages, boxes.life_stage[part]),
            "box_by": _take(placers, decided.placed_by[part]),
            "reviewed_at": pa.array(boxes.reviewed_ms[part], pa.timestamp("ms"), mask=boxes.reviewed_ms[part] < 0),
        }
        yield _table(schema.DETECTIONS, columns)


def event_rows(decided: Decisions) -> pa.Table:
    """Rows of `schema.EVENTS`."""
    facts, placed, events, boxes = decided.facts, decided.placed, decided.events, decided.boxes
    _, visit = _places(decided)
    first_media, last_media = (facts.box_media[ends] for ends in (events.first_box, events.last_box))
    name = boxes.name[events.first_box]
    tables = _name_columns(boxes.table)
    highest = np.full(len(events.count), np.nan, np.float32)
    counted = np.flatnonzero((events.of_box >= 0) & ~np.isnan(boxes.confidence))
    np.fmax.at(highest, events.of_box[counted], boxes.confidence[counted])
    columns = {
        "event_id": decided.event_ids,
        "deployment_id": pa.array(list(placed.ids), pa.string()).take(pa.array(events.deployment)),
        "visit_id": visit.take(pa.array(first_media)),
        "kind": pa.array(KINDS).take(pa.array(boxes.kind[events.first_box])),
        **{column: tables[column].take(pa.array(name)) for column in ("name", "rank", "display_name")},
        "start": pa.array(decided.times[events.first_box]),
        "end": pa.array(decided.times[events.last_box]),
        "utc_offset_min": _offsets_min(placed, first_media),
        "end_offset_min": _offsets_min(placed, last_media),
        "count": pa.array(events.count.astype(np.int32)),
        "detections": pa.array(events.boxes.astype(np.int32)),
        "media": pa.array(events.media.astype(np.int32)),
        "confidence": _floats(highest),
    }
    return _table(schema.EVENTS, columns)


def _places(decided: Decisions) -> tuple[pa.DictionaryArray, pa.DictionaryArray]:
    """The deployment and the visit of each media item."""
    placed = decided.placed
    ids, visits = pa.array(list(placed.ids), pa.string()), pa.array(list(placed.visit_ids), pa.string())
    return (
        pa.DictionaryArray.from_arrays(pa.array(placed.deployment.astype(np.int32)), ids),
        pa.DictionaryArray.from_arrays(pa.array(placed.row.astype(np.int32)), visits),
    )


def _offsets_min(placed: Placement, media: NDArray[np.integer] | slice) -> pa.Array:
    return pa.array(placed.offset_min[media].astype(np.int16), mask=~placed.has_offset[media])


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
