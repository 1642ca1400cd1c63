"""Deployment, corrected time and UTC offset of every media item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.base.times import Times, add_ms
from detector.deployments.captures import Captures, WrittenTimes, written_times
from detector.deployments.clock_checks import clock_problems
from detector.deployments.clocks import Offsets, utc_offsets
from detector.deployments.matching import Matching
from detector.deployments.periods import Period, implausible
from detector.deployments.table import Deployment
from detector.deployments.visits import Visit, choose_rows, corrected, find_outside, make_visit, period_problems

ItemsByRow = Sequence[tuple[int, NDArray[np.int64]]]  # each row that has items, and their indices


@dataclass(frozen=True)
class ClockProblem:
    """What is odd about a deployment's clock."""

    deployment_id: str
    problem: str


@dataclass(frozen=True, eq=False)
class Placement:
    """Where and when media items (M) were taken.

    Attributes:
        rows: The table's rows, and those made of folders.
        row: int64 (M,), index into `rows`.
        ids: Deployments (D) that have media, sorted.
        deployment: int64 (M,), index into `ids`.
        timestamp: datetime64[ms] (M,), local and corrected; NaT: unknown.
        offset_min: int32 (M,), of UTC.
        has_offset: bool (M,).
        by_disk: bool (M,), whose time is that of the file, as nothing else is known.
        outside: bool (M,), outside the period that the table states, and left out for that.
        visits: Of rows that have media, by index.
        visit_ids: Of `rows`.
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
    by_disk: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    visits: Mapping[int, Visit]
    visit_ids: Sequence[str]
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

    def visits_of(self, deployment: int) -> list[Visit]:
        """The visits of a deployment that have media, by row."""
        return [
            each for _, each in sorted(self.visits.items()) if self.rows[each.row].deployment_id == self.ids[deployment]
        ]

    def by_deployment(self) -> list[NDArray[np.int64]]:
        """Rows of the media items of each deployment."""
        order = np.argsort(self.deployment, kind="stable")
        return np.split(order, np.searchsorted(self.deployment[order], np.arange(1, len(self.ids))))


def place_media(
    captures: Captures, matching: Matching, now: datetime, *, disk_times: bool, count_outside: bool
) -> Placement:
    """Find the deployment of each media item, correct its time, and check each clock.

    Args:
        captures: Of the items.
        matching: The deployments of their folders.
        now: Local time of today.
        disk_times: Whether files without a time get that of their last change.
        count_outside: Whether files outside the periods that the table states count.
    """
    rows, is_video = matching.rows, captures.is_video
    written = written_times(captures, disk_times)
    row = _rows(captures, written.times, matching)
    by_row = list(_by_row(row))
    ids = sorted({rows[index].deployment_id for index in np.unique(row).tolist()})
    number = {name: index for index, name in enumerate(ids)}
    of_row = np.array([number.get(each.deployment_id, -1) for each in rows], np.int64)
    timestamp, refused = _right_times(written, is_video, by_row, rows, now)
    offsets = _offsets(timestamp, by_row, rows)
    outside, stated = np.zeros(len(row), bool), np.zeros(len(row), bool)
    visits: dict[int, Visit] = {}
    problems: list[ClockProblem] = []
    for index, items in by_row:
        place, times = rows[index], timestamp[items]
        beyond = find_outside(times, place)
        outside[items] = beyond & (not count_outside)
        stated[items] = ~beyond & (place.start is not None or place.end is not None)
        counts = ~outside[items]
        ends = add_ms(times, captures.length_ms[items])
        visits[index] = make_visit(index, place, times[counts], ends[counts], is_video[items][counts])
        problems += [ClockProblem(place.deployment_id, text) for text in period_problems(times, place, count_outside)]
    zoned = np.array([each.zone is not None for each in rows], bool)
    placement = Placement(
        rows=rows,
        row=row,
        ids=ids,
        deployment=of_row[row],
        timestamp=timestamp,
        offset_min=offsets.minutes,
        has_offset=zoned[row] & ~np.isnat(timestamp) if len(row) else np.zeros(0, bool),
        by_disk=written.by_disk,
        outside=outside,
        visits=visits,
        visit_ids=matching.visit_ids,
        refused=refused,
    )
    problems += _clock_problems(placement, is_video, offsets, stated, now)
    return replace(placement, problems=sorted(problems, key=lambda each: each.deployment_id))


def _by_row(row: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each row that has items, and their indices."""
    order = np.argsort(row, kind="stable")
    for items in np.split(order, np.flatnonzero(np.diff(row[order])) + 1):
        if len(items):
            yield int(row[items[0]]), items


def _right_times(
    written: WrittenTimes,
    is_video: NDArray[np.bool_],
    by_row: ItemsByRow,
    rows: Sequence[Deployment],
    now: datetime,
) -> tuple[Times, dict[int, str]]:
    """Times by a right clock, datetime64[ms] (M,), NaT where they cannot be, and why not, by item."""
    timestamp, refused = written.times.copy(), dict(written.refused)
    for index, items in by_row:
        place, captured = rows[index], written.times[items]
        times = corrected(captured, is_video[items], place)
        possible = Period.until(now).including(place.start, place.end)
        impossible = ~np.isnat(captured) & ~possible.holds(times)
        for at in np.flatnonzero(impossible):
            refused[int(items[at])] = implausible(captured[at], times[at], possible)
        timestamp[items] = np.where(impossible, np.datetime64("NaT"), times)
    return timestamp, refused


def _offsets(timestamp: Times, by_row: ItemsByRow, rows: Sequence[Deployment]) -> Offsets:
    count = len(timestamp)
    offsets = Offsets(np.zeros(count, np.int32), np.zeros(count, bool), np.zeros(count, bool))
    for index, items in by_row:
        if (zone := rows[index].zone) is not None:
            for name, values in vars(utc_offsets(timestamp[items], zone)).items():
                getattr(offsets, name)[items] = values
    return offsets


def _clock_problems(
    placement: Placement, is_video: NDArray[np.bool_], offsets: Offsets, stated: NDArray[np.bool_], now: datetime
) -> Iterator[ClockProblem]:
    """What is odd about the clocks of deployments; `stated` are items in a period that a person stated."""
    for name, items in zip(placement.ids, placement.by_deployment() if placement.ids else [], strict=True):
        zoned = placement.has_offset[items].any()
        known = Offsets(*(values[items] for values in vars(offsets).values())) if zoned else None
        why = [placement.refused[item] for item in items.tolist() if item in placement.refused]
        for problem in clock_problems(placement.timestamp[items], is_video[items], known, now, why, stated[items]):
            yield ClockProblem(name, problem)


def _rows(captures: Captures, captured: Times, matching: Matching) -> NDArray[np.int64]:
    """Of each item the row, int64 (M,)."""
    candidates = [matching.of_folder[folder] for folder in captures.folders]
    if not candidates:
        return np.zeros(0, np.int64)
    row = np.array([rows[0] for rows in candidates], np.int64)[captures.folder]
    for code, indices in enumerate(candidates):
        if len(indices) > 1:
            items = np.flatnonzero(captures.folder == code)
            rows = [matching.rows[index] for index in indices]
            times = [corrected(captured[items], captures.is_video[items], each) for each in rows]
            row[items] = np.array(indices)[choose_rows(times, rows)]
    return row
