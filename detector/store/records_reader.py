"""Reading decisions record by record, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backbones.errors import DataError
from detector.store.files import open_parquet
from detector.store.layout import decisions_folder
from detector.store.records import (
    Candidate,
    DeploymentRecord,
    DetectionRecord,
    EffortRecord,
    EventRecord,
    Gap,
    MediaRecord,
    RepeatRecord,
)

_MEND = "run `hoopoe decide` again"
_BATCH_ROWS = 4_096


def read_media(folder: Path) -> Iterator[MediaRecord]:
    """Media items of a decided store with their detections, by card and path.

    Both tables are in the same order, so they are joined as they are read, 4,096 rows of each at a time.

    Raises:
        DataError: The store has no decisions, or a table is damaged or not of the other's run.
    """
    detections = _by_media(_rows(folder, "detections"))
    upcoming = next(detections, None)
    for row in _rows(folder, "media"):
        row["frames"] = tuple(row["frames"] or ())
        found: tuple[DetectionRecord, ...] = ()
        if upcoming is not None and upcoming[0] == row["media_id"]:
            found = upcoming[1]
            upcoming = next(detections, None)
        yield MediaRecord(**row, detections=found)
    if upcoming is not None:
        raise DataError("the tables of media and detections do not fit", where=decisions_folder(folder), mend=_MEND)


def read_events(folder: Path) -> Iterator[EventRecord]:
    """Independent events, by deployment and start.

    Raises:
        DataError: The store has no decisions, or the table is damaged.
    """
    return (EventRecord(**row) for row in _rows(folder, "events"))


def read_repeats(folder: Path) -> Iterator[RepeatRecord]:
    """Suspicious repeats, by deployment and falling number of boxes; raises as `read_events`."""
    return (RepeatRecord(**row) for row in _rows(folder, "repeats"))


def read_effort(folder: Path) -> Iterator[EffortRecord]:
    """How long each camera watched, by deployment; raises as `read_events`."""
    for row in _rows(folder, "effort"):
        yield EffortRecord(**{**row, "gaps": tuple(Gap(**gap) for gap in row["gaps"])})


def read_deployments(folder: Path) -> Iterator[DeploymentRecord]:
    """The deployments of a store's media, by id; raises as `read_events`."""
    for row in _rows(folder, "deployments"):
        yield DeploymentRecord(**{**row, "details": tuple(row["details"] or ())})


def _rows(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    path = decisions_folder(folder) / f"{table}.parquet"
    if not path.exists():
        raise DataError("this store has no decisions yet", where=path, mend=f"run `hoopoe decide {folder}`")
    with open_parquet(path, _MEND) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            columns = [column.to_pylist() for column in batch.columns]
            names = batch.schema.names
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True))


def _by_media(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[str, tuple[DetectionRecord, ...]]]:
    """Neighbouring rows of one media item together."""
    current: str | None = None
    found: list[DetectionRecord] = []
    for row in rows:
        if row["media_id"] != current:
            if current is not None:
                yield current, tuple(found)
            current, found = row["media_id"], []
        row["candidates"] = tuple(Candidate(**candidate) for candidate in row["candidates"] or ())
        row["reasons"] = tuple(row["reasons"] or ())
        found.append(DetectionRecord(**row))
    if current is not None:
        yield current, tuple(found)
