"""Writing all tables of a store's decisions."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detector.decisions.made import Made
from detector.decisions.tables import chunks as tables
from detector.deployments.clocks import utc_offsets
from detector.deployments.table import Deployment
from detector.store import schema
from detector.store.files import PARQUET

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

    def add(self, made: Made) -> None:
        """Write the decisions on a portion, after those whose deployments' names come before."""
        facts, placed = made.facts, made.placed
        ids = pa.array(list(placed.ids), pa.string())
        deployment = pa.DictionaryArray.from_arrays(pa.array(placed.deployment.astype(np.int32)), ids)
        visits = pa.array(list(placed.visit_ids), pa.string())
        visit = pa.DictionaryArray.from_arrays(pa.array(placed.row.astype(np.int32)), visits)
        media = tables.media_chunks(
            facts,
            placed.timestamp,
            placed.offset_min,
            placed.has_offset,
            deployment,
            visit,
            placed.outside,
            made.sequence,
            made.blank,
            made.duplicate_of,
            placed.by_disk,
            placed.refused,
        )
        tables.write_chunks(self._media, media)
        detections = tables.detection_chunks(
            facts,
            made.individuals,
            made.ranked,
            made.boxes,
            made.rules.naming.categories,
            made.event_ids,
            made.events,
            made.repeat,
            made.nested,
        )
        tables.write_chunks(self._detections, detections)
        events = tables.event_rows(
            facts,
            made.events,
            made.boxes,
            ids,
            visit,
            made.event_ids,
            made.times,
            placed.offset_min,
            placed.has_offset,
        )
        tables.write_chunks(self._events, [events])
        self._rows["repeats"] += _repeat_rows(made)
        self._rows["effort"] += effort_rows(made)
        self._rows["deployments"] += _deployment_rows(made)

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
                tables.write_records(self._target / f"{name}.parquet", table_schema, rows)


def _repeat_rows(made: Made) -> list[dict[str, Any]]:
    facts, boxes = made.facts, made.boxes
    rows = []
    repeated = np.flatnonzero(made.repeat >= 0)
    order = repeated[np.argsort(made.repeat[repeated], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(made.repeat[order])) + 1):
        if not len(members):
            continue
        first = int(made.repeat[members[0]])
        media = np.unique(facts.box_media[members])
        times = np.sort(made.placed.timestamp[media][made.placed.known[media]])
        label, _ = Counter(facts.label[members].tolist()).most_common(1)[0]
        reviewer = int(boxes.reviewer[first])
        rows.append(
            {
                "repeat_group": tables.box_name(facts, first),
                "deployment_id": made.placed.ids[made.placed.deployment[facts.box_media[first]]],
                **dict(zip("xywh", facts.xywh[first].tolist(), strict=True)),
                "label": made.rules.naming.categories[label],
                "boxes": len(members),
                "media": len(media),
                "first": times[0] if len(times) else None,
                "last": times[-1] if len(times) else None,
                "suppressed": bool(boxes.suppressed[members].any()),
                "reviewed_by": boxes.reviewers[reviewer] if reviewer >= 0 else None,
                "left_out": int(boxes.suppressed[members].sum()),
                **{name: facts.media[name][int(facts.box_media[first])].as_py() for name in ("card", "path")},
            }
        )
    return sorted(rows, key=lambda row: (row["deployment_id"], -row["boxes"]))


def effort_rows(made: Made) -> list[dict[str, Any]]:
    """Rows of `schema.EFFORT`."""
    facts, placed = made.facts, made.placed
    rows = []
    is_video, failed, known = facts.is_video, facts.failed, placed.known
    for name, items, watched in zip(
        placed.ids, placed.by_deployment() if placed.ids else [], made.watches, strict=True
    ):
        rows.append(
            {
                "deployment_id": name,
                **vars(watched),
                "gaps": [vars(gap) for gap in watched.gaps],
                "media": len(items),
                "photos": int((~is_video[items]).sum()),
                "videos": int(is_video[items].sum()),
                "blank": int(made.blank[items].sum()),
                "failed": int(failed[items].sum()),
                "without_time": int((~known[items]).sum()),
                "outside": int(placed.outside[items].sum()),
            }
        )
    return rows


def _deployment_rows(made: Made) -> list[dict[str, Any]]:
    facts, placed = made.facts, made.placed
    models = facts.media["camera_model"]
    items_of = dict(zip(placed.ids, placed.by_deployment() if placed.ids else [], strict=True))
    rows = []
    for index, name in enumerate(placed.ids):
        for visit in placed.visits_of(index):
            row = placed.rows[visit.row]
            items = items_of[name][placed.row[items_of[name]] == visit.row]
            found = [model for model in pc.unique(models.take(pa.array(items))).to_pylist() if model]
            details = dict(row.details) | ({"captureMethod": visit.capture_method} if visit.capture_method else {})
            rows.append(
                {
                    "visit_id": placed.visit_ids[visit.row],
                    "deployment_id": name,
                    "listed": row.listed,
                    "location_name": row.location_name,
                    "latitude": row.latitude,
                    "longitude": row.longitude,
                    "start": visit.start,
                    "end": visit.end,
                    "start_offset_min": _offset_at(row, visit.start),
                    "end_offset_min": _offset_at(row, visit.end),
                    "camera_model": row.camera_model or (found[0] if len(found) == 1 else None),
                    "kind": row.kind,
                    "time_zone": row.time_zone,
                    "details": list(details.items()),
                }
            )
    return rows


def _offset_at(row: Deployment, moment: datetime | None) -> int | None:
    if row.zone is None or moment is None:
        return None
    return int(utc_offsets(np.array([moment], "datetime64[ms]"), row.zone).minutes[0])
