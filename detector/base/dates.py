"""Dates in tables: ISO's, and those of spreadsheets in the one reading that fits all of a table's dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

FIRST_YEAR, LAST_YEAR = 1970, 2100  # of a camera or a person; what is outside was mistyped
LONGEST = 50  # of a time in letters and digits

_CLOCK = (
    r"(?:(?:\s*T\s*|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?:\s*(?P<half>[AP])\.?M\.?)?\s*(?P<zone>Z|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?"
)
_YEAR_FIRST = re.compile(r"(?P<year>[0-9]{4})([-/.:])(?P<a>[0-9]{1,2})\2(?P<b>[0-9]{1,2})" + _CLOCK, re.IGNORECASE)
_YEAR_LAST = re.compile(r"(?P<a>[0-9]{1,2})([-/.])(?P<b>[0-9]{1,2})\2(?P<year>[0-9]{2,4})" + _CLOCK, re.IGNORECASE)
_BASIC = re.compile(r"[0-9]{8}(?:T[0-9]{4,6}(?:Z|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?", re.IGNORECASE)
_SERIAL = re.compile(r"[0-9]{4,5}(?:[.,][0-9]+)?")


@dataclass(frozen=True)
class TableTime:
    """A time as a table has it.

    Attributes:
        time: Naive; aware where an offset from UTC stands behind it.
        has_clock: Whether a time of day was given; else it is midnight.
    """

    time: datetime
    has_clock: bool

    @property
    def local(self) -> datetime:
        """The time without its offset."""
        return self.time.replace(tzinfo=None)


def day_first(dates: Iterable[tuple[str, str]]) -> bool | None:
    """Whether 05/01/2024 is the 5th of January in a table.

    Args:
        dates: All dates of the table, each with where it stands ("row 7"); blank and unreadable ones say nothing.

    Returns:
        True: day before month; False: month before day; None: no date asks for it, or all mean the same either way.

    Raises:
        ValueError: Both readings fit all dates and differ, or neither fits; names the places.
    """
    day: tuple[str, str] | None = None
    month: tuple[str, str] | None = None
    either: tuple[str, str] | None = None
    for where, text in dates:
        match = _YEAR_LAST.fullmatch(text.strip())
        if match is None:
            continue
        a, b = int(match["a"]), int(match["b"])
        if a > 12 >= b:
            day = day or (where, text)
        elif b > 12 >= a:
            month = month or (where, text)
        elif a != b:
            either = either or (where, text)
    if day and month:
        raise ValueError(
            f"'{day[1]}' ({day[0]}) begins with the day and '{month[1]}' ({month[0]}) with the month: "
            "write dates as 2024-05-01"
        )
    if either and not day and not month:
        raise ValueError(
            f"'{either[1]}' ({either[0]}) may begin with the day or with the month, and no other date decides which: "
            "write dates as 2024-05-01"
        )
    return None if not (day or month) else day is not None


def parse_date(text: str, day_before_month: bool | None = None) -> TableTime:
    """Read a date: 2024-05-01, 2024-5-1 6:30, 2024-05-01T06:30:15.2+03:00, 20240501, 01/05/2024 7:03 PM.

    Args:
        text: It.
        day_before_month: Of `day_first`, for dates whose year stands last.

    Raises:
        ValueError: It is none, or is not in `FIRST_YEAR` to `LAST_YEAR`.
    """
    text = text.strip().replace("\u2212", "-")
    if len(text) > LONGEST:
        raise ValueError(f"'{text[:LONGEST]}...' is not a time such as 2024-05-01 06:30:15")
    match = _YEAR_FIRST.fullmatch(text)
    if match:
        month, day = match["a"], match["b"]
    elif match := _YEAR_LAST.fullmatch(text):
        if len(match["year"]) != 4:
            raise ValueError(f"'{text}' has a year of {len(match['year'])} digits; write 2024-05-01")
        first = day_before_month if day_before_month is not None else int(match["a"]) > 12
        day, month = (match["a"], match["b"]) if first else (match["b"], match["a"])
    elif _BASIC.fullmatch(text):
        return _bounded(TableTime(_iso(text), "T" in text.upper()), text)
    else:
        raise ValueError(f"'{text[:40]}' is not a time such as 2024-05-01 06:30:15{_hint(text)}")
    try:
        time = datetime(int(match["year"]), int(month), int(day)) + _since_midnight(match)
        return _bounded(TableTime(time.replace(tzinfo=_zone(match["zone"])), match["hour"] is not None), text)
    except (ValueError, OverflowError) as error:
        reason = "" if "'" in str(error) else f" ({error})"
        raise ValueError(str(error) if not reason else f"'{text}' is not a time{reason}") from None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(f"'{text}' is not a time such as 2024-05-01 06:30:15") from None


def _bounded(time: TableTime, text: str) -> TableTime:
    if not FIRST_YEAR <= time.time.year <= LAST_YEAR:
        raise ValueError(f"'{text}' is not in {FIRST_YEAR} to {LAST_YEAR}")
    return time


def _since_midnight(match: re.Match[str]) -> timedelta:
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("hours of AM and PM are 1 to 12")
        hour = hour % 12 + (12 if match["half"].upper() == "P" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("hours are 0 to 23, minutes and seconds 0 to 59")
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text.upper() == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    if offset > timedelta(hours=14):
        raise ValueError("its offset from UTC is more than 14 hours")
    return timezone(-offset if text[0] == "-" else offset)


def _hint(text: str) -> str:
    return "; it is a spreadsheet's number of a day: format the column as a date" if _SERIAL.fullmatch(text) else ""
