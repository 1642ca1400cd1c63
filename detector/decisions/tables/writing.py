"""Writing all tables of a store's decisions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
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
_SMALL_TABLES = {"repeats": schema.REPEATS, "effort": schema.EFFORT, "deployments": schema.DEPLOYMENTS}


class DecisionsWriter:
    """Writes `schema.MEDIA`, `DETECTIONS`, `EVENTS`, `REPEATS`, `EFFORT` and `DEPLOYMENTS` into a folder; a context
    manager that closes them.

    Args:
        target: The folder.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._stack = contextlib.ExitStack()
        self._media = self._open("media", schema.MEDIA)
        self._detections = self._open("detections", schema.DETECTIONS)
        self._events = self._open("events", schema.EVENTS)
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SMALL_TABLES}

    def _open(self, name: str, table_schema: pa.Schema) -> pq.ParquetWriter:
        return self._stack.enter_context(pq.ParquetWriter(self._target / f"{name}.parquet", table_schema, **PARQUET))

    def add(self, decided: Decisions) -> None:
        """Write the decisions on a portion, after those whose deployments' names come before."""
        for chunk in media_chunks(decided):
            self._media.write_table(chunk, row_group_size=GROUP_ROWS)
        for chunk in detection_chunks(decided):
            self._detections.write_table(chunk, row_group_size=GROUP_ROWS)
        self._events.write_table(event_rows(decided), row_group_size=GROUP_ROWS)
        self._rows["repeats"] += repeat_rows(decided)
        self._rows["effort"] += effort_rows(decided)
        self._rows["deployments"] += deployment_rows(decided)

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


def _write_records(path: Path, table_schema: pa.Schema, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a small table."""
    columns = {name: [record[name] for record in records] for name in table_schema.names}
    pq.write_table(pa.table(columns, schema=table_schema), path, **PARQUET)
