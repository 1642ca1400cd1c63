"""What exports and pages read: one media item with its decided detections, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from detector.types import Kind, MediaType


def reaches(score: Any, threshold: float) -> Any:
    """Whether a score, or each of an array, is at the threshold or above, as float32 holds both: 0.7 reaches 0.7."""
    return (np.float32(score) if isinstance(score, float) else score) >= np.float32(threshold)


@dataclass(frozen=True)
class Candidate:
    """A species that a box may show, and how sure that is, 0..1."""

    name: str
    confidence: float


@dataclass(frozen=True)
class DetectionRecord:
    """A row of `schema.DETECTIONS`: a box and what was decided about it; see there for units."""

    media_id: str
    frame_number: int
    time_s: float
    box: int
    x: float
    y: float
    w: float
    h: float
    score: float
    label: str
    kind: str
    individual_id: str | None
    event_id: str | None
    repeat_group: str | None
    suppressed: bool
    name: str | None
    rank: str | None
    english_name: str | None
    hebrew_name: str | None
    ebird_code: str | None
    display_name: str
    confidence: float | None
    species_score: float | None
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    needs_review: bool
    reviewed_by: str | None
    nested: bool = False
    count: int = 1
    sex: str | None = None
    life_stage: str | None = None
    box_by: str | None = None
    reviewed_at: datetime | None = None

    @property
    def is_outnumbered(self) -> bool:
        """Whether a person counted fewer than there are boxes, and nobody said whether this is one that shows none."""
        return self.count == 0 and not self.nested

    def counts(self, threshold: float) -> bool:
        """Whether it is seen and counted: not ruled out, and from this score up or confirmed by a person."""
        return not self.suppressed and (self.reviewed_by is not None or bool(reaches(self.score, threshold)))

    @property
    def named_by(self) -> str | None:
        """The person who said what it is called, or that it is no more than its kind; None: nobody did.

        A name that a person gives has a confidence of 1; who says "a bird" or "real" leaves the models' own.
        """
        return self.reviewed_by if self.name is None or self.confidence == 1 else None

    @property
    def said_species(self) -> str | None:
        """The species that a person named; None: nobody did."""
        named = self.named_by is not None and not self.suppressed and self.kind == Kind.BIRD
        return self.name if named and self.rank in ("species", None) else None


@dataclass(frozen=True)
class MediaRecord:
    """A row of `schema.MEDIA` with its detections, by frame and box."""

    media_id: str
    card: str
    path: str
    media_type: MediaType
    width: int | None
    height: int | None
    frame_rate: float | None
    duration_s: float | None
    frames: tuple[int, ...]
    failure: str | None
    warning: str | None
    night: bool | None
    captured_at: datetime | None
    captured_from: str | None
    timestamp: datetime | None
    utc_offset_min: int | None
    deployment_id: str
    visit_id: str
    sequence_id: str
    blank: bool
    duplicate_of: str | None
    outside: bool
    passed_over: str | None = None
    blank_by: str | None = None
    blank_at: datetime | None = None
    detections: tuple[DetectionRecord, ...] = ()

    def shown(self, threshold: float) -> tuple[DetectionRecord, ...]:
        """The detections from this score up, or confirmed by a person, that no repeat and no person has ruled out."""
        return tuple(found for found in self.detections if found.counts(threshold))


@dataclass(frozen=True)
class EventRecord:
    """A row of `schema.EVENTS`: an independent event."""

    event_id: str
    deployment_id: str
    visit_id: str
    kind: str
    name: str | None
    rank: str | None
    display_name: str
    start: datetime
    end: datetime
    utc_offset_min: int | None
    end_offset_min: int | None
    count: int
    detections: int
    media: int
    confidence: float | None

    @property
    def began(self) -> datetime:
        """The instant of the start, UTC and naive; local where no zone is known. Instants can be subtracted."""
        return self.start - timedelta(minutes=self.utc_offset_min or 0)

    @property
    def ended(self) -> datetime:
        """The instant of the end."""
        return self.end - timedelta(minutes=self.end_offset_min or 0)


@dataclass(frozen=True)
class RepeatRecord:
    """A row of `schema.REPEATS`: one thing in many pictures of a camera."""

    repeat_group: str
    deployment_id: str
    x: float
    y: float
    w: float
    h: float
    label: str
    boxes: int
    media: int
    first: datetime | None
    last: datetime | None
    suppressed: bool
    reviewed_by: str | None
    left_out: int = 0
    card: str = ""
    path: str = ""


@dataclass(frozen=True)
class Gap:
    """Days on which a camera took nothing, both ends counted."""

    start: date
    end: date


@dataclass(frozen=True)
class EffortRecord:
    """A row of `schema.EFFORT`: how long a camera watched."""

    deployment_id: str
    start: datetime | None
    end: datetime | None
    days: int
    active_days: int
    days_with_files: int
    gaps: tuple[Gap, ...]
    media: int
    photos: int
    videos: int
    blank: int
    failed: int
    without_time: int
    outside: int
    passed_over: int = 0


@dataclass(frozen=True)
class DeploymentRecord:
    """A row of `schema.DEPLOYMENTS`: a visit, a camera's time at a place."""

    visit_id: str
    deployment_id: str
    listed: bool
    location_name: str | None
    latitude: float | None
    longitude: float | None
    start: datetime | None
    start_offset_min: int | None
    end: datetime | None
    end_offset_min: int | None
    camera_model: str | None
    kind: str | None
    time_zone: str | None
    details: tuple[tuple[str, str], ...]
