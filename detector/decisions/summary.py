"""What `decide` found, in numbers for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.deployments.placement import ClockProblem
from detector.store.records import Gap


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
        kind: See `schema.DETECTIONS`.
        events: Independent events.
        largest_count: The most seen at once.
        events_by_deployment: Id of each deployment that saw it, with the events there; by falling number.
        detections: Boxes that count, also those without a time.
        needs_review: Of those, how many a person should look at.
    """

    display_name: str
    kind: str
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
