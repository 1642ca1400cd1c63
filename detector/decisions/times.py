"""Deployment, corrected time and UTC offset of every media item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.base.times import Period, implausible
from detector.decisions.facts_table import FactsTable
from detector.deployments.clock_checks import clock_problems
from detector.deployments.clocks import Offsets, correct, utc_offsets
from detector.deployments.matching import match_deployments
from detector.deployments.table import Deployment


@dataclass(frozen=True)
class ClockProblem:
    """What is odd about a deployment's clock."""

    deployment_id: str
    problem: str


@dataclass(frozen=True, eq=False)
class Placed:
    """Where and when media items (M) were taken.

    Attributes:
        rows: The table's rows, and those told from folders.
        row: int64 (M,), index into `rows`.
        ids: Deployments (D) that have media, sorted.
        deployment: int64 (M,), index into `ids`.
        timestamp: datetime64[ms] (M,), local and corrected; NaT: unknown.
        offset_min: int32 (M,), of UTC.
        has_offset: bool (M,).
        refused: Of items whose time cannot be, why; they have none.
        problems: Of clocks, by deployment.
    """

    rows: Sequence[Deployment]
    row: NDArray[np.int64]
    ids: Sequence[str]
    deployment: NDArray[np.int64]
    timestamp: NDArray[np.datetime64]
    offset_min: NDArray[np.int32]
    has_offset: NDArray[np.bool_]
    refused: Mapping[int, str] = field(default_factory=dict)
    problems: Sequence[ClockProblem] = ()

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool (M,): whether the time is known."""
        return ~np.isnat(self.timestamp)

    @property
    def moments_ms(self) -> NDArray[np.int64]:
        """int64 (M,): UTC in milliseconds, local time where no zone is known; 0 where no time is."""
        local = np.where(self.known, self.timestamp, np.datetime64(0, "ms")).astype(np.int64)
        return local - np.where(self.known, self.offset_min.astype(np.int64) * 60_000, 0)

    def row_of(self, deployment: int) -> Deployment:
        """The first row of a deployment."""
        name = self.ids[deployment]
        return next(row for row in self.rows if row.deployment_id == name)

    def by_deployment(self) -> list[NDArray[np.int64]]:
        """Rows of the media items of each deployment."""
        order = np.argsort(self.deployment, kind="stable")
        return np.split(order, np.searchsorted(self.deployment[order], np.arange(1, len(self.ids))))


def place_media(facts: FactsTable, table: Sequence[Deployment], camera_from: str | None, now: datetime) -> Placed:
    """Find the deployment of each item, correct its time, and look at each clock.

    Args:
        facts: Of the store.
        table: See `match_deployments`.
        camera_from: See there.
        now: Local time of today.
    """
    row_of_folder, rows = match_deployments(facts.folders, table, camera_from)
    row = np.array(row_of_folder, np.int64)[facts.folder] if len(facts.folder) else np.zeros(0, np.int64)
    used = np.unique(row).tolist()
    ids = sorted({rows[each].deployment_id for each in used})
    number = {name: index for index, name in enumerate(ids)}
    of_row = np.array([number.get(each.deployment_id, -1) for each in rows], np.int64)

    captured = facts.captured_at
    timestamp = captured.copy()
    believable = Period.until(now)
    refused: dict[int, str] = {}
    is_video = facts.is_video
    minutes = np.zeros(len(row), np.int32)
    odd = np.zeros((2, len(row)), bool)
    order = np.argsort(row, kind="stable")
    for items in np.split(order, np.flatnonzero(np.diff(row[order])) + 1):
        if not len(items):
            continue
        place = rows[row[items[0]]]
        timestamp[items] = correct(timestamp[items], place.clock_shift)
        if place.video_clock_shift:
            videos = items[is_video[items]]
            timestamp[videos] = correct(captured[videos], place.video_clock_shift)
        possible = believable.including(place.start, place.end)
        for item in items[~np.isnat(captured[items]) & ~possible.holds(timestamp[items])].tolist():
            refused[item] = implausible(captured[item], timestamp[item], possible)
            timestamp[item] = np.datetime64("NaT")
        if place.zone is not None:
            offsets = utc_offsets(timestamp[items], place.zone)
            minutes[items] = offsets.minutes
            odd[:, items] = offsets.ambiguous, offsets.missing
    zoned = np.array([each.zone is not None for each in rows], bool)
    has_offset = zoned[row] & ~np.isnat(timestamp) if len(row) else np.zeros(0, bool)
    placed = Placed(rows, row, ids, of_row[row], timestamp, minutes, has_offset, refused)
    problems = [
        ClockProblem(ids[index], problem)
        for index, items in enumerate(placed.by_deployment() if ids else [])
        for problem in clock_problems(
            timestamp[items],
            is_video[items],
            Offsets(minutes[items], odd[0, items], odd[1, items]) if has_offset[items].any() else None,
            now,
            [refused[item] for item in items.tolist() if item in refused] if refused else (),
        )
    ]
    return Placed(rows, row, ids, of_row[row], timestamp, minutes, has_offset, refused, problems)
