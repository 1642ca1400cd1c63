"""Rows of the small tables: repeats, effort and deployments."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detector.decisions.decided import Decisions
from detector.decisions.tables.chunks import box_name
from detector.deployments.clocks import utc_offsets
from detector.deployments.table import Deployment


def repeat_rows(decided: Decisions) -> list[dict[str, Any]]:
    """Rows of `schema.REPEATS`."""
    facts, boxes = decided.facts, decided.boxes
    rows = []
    repeated = np.flatnonzero(decided.repeat >= 0)
    order = repeated[np.argsort(decided.repeat[repeated], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(decided.repeat[order])) + 1):
        if not len(members):
            continue
        first = int(decided.repeat[members[0]])
        media = np.unique(facts.box_media[members])
        times = np.sort(decided.placed.timestamp[media][decided.placed.known[media]])
        label, _ = Counter(facts.label[members].tolist()).most_common(1)[0]
        reviewer = int(boxes.reviewer[first])
        rows.append(
            {
                "repeat_group": box_name(facts, first),
                "deployment_id": decided.placed.ids[decided.placed.deployment[facts.box_media[first]]],
                **dict(zip("xywh", facts.xywh[first].tolist(), strict=True)),
                "label": decided.rules.naming.categories[label],
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


def effort_rows(decided: Decisions) -> list[dict[str, Any]]:
    """Rows of `schema.EFFORT`."""
    facts, placed = decided.facts, decided.placed
    rows = []
    is_video, failed, known = facts.is_video, facts.failed, placed.known
    for name, items, watched in zip(
        placed.ids, placed.by_deployment() if placed.ids else [], decided.watches, strict=True
    ):
        rows.append(
            {
                "deployment_id": name,
                **vars(watched),
                "gaps": [vars(gap) for gap in watched.gaps],
                "media": len(items),
                "photos": int((~is_video[items]).sum()),
                "videos": int(is_video[items].sum()),
                "blank": int(decided.blank[items].sum()),
                "failed": int(failed[items].sum()),
                "without_time": int((~known[items]).sum()),
                "outside": int(placed.outside[items].sum()),
                "passed_over": int((decided.blank & (facts.item_passed_over > 0))[items].sum()),
            }
        )
    return rows


def deployment_rows(decided: Decisions) -> list[dict[str, Any]]:
    """Rows of `schema.DEPLOYMENTS`."""
    facts, placed = decided.facts, decided.placed
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
