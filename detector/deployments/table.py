"""Deployments: a camera's time at a place, told by a table with Camtrap DP's column names, else by its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TypeVar

from backbones.errors import DataError
from detector.base.dates import day_first, parse_date
from detector.base.tables import Row, quiet, read_table
from detector.deployments.clocks import ClockPair, parse_clock_shift, parse_zone

# Camtrap DP 1.0.2's columns of deployments that are kept for exports beside those with a meaning here
DETAILS = (
    *("locationID", "coordinateUncertainty", "setupBy", "cameraID", "cameraDelay", "cameraHeight", "cameraDepth"),
    *("cameraTilt", "cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat"),
    *("deploymentGroups", "deploymentTags", "deploymentComments"),
)
COLUMNS = (
    *("deploymentID", "card", "folder", "locationName", "latitude", "longitude", "timeZone", "kind", "clockShift"),
    *("videoClockShift", "deploymentStart", "deploymentEnd", "cameraModel", "prior", "firstFile", "lastFile", "files"),
)
DATES, CLOCK_SHIFTS = ("deploymentStart", "deploymentEnd"), ("clockShift", "videoClockShift")
MAX_LISTED = 10

T = TypeVar("T")


@dataclass(frozen=True)
class Deployment:
    """A row of the table of deployments: the media under one folder. A deployment of several visits has several rows.

    Attributes:
        deployment_id: Its name.
        card: Id of the card that the folder is on; None: any.
        folder: Under the card's root, with forward slashes; "" is all of it.
        location_name: Name of the place.
        latitude: Degrees north.
        longitude: Degrees east.
        zone: Of the camera's clock; None: unknown.
        time_zone: The zone as it was written.
        kind: feeder, water, nest, or another word.
        clock_shift: The clock's correction.
        video_clock_shift: Another one for videos; empty: the same.
        start: Local time at which the camera began to watch; None: with its first file.
        end: Local time at which it ended.
        camera_model: Its make.
        prior: Name of the file with the frequencies of its region's species; None: the only one given.
        details: Other columns of Camtrap DP, as they were written.
        listed: Whether a table lists it.
    """

    deployment_id: str
    card: str | None = None
    folder: str = ""
    location_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    zone: tzinfo | None = None
    time_zone: str | None = None
    kind: str | None = None
    clock_shift: tuple[ClockPair, ...] = ()
    video_clock_shift: tuple[ClockPair, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    camera_model: str | None = None
    prior: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    listed: bool = True


def read_deployments(path: Path, notify: Callable[[str], None] = quiet) -> list[Deployment]:
    """Read a table of deployments; see `base.tables` for the forms in which it may be.

    Args:
        path: It.
        notify: Takes what a person should know of how it was read.

    Raises:
        DataError: The table cannot be read, or rows are wrong; names each of them, up to ten.
    """
    table = read_table(
        path,
        what="the table of deployments",
        required=COLUMNS[:1],
        optional=(*COLUMNS[1:], *DETAILS),
        multiline=DETAILS,
        mend="make it with `hoopoe deployments`, and fill it in",
    )
    for note in table.notes:
        notify(note)
    records = table.rows
    day_before_month = _day_first(path, records)
    rows: list[Deployment] = []
    problems: list[str] = []
    lines: dict[tuple[str | None, str], int] = {}
    for record in records:
        row, wrong = _parse(record, day_before_month)
        key = (row.card, row.folder)
        if key in lines:
            wrong.append(f"the folder has a row already: {lines[key]}")
        lines[key] = record.line
        problems += [f"row {record.line}: {problem}" for problem in wrong]
        rows.append(row)
    problems += _disagreements(rows)
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise DataError("; ".join(problems[:MAX_LISTED]) + more, where=path, mend="correct these rows")
    return rows


def _day_first(path: Path, records: Sequence[Row]) -> bool | None:
    """How the table writes dates, told from all of them together."""
    dates = [(f"row {row.line}, {name}", row[name]) for name in DATES for row in records]
    dates += [
        (f"row {row.line}, {name}", date)
        for name in CLOCK_SHIFTS
        for row in records
        for date in re.split("[;=]", row[name])
    ]
    try:
        return day_first(dates)
    except ValueError as error:
        raise DataError(str(error), where=path, mend="write them so in all rows") from error


def _parse(record: Row, day_before_month: bool | None) -> tuple[Deployment, list[str]]:
    """A row, and what is wrong with it."""
    problems: list[str] = []

    def parsed(name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(record[name]) if record[name] else None
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None

    def degrees(name: str, limit: float) -> float | None:
        try:
            return record.number(name, -limit, limit)
        except DataError as error:
            problems.append(error.problem)
            return None

    def time(text: str) -> datetime:
        return parse_date(text, day_before_month).local

    def shift(text: str) -> tuple[ClockPair, ...]:
        return parse_clock_shift(text, day_before_month)

    if not record["deploymentID"]:
        problems.append("deploymentID is empty")
    row = Deployment(
        deployment_id=record["deploymentID"],
        card=record["card"] or None,
        folder=record["folder"].replace("\\", "/").strip("/").removeprefix("./"),
        location_name=record["locationName"] or None,
        latitude=degrees("latitude", 90),
        longitude=degrees("longitude", 180),
        zone=parsed("timeZone", parse_zone),
        time_zone=record["timeZone"] or None,
        kind=record["kind"].lower() or None,
        clock_shift=parsed("clockShift", shift) or (),
        video_clock_shift=parsed("videoClockShift", shift) or (),
        start=parsed("deploymentStart", time),
        end=parsed("deploymentEnd", time),
        camera_model=record["cameraModel"] or None,
        prior=record["prior"] or None,
        details=tuple((name, record[name]) for name in DETAILS if record[name]),
    )
    if (row.latitude is None) != (row.longitude is None) and not problems:
        problems.append("latitude and longitude come together")
    if row.start and row.end and row.end < row.start:
        problems.append("deploymentEnd is before deploymentStart")
    return row, problems


def _disagreements(rows: Sequence[Deployment]) -> list[str]:
    """Rows of one deployment that place it differently."""
    first: dict[str, Deployment] = {}
    problems = []
    for row in rows:
        other = first.setdefault(row.deployment_id, row)
        for name in ("latitude", "longitude", "kind", "location_name"):
            if getattr(row, name) != getattr(other, name):
                problems.append(f"rows of deployment '{row.deployment_id}' disagree in {name}")
    return list(dict.fromkeys(problems))
