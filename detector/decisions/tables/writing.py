"""Writing all tables of a store's decisions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from detector.decisions.decided import Decisions
from detector.decisions.tables.chunks import detection_chunks, event_rows, media_chunks
from detector.decisions.tables.rows import deployment_rows, effort_rows, repeat_rows
from detector.store import schema
from detector.store.files import PARQUET

GROUP_ROWS = 16_384  # rows of a row group: what a reader holds at a time
LARGE_TABLES = {"media": schema.MEDIA, "detections": schema.DETECTIONS, "events": schema.EVENTS}
_SMALL_TABLES = {"repeats": schema.REPEATS, "effort": schema.EFFORT, "deployments": schema.DEPLOYMENTS}


@dataclass(frozen=True, eq=False)
class PortionTables:
    """What is written of a portion.

    Attributes:
        large: Name -> its rows, table after table.
        small: Name -> its rows.
    """

    large: Mapping[str, Iterable[pa.Table]]
    small: Mapping[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, decided: Decisions) -> PortionTables:
        """Those of the decisions on a portion."""
        large = {
            "media": media_chunks(decided),
            "detections": detection_chunks(decided),
            "events": iter([event_rows(decided)]),
        }
        small = {
            "repeats": repeat_rows(decided),
            "effort": effort_rows(decided),
            "deployments": deployment_rows(decided),
        }
        return cls(large, small)


class DecisionsWriter:
    """Writes `schema.MEDIA`, `DETECTIONS`, `EVENTS`, `REPEATS`, `EFFORT` and `DEPLOYMENTS` into a folder; a context
    manager that closes them.

    Args:
        target: The folder.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._stack = contextlib.ExitStack()
        self._large = {name: self._open(name, table_schema) for name, table_schema in LARGE_TABLES.items()}
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SMALL_TABLES}

    def _open(self, name: str, table_schema: pa.Schema) -> pq.ParquetWriter:
        return self._stack.enter_context(open_table(self._target / f"{name}.parquet", table_schema))

    def add(self, tables: PortionTables) -> None:
        """Write those of a portion, after those whose deployments' names come before."""
        for name, chunks in tables.large.items():
            for chunk in chunks:
                self._large[name].write_table(chunk, row_group_size=GROUP_ROWS)
        for name, rows in tables.small.items():
            self._rows[name] += rows

    def __enter__(self) -> DecisionsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if error is None:
            for name, table_schema in _SMALL_TABLES.items():
                # deployments that share a folder are decided together, whatever their names
                rows = sorted(self._rows[name], key=lambda row: row["deployment_id"])
                _write_records(self._target / f"{name}.parquet", table_schema, rows)


def open_table(path: Path, table_schema: pa.Schema) -> pq.ParquetWriter:
    """What writes a large table."""
    return pq.ParquetWriter(path, table_schema, **PARQUET)


def _write_records(path: Path, table_schema: pa.Schema, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a small table."""
    columns = {name: [record[name] for record in records] for name in table_schema.names}
    pq.write_table(pa.table(columns, schema=table_schema), path, **PARQUET)
