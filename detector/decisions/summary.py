"""What `decide` found, in numbers for a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from detector.decisions.decided import Decisions
from detector.decisions.facts.table import PASSED_OVER
from detector.decisions.tables.rows import effort_rows
from detector.deployments.placement import ClockProblem
from detector.store.records import Gap
from detector.store.schema import FIRST_PASS, MOTION_GATE
from detector.types import KINDS, Kind

_ADDED = ("events", "detections", "needs_review")  # of names, over portions


@dataclass(frozen=True)
class DeploymentSummary:
    """A camera: its files, its days, and what it saw."""

    deployment_id: str
    files: int
    blank: int
    failed: int
    days: int
    active_days: int
    gaps: tuple[Gap, ...]
    events: int


@dataclass(frozen=True)
class NameSummary:
    """What goes by one name.

    Attributes:
        display_name: What people read.
        kind: What it is.
        events: Independent events.
        largest_count: The most seen at once.
        events_by_deployment: Id of each deployment that saw it, with the events there; by falling number.
        detections: Boxes that count, also those without a time.
        needs_review: Of those, how many a person should look at.
    """

    display_name: str
    kind: Kind
    events: int
    largest_count: int
    events_by_deployment: tuple[tuple[str, int], ...]
    detections: int
    needs_review: int

    @property
    def deployments(self) -> int:
        """Deployments that saw it."""
        return len(self.events_by_deployment)


@dataclass(frozen=True)
class DecisionSummary:
    """What `decide` found.

    Attributes:
        photos: Files.
        videos: Files.
        failed: Files in which nothing could be seen.
        with_birds: Files in which a bird counts.
        blank: Files in which no box counts.
        by_first_pass: Of these, files that the detector did not see, as the first pass found nothing.
        by_motion_gate: The same, as nothing moved.
        duplicates: Files that are copies of another; they are not in events.
        without_time: Files without a time; they are not in events.
        by_disk: Files whose time is when they were last changed, as nothing else is known.
        outside: Files outside the periods that the table of deployments states; they are not in events.
        sequences: Bursts and videos, and what stands alone.
        detections: Boxes that count.
        events: Independent events.
        needs_review: Boxes that count and that a person should look at.
        repeat_groups: Things that stand still in many pictures.
        repeated: Boxes of them that are left out.
        reviewed: Boxes on which a person's word stands.
        lost_reviews: Reviews of boxes that the store does not hold, or of files in which all is left out as a repeat.
        names: By falling number of events.
        deployments: By id.
        unlisted: Deployments that no table lists.
        clock_problems: What is odd about clocks.
        notes: What a person should know of the tables that were read.
        unknown_classes: Classes of which no taxonomy knows anything.
    """

    photos: int
    videos: int
    failed: int
    with_birds: int
    blank: int
    by_first_pass: int
    by_motion_gate: int
    duplicates: int
    without_time: int
    by_disk: int
    outside: int
    sequences: int
    detections: int
    events: int
    needs_review: int
    repeat_groups: int
    repeated: int
    reviewed: int
    lost_reviews: int
    names: Sequence[NameSummary]
    deployments: Sequence[DeploymentSummary]
    unlisted: Sequence[str]
    clock_problems: Sequence[ClockProblem]
    notes: Sequence[str]
    unknown_classes: Sequence[str]


def summarise_decisions(decided: Decisions) -> DecisionSummary:
    """Count what was decided on a portion; its lost reviews are those of the other portions, too."""
    facts, placed, boxes, events = decided.facts, decided.placed, decided.boxes, decided.events
    failed, counted = facts.failed, decided.counted
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
        for index, (row, watched) in enumerate(zip(effort_rows(decided), decided.watches, strict=True))
    ]
    listed = {row.deployment_id for row in placed.rows if row.listed}
    taxonomy = decided.rules.naming.taxonomy
    return DecisionSummary(
        photos=int((~facts.is_video).sum()),
        videos=int(facts.is_video.sum()),
        failed=int(failed.sum()),
        with_birds=len(np.unique(facts.box_media[counted & (boxes.kind == Kind.BIRD.code)])),
        blank=int(decided.blank.sum()),
        by_first_pass=_passed_over(decided, FIRST_PASS),
        by_motion_gate=_passed_over(decided, MOTION_GATE),
        duplicates=len(decided.duplicate_of) - decided.duplicate_of.null_count,
        without_time=int((~placed.known).sum()),
        by_disk=int((placed.by_disk & placed.known).sum()),
        outside=int(placed.outside.sum()),
        sequences=len(np.unique(decided.sequence)),
        detections=int(counted.sum()),
        events=len(events.count),
        needs_review=int((counted & boxes.needs_review).sum()),
        repeat_groups=len(np.unique(decided.repeat[decided.repeat >= 0])),
        repeated=int((boxes.suppressed & (decided.repeat >= 0)).sum()),
        reviewed=int((boxes.reviewer >= 0).sum()),
        lost_reviews=len(decided.lost_reviews),
        names=_name_summaries(decided),
        deployments=deployments,
        unlisted=[name for name in placed.ids if name not in listed],
        clock_problems=placed.problems,
        notes=decided.rules.notes,
        unknown_classes=taxonomy.unlisted if taxonomy else (),
    )


def _passed_over(decided: Decisions, reason: str) -> int:
    return int((decided.blank & (decided.facts.item_passed_over == PASSED_OVER.index(reason))).sum())


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


def _name_summaries(decided: Decisions) -> list[NameSummary]:
    boxes, events = decided.boxes, decided.events
    span = len(boxes.table.names)
    key = boxes.kind.astype(np.int64) * span + boxes.name
    keys, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    detections = np.bincount(inverse[decided.counted], minlength=len(keys))
    review = np.bincount(inverse[decided.counted & boxes.needs_review], minlength=len(keys))
    of_event = inverse[events.first_box]
    count = np.bincount(of_event, minlength=len(keys))
    largest = np.zeros(len(keys), np.int64)
    np.maximum.at(largest, of_event, events.count)
    places: dict[int, list[tuple[str, int]]] = defaultdict(list)
    pairs, times = np.unique(of_event * np.int64(len(decided.placed.ids) + 1) + events.deployment, return_counts=True)
    for pair, number in zip(pairs.tolist(), times.tolist(), strict=True):
        of_name, deployment = divmod(pair, len(decided.placed.ids) + 1)
        places[of_name].append((decided.placed.ids[deployment], number))
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
