"""Deployments with their effort: those of effort.csv, and what was seen there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detector.exports.source import ExportSource
from detector.store.records import DeploymentRecord, EffortRecord, EventRecord
from detector.types import Kind

RATE_DAYS = 100  # camera-days that rates are given for


def rate(events: int, active_days: int) -> float | None:
    """Events in 100 camera-days; None where no camera is known to have watched."""
    return round(events * RATE_DAYS / active_days, 2) if active_days else None


def places(source: ExportSource, extra: Iterable[str] = ()) -> list[dict[str, Any]]:
    """A value a deployment, by id, as the page takes it; events are added by `count_events`.

    Args:
        source: The store.
        extra: Ids that files name and no table has.
    """
    visits: dict[str, list[DeploymentRecord]] = {}
    for visit in source.deployments():
        visits.setdefault(visit.deployment_id, []).append(visit)
    effort = {row.deployment_id: row for row in source.effort()}
    return [_place(name, visits.get(name, []), effort.get(name)) for name in sorted({*visits, *effort, *extra})]


def _place(name: str, visits: Sequence[DeploymentRecord], effort: EffortRecord | None) -> dict[str, Any]:
    first = next((visit for visit in visits if visit.latitude is not None and visit.longitude is not None), None)
    value: dict[str, Any] = {
        "id": name,
        "name": next((visit.location_name for visit in visits if visit.location_name), None),
        "kind": next((visit.kind for visit in visits if visit.kind), None),
        "zone": next((visit.time_zone for visit in visits if visit.time_zone), None),
        "latitude": None if first is None else first.latitude,
        "longitude": None if first is None else first.longitude,
        "visits": len(visits),
        "listed": any(visit.listed for visit in visits),
    }
    if effort is not None:
        counts = ("days", "active_days", "days_with_files", "media", "photos", "videos", "blank", "failed")
        value |= {key: getattr(effort, key) for key in (*counts, "without_time", "outside")}
        moments = {"start": effort.start, "end": effort.end}
        value |= {key: None if moment is None else moment.isoformat() for key, moment in moments.items()}
        value["gaps"] = [[gap.start.isoformat(), gap.end.isoformat()] for gap in effort.gaps]
    return value


def count_events(listed: list[dict[str, Any]], events: Iterable[EventRecord]) -> None:
    """Add to each deployment its events, those of birds, its species, and the rate of birds."""
    total: Counter[str] = Counter()
    birds: Counter[str] = Counter()
    species: dict[str, set[str]] = {}
    for event in events:
        total[event.deployment_id] += 1
        if event.kind == Kind.BIRD:
            birds[event.deployment_id] += 1
            if event.rank == "species" and event.name:
                species.setdefault(event.deployment_id, set()).add(event.name)
    for place in listed:
        name = place["id"]
        place |= {"events": total[name], "birds": birds[name], "species": len(species.get(name, ()))}
        place["rate"] = rate(birds[name], place.get("active_days", 0))


def coordinates(listed: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Deployment -> latitude and longitude, where both are known."""
    return {place["id"]: (place["latitude"], place["longitude"]) for place in listed if place["latitude"] is not None}
