"""Dates and times as cameras and tools write them, into tags and into the names of files.

A time is read as it is written: a zone behind it is dropped. What could be read in two ways is no time.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import PurePath

from detector.base.times import EARLIEST

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = (
    r"(?P<hour>\d{1,2})\s?(?P<colon>[:.h_-])\s?(?P<minute>\d{1,2})"
    r"(?:\s?(?P=colon)\s?(?P<second>\d{1,2})(?:[.,](?P<decimals>\d{1,9}))?)?(?!\d)(?:\s*(?P<half>[AP])\.?M\b)?"
)
_GAP = r"[\sT,/_;-]{1,4}"
_SLASH = r"\s?[-/:._ ]\s?"
_DAY_NAME = r"(?:[A-Z]{3,9},?\s+)?"
_YEAR_LAST = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<sign>[-/.])(?P<b>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}){_GAP}{_CLOCK}", re.I
)
_WRITTEN = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        # 2024:05:03 18:00:00, 2024-05-03T18:00:00Z, 2024/ 5/ 3  6:00PM, 2024/05/03/ 18:00
        rf"(?P<year>\d{{4}}){_SLASH}(?P<month>\d{{1,2}}){_SLASH}(?P<day>\d{{1,2}}){_GAP}{_CLOCK}",
        # 20240503T180000
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)[T ](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?!\d)",
        # Fri May  3 18:00:00 2024, MAY 03 18:00:00 UTC 2024
        rf"{_DAY_NAME}(?P<name>[A-Z]{{3,9}})\.?\s+(?P<day>\d{{1,2}}),?\s+{_CLOCK}\s+(?:[A-Z]{{2,5}}\s+)?(?P<year>\d{{4}})",
        # Fri, 3 May 2024 18:00:00
        rf"{_DAY_NAME}(?P<day>\d{{1,2}})[\s-](?P<name>[A-Z]{{3,9}})\.?[\s,-]+(?P<year>\d{{4}}){_GAP}{_CLOCK}",
        # May 3, 2024 6:00 PM
        rf"{_DAY_NAME}(?P<name>[A-Z]{{3,9}})\.?\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}){_GAP}{_CLOCK}",
    )
)
_NAMED = re.compile(  # 20210517_063015, 2021-05-17 06-30-15 PM, 2021-05-17 at 06.30, A__2021-05-17__06-30-15(3)
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<sign>[-_.]?)(?P<month>\d\d)(?P=sign)(?P<day>\d\d)(?:[-_ .T]{0,2}|\sat\s)"
    r"(?P<hour>\d\d)(?:(?P<minute>\d\d)(?P<second>\d\d)(?:[._]?(?P<decimals>\d{3}))?"
    r"|(?P<colon>[-_.:h])(?P<minutes>\d\d)(?:(?P=colon)(?P<seconds>\d\d)(?:[._]?(?P<thousandths>\d{3}))?|(?![-_.:]?\d)))"
    r"(?!\d)(?:[ _]?(?P<half>[AP])M(?![a-z]))?",
    re.I,
)
_DATE = re.compile(r"(?:19|20)\d\d([-_.]?)\d\d\1\d\d")
_OF_DAY = re.compile(r"\d\d([-_.h])\d\d\1\d\d(?!\d)")
_OFFSET = re.compile(r":\d\d(?:[.,]\d+)?\s*[+-]\d\d:?\d\d$")


def parse_time(text: str | None, fraction: str | None = None) -> datetime | None:
    """A written date and time, to the millisecond and as written: a zone that follows it is dropped.

    Args:
        text: Such as 2021:05:17 06:30:15 (EXIF), 2021-05-17T06:30:15.000000Z (containers), 2021/ 5/17  6:30 AM or
            Mon May 17 06:30:15 2021 (AVI).
        fraction: The digits after the decimal point of the seconds, where a tag of its own holds them.

    Returns:
        None if it is no date and time, can be read in two ways (see `is_ambiguous`), or is of a clock that was never
        set: before 1970 or its first instant.
    """
    text = (text or "").strip()
    digits = re.match(r"\d+", (fraction or "").strip())
    for pattern in _WRITTEN:
        if match := pattern.match(text):
            return _time(match.groupdict(), digits[0] if digits else None)
    if (match := _YEAR_LAST.match(text)) and not is_ambiguous(text):
        values = match.groupdict()
        day_first = values["sign"] == "." or int(values["a"]) > 12
        values["day"], values["month"] = (values["a"], values["b"]) if day_first else (values["b"], values["a"])
        return _time(values, digits[0] if digits else None)
    return None


def is_ambiguous(text: str | None) -> bool:
    """Whether a written time begins with the day or with the month, and nobody can tell: 03/05/2024 18:00.

    Where points part them the day comes first, in every country that writes so.
    """
    match = _YEAR_LAST.match((text or "").strip())
    if match is None or match["sign"] == ".":
        return False
    a, b = int(match["a"]), int(match["b"])
    return 1 <= a <= 12 and 1 <= b <= 12 and a != b


def is_local(text: str | None) -> bool:
    """Whether a written time tells that it is local, by an offset from UTC other than Z."""
    return bool(_OFFSET.search((text or "").strip()))


def time_in_name(name: str) -> datetime | None:
    """The date and time in a file's name, such as 20210517_063015 or 2021-05-17 06-30-15; None where there is none.

    A name that begins with a time of day has its date from its folder, if that stands before it: 2021-05-17/06-30-15.
    """
    path = PurePath(name)
    dated = _DATE.fullmatch(path.parent.name) and _OF_DAY.match(path.stem)
    for match in _NAMED.finditer(f"{path.parent.name} {path.stem}" if dated else path.stem):
        values = match.groupdict()
        values["minute"], values["second"] = (
            values["minute"] or values["minutes"],
            values["second"] or values["seconds"],
        )
        if taken := _time(values, values["decimals"] or values["thousandths"]):
            return taken
    return None


def _time(values: dict[str, str | None], fraction: str | None) -> datetime | None:
    """The time that the parts of a match make; None where they make none."""
    name = (values.get("name") or "")[:3].lower()
    if name and name not in _MONTHS:
        return None
    month = _MONTHS.index(name) + 1 if name else int(values["month"] or 0)
    hour, minute, second = (int(values.get(part) or 0) for part in ("hour", "minute", "second"))
    half = (values.get("half") or "").upper()
    if (half == "A" and hour > 12) or (hour == 24 and minute + second):
        return None
    if half and hour <= 12:
        hour = hour % 12 + 12 * (half == "P")
    if hour > 24 or minute > 59 or second > 60:  # midnight may be the end of a day, and a minute have a leap second
        return None
    milliseconds = int((fraction or values.get("decimals") or "0")[:3].ljust(3, "0"))
    into_day = timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=milliseconds)
    try:
        taken = datetime(int(values["year"] or 0), month, int(values["day"] or 0)) + into_day
    except (ValueError, OverflowError):  # the 31st of June, 0000:00:00, or the last instant of the year 9999
        return None
    return taken if taken > EARLIEST else None
