"""One word of a person on a box, a frame, a file or a group of repeats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from detector.store.ids import current_id
from detector.types import Kind

WITHDRAWN = "withdrawn"  # takes back what was said of the same box, or of anything in the same frame, file or group
# `real`: not a repeat
VERDICTS = ("named", Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, "nothing", "real", WITHDRAWN)


@dataclass(frozen=True)
class Review:
    """One word of a person; see `schema.REVIEWS`.

    Raises:
        ValueError: It is of nothing or of two things, or its verdict is unknown or lacks a name.
    """

    reviewed_at: datetime
    reviewer: str
    verdict: str
    media_id: str | None = None
    frame_number: int | None = None
    box: int | None = None
    repeat_group: str | None = None
    name: str | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict '{self.verdict}' is none of {', '.join(VERDICTS)}")
        if (self.verdict == "named") != (self.name is not None):
            raise ValueError("the verdict `named` comes with a name, and no other does")
        if (self.media_id is None) == (self.repeat_group is None):
            raise ValueError("a review is of a media item or of a group of repeats")
        if self.box is not None and self.frame_number is None:
            raise ValueError("a box is one of a frame: give its frame_number, 0 in photos")
        for name in ("media_id", "repeat_group"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, current_id(text))
        moment = self.reviewed_at if self.reviewed_at.tzinfo is None else self.reviewed_at.astimezone(UTC)
        moment = moment.replace(tzinfo=None, microsecond=moment.microsecond // 1000 * 1000)  # as the store holds it
        object.__setattr__(self, "reviewed_at", moment)

    @property
    def is_of_several(self) -> bool:
        """Whether it is of all boxes of a frame or a file."""
        return self.media_id is not None and self.box is None

    @property
    def target(self) -> tuple[str | None, int | None, int | None, str | None]:
        """What it is of."""
        return self.media_id, self.frame_number, self.box, self.repeat_group

    @property
    def said(self) -> tuple[object, ...]:
        """What was said of what, whenever it was."""
        return *self.target, self.reviewer, self.verdict, self.name, self.comment

    def covers(self, other: Review) -> bool:
        """Whether all that the other is of is a part of what this one is of."""
        if self.repeat_group is not None or other.repeat_group is not None:
            return self.repeat_group == other.repeat_group
        pairs = ((self.frame_number, other.frame_number), (self.box, other.box))
        return self.media_id == other.media_id and all(own is None or own == its for own, its in pairs)
