"""events.csv and effort.csv: tables that the R package camtrapR takes as they are.

    records <- read.csv("events.csv"); cameras <- read.csv("effort.csv")
    operation <- cameraOperation(cameras, setupCol = "Setup_date", retrievalCol = "Retrieval_date",
                                 hasProblems = TRUE, dateFormat = "ymd HMS")
    detectionHistory(records, camOp = operation, species = "Oenanthe lugens", timeZone = "Etc/GMT-2", ...)

events.csv has the columns of camtrapR's record table: a row an independent event, with the start of the event as its
DateTimeOriginal, in the camera's local time, and the time since the last record of the species at the station in
delta.time.*. `n` is the most individuals at once in one frame (MaxN). What has no name is called by its kind: bird,
animal, person, vehicle, uncertain (an animal, maybe a bird), undecided; `Rank` tells species from genera.

A station is a deployment of the table: cameras and visits of one deploymentID are one station, whose records depend on
each other (camerasIndependent = FALSE). Give cameras whose records should not depend on each other deploymentIDs of
their own, and one locationID.

effort.csv has the columns of camtrapR's camera-trap table: a row a station, with the days between setup and retrieval
on which none of its cameras watched, between visits or while nothing was taken, as ProblemN_from and ProblemN_to. Days
and Active_days are camera-days: days of the visits' periods, each once a camera (cameraID), added over cameras.
camtrapR knows nine problems; of more, the longest nine are given, and Further_gap_days says how many days are left.
Without any, set hasProblems = FALSE. Stations whose period is not known are left out, for camtrapR stops at them. Both
tables are UTF-8 without a byte order mark, which R would take for a part of the first column's name.

Sources: camtrapR 2.3, recordTable, cameraOperation, camtraps.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path

from detector.base.times import safe_add
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import Cell, rounded, with_offset, write_csv_table
from detector.store.records import EffortRecord, EventRecord, Gap

EVENT_COLUMNS = (
    "Station", "Species", "DateTimeOriginal", "Date", "Time",
    "delta.time.secs", "delta.time.mins", "delta.time.hours", "delta.time.days",
    "n", "End", "Timestamp", "Display_name", "Kind", "Rank", "Confidence", "n_detections", "n_files", "Event",
)  # fmt: skip

EFFORT_COLUMNS = (
    "Station", "Latitude", "Longitude", "Setup_date", "Retrieval_date", "Days", "Active_days", "Days_with_files",
    "Files", "Photos", "Videos", "Blank_files", "Failed_files", "Files_without_time", "Files_outside_period",
    "Files_passed_over", "Further_gap_days",
)  # fmt: skip
MOST_GAPS = 9  # camtrapR finds its columns by one digit


def write_events(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write events.csv and effort.csv."""
    return [
        write_csv_table(folder / "events.csv", EVENT_COLUMNS, _event_rows(source.events()), bom=False),
        _write_effort(source, folder / "effort.csv", options),
    ]


def _event_rows(events: Iterator[EventRecord]) -> Iterator[tuple[Cell, ...]]:
    station: str | None = None
    last_seen: dict[str, datetime] = {}
    for event in events:
        if event.deployment_id != station:
            station, last_seen = event.deployment_id, {}
        species = event.name or event.kind
        since = max((event.began - last_seen.get(species, event.began)).total_seconds(), 0.0)
        last_seen[species] = max(event.ended, last_seen.get(species, event.ended))
        yield (
            event.deployment_id,
            species,
            event.start.replace(microsecond=0),
            event.start.date(),
            event.start.time().replace(microsecond=0),
            round(since),
            round(since / 60, 1),
            round(since / 3600, 1),
            round(since / 86400, 1),
            event.count,
            event.end.replace(microsecond=0),
            with_offset(event.start, event.utc_offset_min),
            event.display_name,
            event.kind,
            event.rank,
            rounded(event.confidence, 4),
            event.detections,
            event.media,
            event.event_id,
        )


def _write_effort(source: ExportSource, path: Path, options: ExportOptions) -> Path:
    # one row a deployment: few, and the number of columns is known only after the last
    rows = [row for row in source.effort() if row.start is not None and row.end is not None]
    left_out = sum(1 for _ in source.effort()) - len(rows)
    if left_out:
        options.notify(f"effort.csv leaves out {left_out} deployment(s) without a period, or a file with a time in it")
    places = {record.deployment_id: (record.latitude, record.longitude) for record in source.deployments()}
    gaps = min(max((len(row.gaps) for row in rows), default=0), MOST_GAPS)
    problems = [f"Problem{number}_{end}" for number in range(1, gaps + 1) for end in ("from", "to")]
    cells = (_effort_row(row, places.get(row.deployment_id, (None, None)), gaps) for row in rows)
    return write_csv_table(path, [*EFFORT_COLUMNS, *problems], cells, bom=False)


def _effort_row(row: EffortRecord, place: tuple[float | None, float | None], gaps: int) -> tuple[Cell, ...]:
    longest = sorted(row.gaps, key=_days, reverse=True)
    listed = sorted(longest[:MOST_GAPS], key=lambda gap: gap.start)
    problems = [moment for gap in listed for moment in _period(gap, row)]
    return (
        row.deployment_id,
        *place,
        row.start,
        _retrieval(row),
        row.days,
        row.active_days,
        row.days_with_files,
        row.media,
        row.photos,
        row.videos,
        row.blank,
        row.failed,
        row.without_time,
        row.outside,
        row.passed_over,
        sum(_days(gap) for gap in longest[MOST_GAPS:]),
        *problems,
        *[None] * (2 * (gaps - len(listed))),
    )


def _days(gap: Gap) -> int:
    return (gap.end - gap.start).days + 1


def _period(gap: Gap, row: EffortRecord) -> tuple[Cell, Cell]:
    """From midnight to midnight, within the time between setup and retrieval: camtrapR stops at others."""
    first, last = datetime.combine(gap.start, time()), datetime.combine(gap.end, time())
    last = safe_add(last, 86_400) or last
    return max(first, row.start or first), min(last, row.end or last)


def _retrieval(row: EffortRecord) -> datetime | None:
    """The end; a second later where it is the start, for camtrapR stops at stations without any duration."""
    if row.start is not None and row.end == row.start:
        return safe_add(row.start, 1) or row.start
    return row.end
