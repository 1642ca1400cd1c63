"""What exports and pages read of cameras: deployments, and when they worked, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from detector.store import schema


@dataclass(frozen=True)
class Gap:
    """Days without a file, both included."""

    first: date
    last: date


@dataclass(frozen=True)
class EffortRecord:
    """A row of `schema.EFFORT`; see there for units."""

    deployment_id: str
    start: datetime | None
    end: datetime | None
    active_days: int
    gaps: tuple[Gap, ...]
    media: int
    blanks: int


@dataclass(frozen=True)
class DeploymentRecord:
    """A row of `schema.DEPLOYMENTS`.

    Attributes:
        deployment_id: Its deploymentID.
        columns: All its columns under Camtrap DP's names, in Camtrap DP's order; None where unknown.
    """

    deployment_id: str
    columns: dict[str, str | int | float | bool | None]

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees; None where either is unknown."""
        latitude, longitude = self.columns["latitude"], self.columns["longitude"]
        if latitude is None or longitude is None:
            return None
        return float(latitude), float(longitude)


def read_deployments(folder: Path) -> Iterator[DeploymentRecord]:
    """The deployments of a store; none before the first `decide`."""
    for row in _rows(folder / "decisions" / "deployments.parquet"):
        columns = {name: row.get(name) for name in schema.DEPLOYMENTS.names}
        yield DeploymentRecord(str(columns["deploymentID"]), columns)


def read_effort(folder: Path) -> Iterator[EffortRecord]:
    """When the cameras of a store worked; nothing before the first `decide`."""
    for row in _rows(folder / "decisions" / "effort.parquet"):
        row["gaps"] = tuple(Gap(gap["first"], gap["last"]) for gap in row["gaps"])
        yield EffortRecord(**row)


def _rows(path: Path) -> Iterator[dict]:
    if not path.exists():
        return
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches():
            yield from batch.to_pylist()
