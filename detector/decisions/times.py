"""Deployment, corrected time and UTC offset of every media item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.base.times import Period, Times, add_ms, implausible
from detector.decisions.facts_table import FactsTable
from detector.decisions.options import COUNT, DecideOptions
from detector.deployments.clock_checks import clock_problems
from detector.deployments.clocks import Offsets, utc_offsets
from detector.deployments.matching import Matching
from detector.deployments.running_numbers import RUNNING_NUMBER, running_numbers
from detector.deployments.table import Deployment
from detector.deployments.visits import Visit, choose_rows, corrected, find_outside, make_visit, period_problems


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


def place_media(facts: FactsTable, matching: Matching, now: datetime, options: DecideOptions) -> Placed:
    """Find the deployment of each item, correct its time, and look at each clock.

    Args:
        facts: Of the store.
        matching: The deployments of its folders.
        now: Local time of today.
        options: What becomes of files without a time, and of those outside the periods that the table states.
    """
    rows, is_video = matching.rows, facts.is_video
    captured, by_disk, refused = _written(facts, options.time_from)
    row = _rows(facts, captured, matching)
    ids = sorted({rows[index].deployment_id for index in np.unique(row).tolist()})
    number = {name: index for index, name in enumerate(ids)}
    of_row = np.array([number.get(each.deployment_id, -1) for each in rows], np.int64)
    timestamp = captured.copy()
    offsets = Offsets(np.zeros(len(row), np.int32), np.zeros(len(row), bool), np.zeros(len(row), bool))
    outside, stated = np.zeros(len(row), bool), np.zeros(len(row), bool)
    count_outside = options.outside_period == COUNT
    lengths = _lengths_ms(facts)
    visits: dict[int, Visit] = {}
    problems: list[ClockProblem] = []
    for items in _alike(row):
        index = int(row[items[0]])
        place = rows[index]
        timestamp[items] = times = corrected(captured[items], is_video[items], place)
        possible = Period.until(now).including(place.start, place.end)
        for item in items[~np.isnat(captured[items]) & ~possible.holds(times)].tolist():
            refused[item] = implausible(captured[item], timestamp[item], possible)
            timestamp[item] = np.datetime64("NaT")
        times = timestamp[items]
        beyond = find_outside(times, place)
        outside[items] = beyond & (not count_outside)
        stated[items] = ~beyond & (place.start is not None or place.end is not None)
        counts = ~outside[items]
        ends = add_ms(times, lengths[items])
        visits[index] = make_visit(index, place, times[counts], ends[counts], is_video[items][counts])
        problems += [ClockProblem(place.deployment_id, text) for text in period_problems(times, place, count_outside)]
        if place.zone is not None:
            found = utc_offsets(times, place.zone)
            for name, values in vars(found).items():
                getattr(offsets, name)[items] = values
    zoned = np.array([each.zone is not None for each in rows], bool)
    has_offset = zoned[row] & ~np.isnat(timestamp) if len(row) else np.zeros(0, bool)
    placed = Placed(
        rows, row, ids, of_row[row], timestamp, offsets.minutes, has_offset, by_disk, outside, visits,
        matching.visit_ids, refused, [],
    )  # fmt: skip
    problems += _clock_problems(placed, is_video, offsets, stated, now)
    return replace(placed, problems=sorted(problems, key=lambda each: each.deployment_id))


def _alike(values: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Indices of equal values, by value."""
    order = np.argsort(values, kind="stable")
    return (same for same in np.split(order, np.flatnonzero(np.diff(values[order])) + 1) if len(same))


def _clock_problems(
    placed: Placed, is_video: NDArray[np.bool_], offsets: Offsets, stated: NDArray[np.bool_], now: datetime
) -> Iterator[ClockProblem]:
    """What is odd about the clocks of deployments; `stated` are items in a period that a person stated."""
    for name, items in zip(placed.ids, placed.by_deployment() if placed.ids else [], strict=True):
        known = (
            Offsets(*(values[items] for values in vars(offsets).values())) if placed.has_offset[items].any() else None
        )
        why = [placed.refused[item] for item in items.tolist() if item in placed.refused] if placed.refused else ()
        for problem in clock_problems(placed.timestamp[items], is_video[items], known, now, why, stated[items]):
            yield ClockProblem(name, problem)


def _written(facts: FactsTable, time_from: str) -> tuple[Times, NDArray[np.bool_], dict[int, str]]:
    """Times of items before any correction, which of them are the disk's, and why some of a file's name are none."""
    times = facts.captured_at
    named = pc.equal(pc.fill_null(facts.media["captured_from"].cast(pa.string()), ""), "filename").to_numpy()
    rows = np.flatnonzero(named | np.isnat(times)) if named.any() else np.zeros(0, np.int64)
    numbers = rows[running_numbers(facts.media["path"].take(pa.array(rows)).to_pylist())]
    times[numbers] = np.datetime64("NaT")
    refused = dict.fromkeys(numbers[named[numbers]].tolist(), RUNNING_NUMBER)
    if time_from != "mtime":
        return times, np.zeros(len(times), bool), refused
    # a video's file is closed when it ends, and its time is that of its start
    seconds = np.where(facts.is_video, pc.fill_null(facts.media["duration_s"], 0).to_numpy(), 0)
    by_disk = np.isnat(times)
    times[by_disk] = add_ms(facts.modified_at, -seconds * 1000)[by_disk]
    return times, by_disk & ~np.isnat(times), refused


def _rows(facts: FactsTable, captured: Times, matching: Matching) -> NDArray[np.int64]:
    """Of each item the row, int64 (M,)."""
    candidates = [matching.of_folder[folder] for folder in facts.folders]
    row = np.array([rows[0] for rows in candidates], np.int64)[facts.folder] if candidates else np.zeros(0, np.int64)
    is_video = facts.is_video
    for code, indices in enumerate(candidates):
        if len(indices) > 1:
            items = np.flatnonzero(facts.folder == code)
            rows = [matching.rows[index] for index in indices]
            times = [corrected(captured[items], is_video[items], each) for each in rows]
            row[items] = np.array(indices)[choose_rows(times, rows)]
    return row


def _lengths_ms(facts: FactsTable) -> NDArray[np.int64]:
    """How long items last, (M,): photos not at all, videos as their files say, or to the last frame that was seen."""
    seconds = np.where(facts.is_video, pc.fill_null(facts.media["duration_s"], 0).to_numpy(), 0.0)
    np.maximum.at(seconds, facts.frame_media, facts.time_s)
    return (seconds * 1000).astype(np.int64)
