"""Places of cameras: degrees as people write them, and what is odd about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from statistics import median
from typing import Literal

Axis = Literal["latitude", "longitude"]
Place = tuple[float, float]  # latitude and longitude, degrees

LIMITS: dict[Axis, float] = {"latitude": 90, "longitude": 180}
_LETTERS: dict[Axis, str] = {"latitude": "NS", "longitude": "EW"}
_NUMBER = r"[0-9]+(?:[.,][0-9]*)?"
_DEGREES = re.compile(
    rf"(?P<before>[NSEW])?\s*(?P<sign>[+-])?\s*(?P<degrees>{_NUMBER})\s*[°º˚]?\s*"
    rf"(?:(?<=[\s°º˚])(?P<minutes>{_NUMBER})\s*['′’´]\s*(?:(?P<seconds>{_NUMBER})\s*(?:[\"″”]|''|′′)\s*)?)?(?P<after>[NSEW])?",
    re.IGNORECASE,
)
FAR, NEARER = 1.0, 5.0  # degrees from the middle of a survey, and how many times nearer the swapped place is


def parse_degrees(text: str, axis: Axis) -> float:
    """Read degrees: 31.25, 31,25, -31.25, 31.25°N, S 31.25, 31°15'30"N.

    Raises:
        ValueError: It is none, or not in the axis's range.
    """
    match = _DEGREES.fullmatch(text.strip().replace("\u2212", "-"))
    if match is None or (match["sign"] and (match["before"] or match["after"])):
        raise ValueError(f"'{text[:40]}' is not a number of degrees such as 31.25")
    letters = ((match["before"] or "") + (match["after"] or "")).upper()
    if len(letters) > 1 or letters not in _LETTERS[axis]:
        raise ValueError(f"'{text[:40]}' is no {axis}")
    degrees, minutes, seconds = (
        float((match[part] or "0").replace(",", ".")) for part in ("degrees", "minutes", "seconds")
    )
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"'{text[:40]}': minutes and seconds are below 60")
    value = degrees + minutes / 60 + seconds / 3600
    if value > LIMITS[axis]:
        raise ValueError(f"{text[:40]} is not in -{LIMITS[axis]:g} to {LIMITS[axis]:g} degrees")
    return -value if match["sign"] == "-" or letters in ("S", "W") else value


def swapped(latitude: str, longitude: str) -> bool:
    """Whether two cells would be a place the other way round."""
    with suppress(ValueError):
        return parse_degrees(longitude, "latitude") <= 90 and parse_degrees(latitude, "longitude") <= 180
    return False


def odd_places(places: Sequence[tuple[str, Place]]) -> Iterator[str]:
    """What a person should look at, of places that are called by where they stand (`row 3`)."""
    for where, place in places:
        if not any(place):
            yield f"{where}: 0, 0 lies in the Atlantic; leave the cells empty where the place is not known"
    known = [place for _, place in places if any(place)]
    if len(known) < 4:  # of fewer nobody can tell which one is odd
        return
    middle = median(latitude for latitude, _ in known), median(longitude for _, longitude in known)
    for where, (latitude, longitude) in places:
        apart = _apart((latitude, longitude), middle)
        if apart > FAR and _apart((longitude, latitude), middle) * NEARER < apart:
            yield f"{where}: its place lies far from the others; perhaps latitude and longitude are swapped"


def _apart(one: Place, other: Place) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))
