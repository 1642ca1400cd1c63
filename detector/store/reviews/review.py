"""One word of a person on a box, a frame, a file or a group of repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from detector.store.media_ids import current_id
from detector.types import Kind

WITHDRAWN = "withdrawn"  # takes back what was said in one go, or of the same box, frame, file or group
NOTED = "noted"  # says nothing of what it is: of sex, life stage, number or place alone
# `real`: not a repeat
VERDICTS = (
    "named", Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, "nothing", "real", NOTED, WITHDRAWN,
)  # fmt: skip
SEXES = ("female", "male")  # Camtrap DP's words
LIFE_STAGES = ("adult", "subadult", "juvenile")
DRAWN = "drawn"  # in place of the detector's label
DRAWN_FROM = 1_000_000  # numbers of boxes that people drew begin here; those of the facts count from 0
_DRAWN_NUMBERS = 1_000_000_000  # of which a picture's few boxes take one each: by what is drawn, so that no two meet
_ROUNDING = 1e-3  # by which a box may lie beyond the picture

Box = tuple[float, float, float, float]
Target = tuple[str | None, int | None, int | None, str | None]


@dataclass(frozen=True)
class Review:
    """One word of a person; see `schema.REVIEWS`.

    Attributes:
        xywh: Where the box is, as shares of the picture: of one of the facts its mended place, of one with a number
            from `drawn_number` a box that the person drew.
        said_id: What was said in one go has it in common; None: it was said before there were such ids.
        withdraws: With `withdrawn`: the `said_id` of what is taken back; then it is of no item.

    Raises:
        ValueError: It is of nothing or of two things, says nothing, or says what cannot be.
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
    sex: str | None = None
    life_stage: str | None = None
    count: int | None = None
    xywh: Box | None = None
    said_id: str | None = field(default=None, compare=False)
    withdraws: str | None = None

    def __post_init__(self) -> None:
        self._check_words()
        self._check_target()
        for name in ("media_id", "repeat_group"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, current_id(text))
        if self.xywh is not None:
            object.__setattr__(self, "xywh", _inside(self.xywh))
        moment = self.reviewed_at if self.reviewed_at.tzinfo is None else self.reviewed_at.astimezone(UTC)
        moment = moment.replace(tzinfo=None, microsecond=moment.microsecond // 1000 * 1000)  # as the store holds it
        object.__setattr__(self, "reviewed_at", moment)

    def _check_words(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict '{self.verdict}' is none of {', '.join(VERDICTS)}")
        of_which = self.verdict == NOTED and self.count is not None
        if (self.verdict == "named") != (self.name is not None) and not of_which:
            raise ValueError("the verdict `named` comes with a name, and no other does, but `noted` with a count")
        if self.sex not in (None, *SEXES):
            raise ValueError(f"sex '{self.sex}' is none of {', '.join(SEXES)}")
        if self.life_stage not in (None, *LIFE_STAGES):
            raise ValueError(f"life stage '{self.life_stage}' is none of {', '.join(LIFE_STAGES)}")
        if self.count is not None and self.count < 1:
            raise ValueError("a count is 1 or more: say `nothing` of what is not there")
        noted = any(each is not None for each in (self.sex, self.life_stage, self.count, self.xywh))
        if self.verdict == NOTED and not noted:
            raise ValueError("the verdict `noted` comes with a sex, life stage, count or box")
        if noted and self.verdict in ("nothing", "real", WITHDRAWN):
            raise ValueError(f"the verdict `{self.verdict}` comes with no sex, life stage, count or box")

    def _check_target(self) -> None:
        if self.withdraws is not None:
            if self.verdict != WITHDRAWN or self.media_id is not None or self.repeat_group is not None:
                raise ValueError("`withdraws` comes with the verdict `withdrawn`, and with no media item or group")
            return
        if (self.media_id is None) == (self.repeat_group is None):
            raise ValueError("a review is of a media item or of a group of repeats")
        if self.box is not None and self.frame_number is None:
            raise ValueError("a box is one of a frame: give its frame_number, 0 in photos")
        if self.xywh is not None and self.box is None:
            raise ValueError("a place is that of one box: give its number, of a box that was drawn `drawn_number`")
        if self.count is not None and self.media_id is None:
            raise ValueError("a count is of a box, a frame or a file")

    @property
    def is_of_several(self) -> bool:
        """Whether it is of all boxes of a frame or a file."""
        return self.media_id is not None and self.box is None

    @property
    def item(self) -> str:
        """The media item that it is of, or that of a group's first box; "" of what it withdraws."""
        return self.media_id or (self.repeat_group or "").partition(":")[0]

    @property
    def is_drawn(self) -> bool:
        """Whether it is of a box that a person drew."""
        return self.box is not None and self.box >= DRAWN_FROM

    @property
    def target(self) -> Target:
        """What it is of."""
        return self.media_id, self.frame_number, self.box, self.repeat_group

    @property
    def said(self) -> tuple[object, ...]:
        """What was said of what, whenever it was."""
        noted = (self.sex, self.life_stage, self.count, self.xywh)
        return *self.target, self.reviewer, self.verdict, self.name, self.comment, *noted, self.withdraws

    def covers(self, other: Review) -> bool:
        """Whether all that the other is of is a part of what this one is of."""
        if self.repeat_group is not None or other.repeat_group is not None:
            return self.repeat_group == other.repeat_group
        pairs = ((self.frame_number, other.frame_number), (self.box, other.box))
        return self.media_id == other.media_id and all(own is None or own == its for own, its in pairs)


def drawn_number(media_id: str, frame_number: int, xywh: Sequence[float]) -> int:
    """The number of a box that a person draws, by which later words name it: the same place is the same box."""
    place = ",".join(f"{side:.4f}" for side in xywh)
    digest = hashlib.blake2b(f"{current_id(media_id)}:{frame_number}:{place}".encode(), digest_size=8).digest()
    return DRAWN_FROM + int.from_bytes(digest, "little") % _DRAWN_NUMBERS


def _inside(xywh: Sequence[float]) -> Box:
    """The part of a box within the picture, as the store holds it."""
    x, y, w, h = map(float, xywh)
    beyond = min(x, y) < -_ROUNDING or max(x + w, y + h) > 1 + _ROUNDING
    if not np.isfinite([x, y, w, h]).all() or beyond or min(w, h) <= 0:
        raise ValueError(
            f"({x:g}, {y:g}, {w:g}, {h:g}) is no box: left, top, width and height are shares of the picture"
        )
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, 1.0), min(y + h, 1.0)
    if right <= left or bottom <= top:
        raise ValueError("nothing of the box is in the picture")
    values = (left, top, right - left, bottom - top)
    return tuple(float(np.float32(side)) for side in values)  # type: ignore[return-value]
