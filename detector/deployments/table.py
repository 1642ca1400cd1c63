"""Deployments: a camera's time at a place, by a table with Camtrap DP's column names, else by its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from backbones.errors import DataError
from detector.base.dates import day_first, parse_date
from detector.base.names import name_key
from detector.base.tables.reader import Row, Table, TableForm, quiet, read_table
from detector.deployments.clocks import ClockPair, local_time, parse_clock_shift, parse_zone
from detector.deployments.places import Axis, odd_places, parse_degrees, swapped

# Camtrap DP 1.0.2's columns of deployments that are kept for exports beside those with a meaning here
DETAILS = (
    *("locationID", "coordinateUncertainty", "setupBy", "cameraID", "cameraDelay", "cameraHeight", "cameraDepth"),
    *("cameraTilt", "cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat"),
    *("deploymentGroups", "deploymentTags", "deploymentComments", "captureMethod"),
)
COLUMNS = (
    *("deploymentID", "card", "folder", "locationName", "latitude", "longitude", "timeZone", "kind", "clockShift"),
    *("videoClockShift", "deploymentStart", "deploymentEnd", "cameraModel", "prior", "firstFile", "lastFile", "files"),
)
AGREE = {"latitude": "latitude", "longitude": "longitude", "kind": "kind", "locationName": "location_name"}
FILE_DATES = ("firstFile", "lastFile")
DATES, CLOCK_SHIFTS = ("deploymentStart", "deploymentEnd"), ("clockShift", "videoClockShift")
MAX_LISTED = 10
CAPTURE_METHODS = {  # Camtrap DP's words, by what people write
    **dict.fromkeys(("activitydetection", "motiondetection", "motion", "trigger", "pir"), "activityDetection"),
    **dict.fromkeys(("timelapse", "interval"), "timeLapse"),
}
END_OF_DAY = timedelta(days=1, milliseconds=-1)
FORM = TableForm(
    what="the table of deployments",
    required=COLUMNS[:1],
    optional=(*COLUMNS[1:], *DETAILS),
    multiline=DETAILS,
    names=("deploymentID", "card", "folder"),
    hint="make it with `hoopoe deployments`, and fill it in",
)

T = TypeVar("T")


@dataclass(frozen=True)
class Deployment:
    """A row of the table of deployments: the media under one folder, in one period. A folder may have several rows, of
    periods one after the other; a deployment may have several rows: visits to a camera, or cameras at one place.

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
        end: Local time at which it ended; None: with its last file.
        camera_model: Its make.
        prior: Name of the file with the frequencies of its region's species; None: the only one given.
        details: Other columns of Camtrap DP, as they were written.
        line: The row's number as a spreadsheet shows it; None: no table lists it, its folder stands for it.
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
    line: int | None = None

    @property
    def listed(self) -> bool:
        """Whether a table lists it."""
        return self.line is not None

    @property
    def camera(self) -> str:
        """Which of the cameras at its place it is: the column cameraID; "" where that is empty."""
        return dict(self.details).get("cameraID", "")

    @property
    def place(self) -> tuple[str | None, str]:
        """Card and folder in the form in which they are compared."""
        return self.card and name_key(self.card), name_key(self.folder)


def read_deployments(path: Path, notify: Callable[[str], None] = quiet) -> list[Deployment]:
    """Read a table of deployments; see `base.tables` for the forms in which it may be.

    Args:
        path: It.
        notify: Takes what a person should know of how it was read.

    Raises:
        DataError: The table cannot be read, or rows are wrong; names each of them, up to ten.
    """
    table = read_deployment_cells(path)
    for note in table.notes:
        notify(note)
    records = table.rows
    day_before_month = _day_first(path, records)
    rows: list[Deployment] = []
    problems: list[tuple[int, str]] = []
    for record in records:
        row, wrong = _parse(record, day_before_month)
        problems += [(record.line, problem) for problem in wrong]
        rows.append(row)
    problems = sorted([*problems, *_overlaps(rows), *_disagreements(rows)], key=lambda each: each[0])
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        texts = [f"row {line}: {problem}" for line, problem in problems[:MAX_LISTED]]
        raise DataError("; ".join(texts) + more, where=path, hint="correct these rows")
    places = [
        (f"{path.name} row {row.line}", (row.latitude, row.longitude))
        for row in rows
        if row.latitude is not None and row.longitude is not None
    ]
    for note in odd_places(places):
        notify(note)
    return rows


def read_deployment_cells(path: Path) -> Table:
    """The table of deployments as it is written.

    Raises:
        DataError: It cannot be read.
    """
    return read_table(path, FORM)


def _day_first(path: Path, records: Sequence[Row]) -> bool | None:
    """How the table writes dates, by all of them together."""
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
        # a spreadsheet writes all dates of a table alike, also those that nobody reads
        files = [(f"row {row.line}, {name}", row[name]) for name in FILE_DATES for row in records]
        with suppress(ValueError):
            return day_first([*dates, *files])
        raise DataError(str(error), where=path, hint="write them so in all rows") from error


class _RowParser:
    """Parses the cells of a row, and gathers what is wrong with them."""

    def __init__(self, record: Row, day_before_month: bool | None) -> None:
        self.record = record
        self.day_before_month = day_before_month
        self.problems: list[str] = []
        self.zone = self.cell("timeZone", parse_zone)

    def cell(self, name: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(self.record[name]) if self.record[name] else None
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None

    def degrees(self, axis: Axis) -> float | None:
        def parse(text: str) -> float:
            try:
                return parse_degrees(text, axis)
            except ValueError as error:
                turned = swapped(self.record["latitude"], self.record["longitude"])
                hint = "; perhaps latitude and longitude are swapped" if turned else ""
                raise ValueError(f"{error}{hint}") from None

        return self.cell(axis, parse)

    def clock_shift(self, name: str) -> tuple[ClockPair, ...]:
        return self.cell(name, lambda text: parse_clock_shift(text, self.day_before_month, self.zone)) or ()

    def moment(self, name: str, to_its_end: bool = False) -> datetime | None:
        """A local time; of a date, the first moment of the day or the last."""
        time = self.cell(name, lambda text: parse_date(text, self.day_before_month))
        if time is None:
            return None
        if self.record[name].upper().endswith("Z") and self.zone is None:
            self.problems.append(f"{name}: it is in UTC, and timeZone does not say which local time that is")
        return local_time(time, self.zone) + (END_OF_DAY if to_its_end and not time.has_clock else timedelta())


def _parse(record: Row, day_before_month: bool | None) -> tuple[Deployment, list[str]]:
    """A row, and what is wrong with it."""
    parser = _RowParser(record, day_before_month)
    row = Deployment(
        deployment_id=name_key(record["deploymentID"]),
        card=record["card"] or None,
        folder=record["folder"].replace("\\", "/").strip("/").removeprefix("./"),
        location_name=record["locationName"] or None,
        latitude=parser.degrees("latitude"),
        longitude=parser.degrees("longitude"),
        zone=parser.zone,
        time_zone=record["timeZone"] or None,
        kind=record["kind"].lower() or None,
        clock_shift=parser.clock_shift("clockShift"),
        video_clock_shift=parser.clock_shift("videoClockShift"),
        start=parser.moment("deploymentStart"),
        end=parser.moment("deploymentEnd", to_its_end=True),
        camera_model=record["cameraModel"] or None,
        prior=record["prior"] or None,
        details=tuple((name, parser.cell(name, READ.get(name, str)) or "") for name in DETAILS if record[name]),
        line=record.line,
    )
    problems = parser.problems
    if not row.deployment_id:
        problems.append("deploymentID is empty")
    if bool(record["latitude"]) != bool(record["longitude"]):
        problems.append("latitude and longitude come together: one of them is empty")
    if row.start and row.end and row.end < row.start:
        problems.append("deploymentEnd is before deploymentStart")
    return row, problems


def _capture_method(text: str) -> str:
    method = CAPTURE_METHODS.get(re.sub(r"[\s_-]", "", text).casefold())
    if method is None:
        raise ValueError(f"'{text[:40]}' is none of {', '.join(sorted(set(CAPTURE_METHODS.values())))}")
    return method


READ: dict[str, Callable[[str], str]] = {"captureMethod": _capture_method}  # details that are not kept as written


def _overlaps(rows: Sequence[Deployment]) -> Iterator[tuple[int, str]]:
    """Rows that would take the files of others: those of no folder, or of one folder at the same time; by line."""
    folders: dict[object, list[Deployment]] = {}
    for row in rows:
        if row.place == (None, "") and len(rows) > 1:
            yield row.line or 0, "card and folder are empty: it would take the files of all cameras without a row"
        else:
            folders.setdefault(row.place, []).append(row)
    for same in folders.values():
        for earlier, later in pairwise(sorted(same, key=lambda row: row.start or datetime.min)):
            if later.start is None or (earlier.end is not None and earlier.end >= later.start):
                lines = sorted((earlier.line or 0, later.line or 0))
                yield (
                    lines[1],
                    f"the folder has a row already: row {lines[0]}; several rows of one folder need periods "
                    "(deploymentStart, deploymentEnd) one after the other",
                )


def _disagreements(rows: Sequence[Deployment]) -> Iterator[tuple[int, str]]:
    """Rows of one deployment that place it differently; by line."""
    first: dict[str, Deployment] = {}
    for row in rows:
        other = first.setdefault(row.deployment_id, row)
        for column, name in AGREE.items():
            if getattr(row, name) != getattr(other, name):
                yield (
                    row.line or 0,
                    f"rows {other.line} and {row.line} of deployment '{row.deployment_id}' disagree in {column}: "
                    f"{getattr(other, name)} and {getattr(row, name)}",
                )
