"""Rows of the facts as plain values, and their way into Arrow and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from detector.store.schema import FACTS, OVERLAY
from detector.types import MediaType


@dataclass(frozen=True)
class FoundBox:
    """A box of a frame; see `schema.FOUND_BOX` for units. Vectors are packed by `schema.pack_vector`."""

    x: float
    y: float
    w: float
    h: float
    label_scores: tuple[float, ...]
    track_id: int | None = None
    logits: bytes | None = None
    embedding: bytes | None = None
    appearance: bytes | None = None


@dataclass(frozen=True)
class FactRow:
    """What the models saw in one frame; see `schema.FACTS` for units.

    Raises:
        ValueError: It has both a failure and detections, or neither.
    """

    media_id: str
    card: str
    path: str
    size_bytes: int
    content_hash: str | None
    media_type: MediaType
    frame_number: int = 0
    time_s: float = 0.0
    width: int | None = None
    height: int | None = None
    captured_at: datetime | None = None
    captured_from: str | None = None
    modified_at: datetime | None = None
    camera_model: str | None = None
    frame_rate: float | None = None
    duration_s: float | None = None
    failure: str | None = None
    warning: str | None = None
    brightness: float | None = None
    night: bool | None = None
    moved: bool | None = None
    seen_by: str | None = None
    detections: tuple[FoundBox, ...] | None = None

    def __post_init__(self) -> None:
        if (self.failure is None) == (self.detections is None):
            raise ValueError(f"{self.path}: either a failure or a list of detections, which may be empty")


@dataclass(frozen=True)
class OverlayRow:
    """What another classifier saw in a box that the facts hold; see `schema.OVERLAY`."""

    media_id: str
    frame_number: int
    box: int
    logits: bytes | None
    embedding: bytes | None = None


Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)
_LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999_000)


def facts_table(rows: Sequence[FactRow]) -> pa.Table:
    """Rows as a table of `schema.FACTS`."""
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in FACTS.names}
    columns["detections"] = [None if boxes is None else [vars(box) for box in boxes] for boxes in columns["detections"]]
    return pa.table(columns, schema=FACTS)


def overlay_table(rows: Sequence[OverlayRow]) -> pa.Table:
    """Rows as a table of `schema.OVERLAY`."""
    return pa.table({name: [getattr(row, name) for row in rows] for name in OVERLAY.names}, schema=OVERLAY)


def with_possible_times(rows: Rows) -> Rows:
    """The rows with null in place of times that Python's calendar does not have, before year 1 and after 9999."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            times = rows.column(place)
            first, last = (pa.scalar(moment, field.type) for moment in (datetime.min, _LAST_MOMENT))
            possible = pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))
            if not pc.all(possible, min_count=0).as_py():
                rows = rows.set_column(place, field, pc.if_else(possible, times, None))
    return rows


def fact_rows(batch: pa.RecordBatch) -> Iterator[FactRow]:
    """The rows of a batch of `schema.FACTS`."""
    for values in batch.to_pylist():
        yield FactRow(**{**values, "detections": _found_boxes(values["detections"])})


def _found_boxes(values: Sequence[Mapping[str, Any]] | None) -> tuple[FoundBox, ...] | None:
    if values is None:
        return None
    return tuple(FoundBox(**{**box, "label_scores": tuple(box["label_scores"])}) for box in values)
