"""Clocks of cameras: their correction, their zone, and what is odd about them.

A time is local and naive: what a right clock at the camera's place would have shown. Its UTC offset is kept beside it.
Of a local time that occurs twice, when clocks go back, the first is meant (summer time). A local time that does not
occur, because clocks go forward over it, was shown by a clock that had not been set yet: it has the offset from before.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.base.dates import parse_date
from detector.base.times import Times, add_ms

_FIXED = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


@dataclass(frozen=True)
class ClockPair:
    """What a camera's clock showed at a moment, and what it should have shown."""

    wrong: datetime
    right: datetime


def parse_clock_shift(text: str, day_before_month: bool | None = None) -> tuple[ClockPair, ...]:
    """Read `wrong=right` pairs of times, separated by semicolons, such as `2016-01-01 00:05=2024-05-03 10:22`.

    Args:
        text: It.
        day_before_month: See `base.dates.day_first`.

    Raises:
        ValueError: It is not of that form, or the pairs' wrong times do not rise.
    """
    pairs = []
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        wrong, equals, right = pair.partition("=")
        if not equals:
            raise ValueError(f"'{pair}' is not wrong=right, such as 2016-01-01 00:05=2024-05-03 10:22")
        pairs.append(ClockPair(*(parse_date(each, day_before_month).local for each in (wrong, right))))
    if any(later.wrong <= pair.wrong for pair, later in pairwise(pairs)):
        raise ValueError("the wrong times of several pairs must rise")
    return tuple(pairs)


def parse_zone(text: str) -> tzinfo:
    """A zone: an IANA name (Asia/Jerusalem), or a fixed offset (+02:00, UTC+2) for a clock without summer time.

    Raises:
        ValueError: It is neither; the nearest name is in the message.
    """
    text = text.strip()
    match = _FIXED.fullmatch(text)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset >= timedelta(hours=24):
            raise ValueError(f"'{text}' is not an offset from UTC")
        return timezone(-offset if match[1] == "-" else offset)
    if text.upper() in ("UTC", "Z", "GMT"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(text, zoneinfo.available_timezones(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ", such as Asia/Jerusalem or +02:00"
        raise ValueError(f"'{text}' is not a time zone{hint}") from None


def correct(times: Times, pairs: tuple[ClockPair, ...]) -> Times:
    """Times after the clock's correction.

    Each pair moves the times from its wrong time on, up to the next pair's; the first also moves those before it. So
    one pair moves all; and a camera whose clock fell back to 2016 while it hung from 2024 on gets two:
    `2016-01-01 00:05=2024-05-03 10:22; 2024-01-01 00:00=2024-01-01 00:00`.

    Args:
        times: datetime64[ms] (N,), as the camera wrote them; NaT stays, and replaces what leaves the calendar.
        pairs: By rising wrong time.
    """
    if not pairs:
        return times
    wrong = np.array([pair.wrong for pair in pairs], "datetime64[ms]")
    shifts = np.array([pair.right for pair in pairs], "datetime64[ms]") - wrong
    which = np.clip(np.searchsorted(wrong, times, side="right") - 1, 0, len(pairs) - 1)
    return add_ms(times, shifts[which].astype(np.int64))


@dataclass(frozen=True, eq=False)
class Offsets:
    """UTC offsets of N local times.

    Attributes:
        minutes: int32 (N,), east of UTC; 0 for NaT.
        ambiguous: bool (N,), local times that occur twice; the first is taken.
        missing: bool (N,), local times that do not occur; the offset from before the change is taken.
    """

    minutes: NDArray[np.int32]
    ambiguous: NDArray[np.bool_]
    missing: NDArray[np.bool_]


def utc_offsets(times: Times, zone: tzinfo) -> Offsets:
    """UTC offsets of local times datetime64[ms] (N,) in a zone; see the module for those that are not unique."""
    known = ~np.isnat(times)
    minutes = np.zeros(len(times), np.int32)
    ambiguous, missing = np.zeros(len(times), bool), np.zeros(len(times), bool)
    quarters, place = np.unique(times[known].astype("datetime64[m]").astype(np.int64) // 15, return_inverse=True)
    moments = [datetime(1970, 1, 1) + timedelta(minutes=15 * int(quarter)) for quarter in quarters]
    first = np.array([_offset(moment, zone, 0) for moment in moments], np.int32)
    second = np.array([_offset(moment, zone, 1) for moment in moments], np.int32)
    minutes[known] = first[place]
    ambiguous[known] = (first > second)[place]
    missing[known] = (first < second)[place]
    return Offsets(minutes, ambiguous, missing)


def _offset(moment: datetime, zone: tzinfo, fold: int) -> int:
    offset = moment.replace(tzinfo=zone, fold=fold).utcoffset()
    return round(offset.total_seconds() / 60) if offset is not None else 0
