"""From decisions to what a person is told of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from detector.decisions.made import Made
from detector.decisions.summary import DecisionSummary, DeploymentSummary, NameSummary
from detector.decisions.tables.writing import effort_rows
from detector.types import KINDS, Kind

_ADDED = ("events", "detections", "needs_review")  # of names, over portions


def summarise(made: Made) -> DecisionSummary:
    """Count what was decided on a portion; its lost reviews are those of the other portions, too."""
    facts, placed, boxes, events = made.facts, made.placed, made.boxes, made.events
    failed, counted = facts.failed, made.counted
    by_deployment = np.bincount(events.deployment, minlength=len(placed.ids))
    deployments = [
        DeploymentSummary(
            row["deployment_id"],
            row["media"],
            row["blank"],
            row["failed"],
            row["days"],
            row["active_days"],
            watched.gaps,
            int(by_deployment[index]),
        )
        for index, (row, watched) in enumerate(zip(effort_rows(made), made.watches, strict=True))
    ]
    listed = {row.deployment_id for row in placed.rows if row.listed}
    taxonomy = made.rules.naming.taxonomy
    return DecisionSummary(
        photos=int((~facts.is_video).sum()),
        videos=int(facts.is_video.sum()),
        failed=int(failed.sum()),
        with_birds=len(np.unique(facts.box_media[counted & (boxes.kind == Kind.BIRD.code)])),
        blank=int(made.blank.sum()),
        duplicates=len(made.duplicate_of) - made.duplicate_of.null_count,
        without_time=int((~placed.known).sum()),
        by_disk=int((placed.by_disk & placed.known).sum()),
        outside=int(placed.outside.sum()),
        sequences=len(np.unique(made.sequence)),
        detections=int(counted.sum()),
        events=len(events.count),
        needs_review=int((counted & boxes.needs_review).sum()),
        repeat_groups=len(np.unique(made.repeat[made.repeat >= 0])),
        repeated=int((boxes.suppressed & (made.repeat >= 0)).sum()),
        reviewed=int((boxes.reviewer >= 0).sum()),
        lost_reviews=len(made.lost_reviews),
        names=_name_summaries(made),
        deployments=deployments,
        unlisted=[name for name in placed.ids if name not in listed],
        clock_problems=placed.problems,
        notes=made.rules.notes,
        unknown_classes=taxonomy.unlisted if taxonomy else (),
    )


def join_summaries(portions: Sequence[DecisionSummary], lost_reviews: int) -> DecisionSummary:
    """The summary of a store from those of its portions.

    Args:
        portions: At least one, of different deployments, by their names.
        lost_reviews: Reviews that are of boxes of no portion.
    """
    first = portions[0]
    counts = {
        each.name: sum(getattr(one, each.name) for one in portions)
        for each in fields(DecisionSummary)
        if isinstance(getattr(first, each.name), int)
    }
    lists: dict[str, Any] = {
        name: [item for one in portions for item in getattr(one, name)]
        for name in ("deployments", "unlisted", "clock_problems")
    }
    joined: dict[tuple[str, str], NameSummary] = {}
    for each in (each for one in portions for each in one.names):
        known = joined.get((each.display_name, each.kind))
        joined[each.display_name, each.kind] = each if known is None else _joined(known, each)
    return replace(first, **(counts | lists | {"names": _by_events(joined.values()), "lost_reviews": lost_reviews}))


def _joined(one: NameSummary, other: NameSummary) -> NameSummary:
    counts = {name: getattr(one, name) + getattr(other, name) for name in _ADDED}
    places = _by_count((*one.events_by_deployment, *other.events_by_deployment))
    largest = max(one.largest_count, other.largest_count)
    return replace(one, **counts, largest_count=largest, events_by_deployment=places)


def _by_count(places: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(places, key=lambda place: (-place[1], place[0])))


def _by_events(names: Iterable[NameSummary]) -> list[NameSummary]:
    return sorted(names, key=lambda each: (-each.events, -each.detections, each.display_name))


def _name_summaries(made: Made) -> list[NameSummary]:
    boxes, events = made.boxes, made.events
    span = len(boxes.table.names)
    key = boxes.kind.astype(np.int64) * span + boxes.name
    keys, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    detections = np.bincount(inverse[made.counted], minlength=len(keys))
    review = np.bincount(inverse[made.counted & boxes.needs_review], minlength=len(keys))
    of_event = inverse[events.first_box]
    count = np.bincount(of_event, minlength=len(keys))
    largest = np.zeros(len(keys), np.int64)
    np.maximum.at(largest, of_event, events.count)
    places: dict[int, list[tuple[str, int]]] = defaultdict(list)
    pairs, times = np.unique(of_event * np.int64(len(made.placed.ids) + 1) + events.deployment, return_counts=True)
    for pair, number in zip(pairs.tolist(), times.tolist(), strict=True):
        of_name, deployment = divmod(pair, len(made.placed.ids) + 1)
        places[of_name].append((made.placed.ids[deployment], number))
    summaries = [
        NameSummary(
            boxes.table.names[boxes.name[first[index]]].display_name,
            KINDS[boxes.kind[first[index]]],
            int(count[index]),
            int(largest[index]),
            _by_count(places[index]),
            int(detections[index]),
            int(review[index]),
        )
        for index in range(len(keys))
        if detections[index]
    ]
    return _by_events(summaries)
