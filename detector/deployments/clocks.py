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

from detector.base.dates import TableTime, parse_date
from detector.base.times import Times, add_ms

_FIXED = re.compile(r"(?:UTC|GMT)?\s*([+-]?)([0-9]{1,2})(?::?([0-5][0-9])(?::00)?|[.,]([0-9]{1,2}))?", re.IGNORECASE)
_EAST, _WEST = timedelta(hours=14), timedelta(hours=-12)  # the ends of the world's offsets


@dataclass(frozen=True)
class ClockPair:
    """What a camera's clock showed at a moment, and what it should have shown."""

    wrong: datetime
    right: datetime


def parse_clock_shift(
    text: str, day_before_month: bool | None = None, zone: tzinfo | None = None
) -> tuple[ClockPair, ...]:
    """Read `wrong=right` pairs of times, separated by semicolons, such as `2016-01-01 00:05=2024-05-03 10:22`.

    Args:
        text: It.
        day_before_month: See `base.dates.day_first`.
        zone: Of the place; a right time may have an offset from UTC behind it.

    Raises:
        ValueError: It is not of that form, or the pairs' wrong times do not rise.
    """
    pairs = []
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        wrong, equals, right = pair.partition("=")
        if not equals:
            raise ValueError(f"'{pair}' is not wrong=right, such as 2016-01-01 00:05=2024-05-03 10:22")
        shown, real = (parse_date(each, day_before_month) for each in (wrong, right))
        pairs.append(ClockPair(shown.local, local_time(real, zone)))
    if any(later.wrong <= pair.wrong for pair, later in pairwise(pairs)):
        raise ValueError("the wrong times of several pairs must rise")
    return tuple(pairs)


def local_time(written: TableTime, zone: tzinfo | None) -> datetime:
    """What a right clock in the zone showed at a written time; one without an offset, or without a zone, stays."""
    if written.time.tzinfo is None or zone is None:
        return written.local
    return written.time.astimezone(zone).replace(tzinfo=None)


def parse_zone(text: str) -> tzinfo:
    """A zone: an IANA name (Asia/Jerusalem), or a fixed offset for a clock without summer time.

    Offsets are read as people and spreadsheets write them: +02:00, UTC+2, 2, 02:00, 5.5, UTC−3 with any minus sign.

    Raises:
        ValueError: It is neither; the nearest name is in the message.
    """
    text = text.strip().replace("\u2212", "-").replace("\u2013", "-")
    if match := _FIXED.fullmatch(text):
        sign, hours, minutes, decimals = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0) or round(float(f"0.{decimals or 0}") * 60))
        offset = -offset if sign == "-" else offset
        if not _WEST <= offset <= _EAST or offset % timedelta(minutes=15):
            raise ValueError(f"'{text}' is not an offset from UTC, such as +02:00")
        return timezone(offset)
    if text.upper() in ("UTC", "Z", "GMT"):
        return UTC
    names = {name.casefold(): name for name in zoneinfo.available_timezones()}
    key = re.sub(r"\s+", "_", text.casefold())
    if key in names:
        return zoneinfo.ZoneInfo(names[key])
    cities = {name.rpartition("/")[2]: names[name] for name in sorted(names)}
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.6) or difflib.get_close_matches(key, cities, n=1)
    hint = f"; did you mean {names.get(near[0]) or cities[near[0]]}?" if near else ", such as Asia/Jerusalem or +02:00"
    raise ValueError(f"'{text[:40]}' is not a time zone{hint}")


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
