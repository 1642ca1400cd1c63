"""Deployments: a camera's time at a place, told by a table with Camtrap DP's column names, else by its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TypeVar

from backbones.errors import DataError
from detector.deployments.clocks import ClockPair, parse_clock_shift, parse_time, parse_zone

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


def read_deployments(path: Path) -> list[Deployment]:
    """Read a table of deployments: CSV in UTF-8, with commas or semicolons; columns may be in any order.

    Raises:
        DataError: The table cannot be read, or rows are wrong; names each of them, up to ten.
    """
    text, delimiter = _sheet(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if "deploymentID" not in names:
        raise DataError(
            "there is no column deploymentID",
            where=path,
            mend="make it with `hoopoe deployments`, and fill it in",
        )
    unknown = [name for name in names if name and name not in COLUMNS and name not in DETAILS]
    if unknown:
        known = ", ".join(name for name in (*COLUMNS, *DETAILS))
        raise DataError(f"unknown column '{unknown[0]}'", where=path, mend=f"columns are {known}")
    rows: list[Deployment] = []
    problems: list[str] = []
    lines: dict[tuple[str | None, str], int] = {}
    for record in reader:
        values = {name: (record.get(name) or "").strip() for name in names}
        if not any(values.values()):
            continue
        row, wrong = _parse(values)
        key = (row.card, row.folder)
        if key in lines:
            wrong.append(f"the folder has a row already: {lines[key]}")
        lines[key] = reader.line_num
        problems += [f"row {reader.line_num}: {problem}" for problem in wrong]
        rows.append(row)
    problems += _disagreements(rows)
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise DataError("; ".join(problems[:MAX_LISTED]) + more, where=path, mend="correct these rows")
    return rows


def _sheet(path: Path) -> tuple[str, str]:
    """The text of a table, and what separates its columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        raise DataError(
            f"the table of deployments cannot be read ({reason})", where=path, mend="save it as CSV UTF-8"
        ) from error
    head = text.partition("\n")[0]
    # Excel separates by semicolons where the comma is the decimal sign
    return text, ";" if head.count(";") > head.count(",") else ","


def _parse(values: Mapping[str, str]) -> tuple[Deployment, list[str]]:
    """A row, and what is wrong with it."""
    problems: list[str] = []

    def parsed(name: str, parse: Callable[[str], T]) -> T | None:
        text = values.get(name, "")
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None

    if not values["deploymentID"]:
        problems.append("deploymentID is empty")
    row = Deployment(
        deployment_id=values["deploymentID"],
        card=values.get("card") or None,
        folder=values.get("folder", "").replace("\\", "/").strip("/").removeprefix("./"),
        location_name=values.get("locationName") or None,
        latitude=parsed("latitude", _degrees(90)),
        longitude=parsed("longitude", _degrees(180)),
        zone=parsed("timeZone", parse_zone),
        time_zone=values.get("timeZone") or None,
        kind=(values.get("kind") or "").lower() or None,
        clock_shift=parsed("clockShift", parse_clock_shift) or (),
        video_clock_shift=parsed("videoClockShift", parse_clock_shift) or (),
        start=parsed("deploymentStart", parse_time),
        end=parsed("deploymentEnd", parse_time),
        camera_model=values.get("cameraModel") or None,
        prior=values.get("prior") or None,
        details=tuple((name, values[name]) for name in DETAILS if values.get(name)),
    )
    if (row.latitude is None) != (row.longitude is None) and not problems:
        problems.append("latitude and longitude come together")
    if row.start and row.end and row.end < row.start:
        problems.append("deploymentEnd is before deploymentStart")
    return row, problems


def _degrees(limit: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise ValueError(f"'{text}' is not a number of degrees such as 31.25") from None
        if not -limit <= value <= limit:
            raise ValueError(f"{text} is not in -{limit:g} to {limit:g} degrees")
        return value

    return parse


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
