"""Reading decisions record by record, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backbones.errors import DataError
from detector.store.files import open_parquet
from detector.store.layout import decisions_folder
from detector.store.records import (
    Candidate,
    DeploymentRecord,
    DetectionRecord,
    EffortRecord,
    EventRecord,
    Gap,
    MediaRecord,
    RepeatRecord,
)
from detector.store.schema import CANDIDATE, TABLES

Record = TypeVar("Record")

_MEND = "run `hoopoe decide` again"
_NONE: tuple[str | None, Iterator[DetectionRecord]] = (None, iter(()))
_BATCH_ROWS = 4_096


def read_media(folder: Path) -> Iterator[MediaRecord]:
    """Media items of a decided store with their detections, by card and path; in large stores one portion of the
    deployments after the other (`decisions.facts.portions`).

    Both tables are in the same order, so they are joined as they are read, 4,096 rows of each at a time.

    Raises:
        DataError: The store has no decisions, or a table is damaged or not of the other's run.
    """
    upcoming = yield from _joined(_rows(folder, "media"), _records(folder, "detections", DetectionRecord))
    if upcoming is not None:
        raise DataError("the tables of media and detections do not fit", where=decisions_folder(folder), hint=_MEND)


def media_of_tables(media: Iterable[pa.Table], detections: Iterable[pa.Table]) -> Iterator[MediaRecord]:
    """The records of tables that are not on the disk: of `schema.MEDIA` and `schema.DETECTIONS`, in the same order."""
    make: Callable[..., DetectionRecord] = DetectionRecord
    yield from _joined(_table_rows(media), (make(*values) for values in _table_rows(detections)))


def _joined(media: Iterator[Any], detections: Iterator[DetectionRecord]) -> Generator[MediaRecord, None, str | None]:
    """Media items with their detections; returns the first item with detections that is not among them."""
    of_items = groupby(detections, key=attrgetter("media_id"))
    upcoming, found = next(of_items, _NONE)
    make: Callable[..., MediaRecord] = MediaRecord
    for values in media:
        if values[0] == upcoming:
            yield make(*values, tuple(found))
            upcoming, found = next(of_items, _NONE)
        else:
            yield make(*values, ())
    return upcoming


def _table_rows(tables: Iterable[pa.Table]) -> Iterator[Any]:
    for table in tables:
        for batch in table.to_batches():
            yield from _batch_values(batch)


def read_events(folder: Path) -> Iterator[EventRecord]:
    """Independent events, by deployment and start.

    Raises:
        DataError: The store has no decisions, or the table is damaged.
    """
    return _records(folder, "events", EventRecord)


def read_repeats(folder: Path) -> Iterator[RepeatRecord]:
    """Suspicious repeats, by deployment and falling number of boxes; raises as `read_events`."""
    return _records(folder, "repeats", RepeatRecord)


def read_effort(folder: Path) -> Iterator[EffortRecord]:
    """How long each camera watched, by deployment; raises as `read_events`."""
    return _records(folder, "effort", EffortRecord)


def read_visits(folder: Path) -> Iterator[DeploymentRecord]:
    """The visits of a store's deployments, by deployment and row; raises as `read_events`."""
    return _records(folder, "deployments", DeploymentRecord)


def read_columns(folder: Path, table: str) -> pa.Table:
    """A table of `schema.TABLES` as columns, all of it in memory; raises as `read_events`."""
    with _opened(folder, table) as file:
        return file.read()


def records_of(rows: pa.Table, record: Callable[..., Record]) -> list[Record]:
    """Some rows of `read_columns` as records."""
    return [record(*values) for batch in rows.to_batches() for values in _batch_values(batch)]


def _records(folder: Path, table: str, record: Callable[..., Record]) -> Iterator[Record]:
    """The rows of a table as values whose fields are in the order of its columns."""
    return (record(*values) for values in _rows(folder, table))


def _rows(folder: Path, table: str) -> Iterator[Any]:
    with _opened(folder, table) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            yield from _batch_values(batch)


@contextmanager
def _opened(folder: Path, table: str) -> Iterator[pq.ParquetFile]:
    path = decisions_folder(folder) / f"{table}.parquet"
    if not path.exists():
        raise DataError("this store has no decisions yet", where=path, hint=f"run `hoopoe decide {folder}`")
    with open_parquet(path, _MEND) as file:
        if file.schema_arrow.names != TABLES[table].names:
            raise DataError("the decisions were made by another version of Hoopoe", where=path, hint=_MEND)
        yield file


def _batch_values(batch: pa.RecordBatch) -> Iterator[Any]:
    return zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    """A column as Python's values: lists as tuples, structs as the records of the same fields."""
    if not (pa.types.is_list(column.type) or pa.types.is_map(column.type)):
        return column.to_pylist()
    elements = column.flatten() if pa.types.is_list(column.type) else None
    if elements is None:
        return [tuple(pairs or ()) for pairs in column.to_pylist()]
    if pa.types.is_struct(elements.type):
        make: Any = Candidate if elements.type == CANDIDATE else Gap
        flat: list[Any] = list(map(make, *(each.to_pylist() for each in elements.flatten())))
    else:
        flat = elements.to_pylist()
    ends = np.cumsum(pc.list_value_length(column).fill_null(0).to_numpy()).tolist()
    return [tuple(flat[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
