"""Visits: a camera's time at a place, by one row of the table of deployments, and the files outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.base.times import Times
from detector.deployments.clocks import correct
from detector.deployments.table import Deployment

BURST_MS = 5000  # as in `decisions.individuals.sequences`: photos of one trigger
FEWEST_INTERVALS, REGULAR = 12, 0.9  # so many intervals, and such a share of them alike, are a time-lapse
WORTH_A_WORD = 0.1  # of a camera's files outside its period; fewer are only counted
WRONG_MONTHS = (1, -1, 12, -12, 2, -2, 24, -24)  # months by which clocks are often set wrong


@dataclass(frozen=True, eq=False)
class Visit:
    """When one row's camera watched.

    Attributes:
        row: Index of the row.
        camera: Which of the cameras of its deployment it is.
        listed: Whether a table lists it.
        start: Local time; None: unknown.
        end: Of its last file, or as stated, whichever is later; None: unknown.
        days: datetime64[D] (N,), rising: with files.
        capture_method: By which it took its pictures, in Camtrap DP's words; None: unknown.
    """

    row: int
    camera: str
    listed: bool
    start: datetime | None
    end: datetime | None
    days: NDArray[np.datetime64]
    capture_method: str | None = None


def corrected(times: Times, is_video: NDArray[np.bool_], row: Deployment) -> Times:
    """Times datetime64[ms] (N,) as a right clock had shown them, by the row's corrections."""
    right = correct(times, row.clock_shift)
    if row.video_clock_shift:
        right[is_video] = correct(times[is_video], row.video_clock_shift)
    return right


def choose_rows(times: list[Times], rows: list[Deployment]) -> NDArray[np.int64]:
    """The rows of files in a folder that has several, one after the other: each file's is the last that has begun.

    Args:
        times: For each row, datetime64[ms] (N,), the files' times by its clock.
        rows: By their start.

    Returns:
        int64 (N,), indices into `rows`; files without a time are the first row's.
    """
    chosen = np.zeros(len(times[0]), np.int64)
    for index, row in enumerate(rows[1:], 1):
        chosen[times[index] >= np.datetime64(row.start or datetime.min, "ms")] = index
    return chosen


def find_outside(times: Times, row: Deployment) -> NDArray[np.bool_]:
    """bool (N,): whether times lie before the row's start or after its end; unknown ones do not."""
    outside = np.zeros(len(times), bool)
    if row.start is not None:
        outside |= times < np.datetime64(row.start, "ms")
    if row.end is not None:
        outside |= times > np.datetime64(row.end, "ms")
    return outside


def make_visit(index: int, row: Deployment, times: Times, ends: Times, is_video: NDArray[np.bool_]) -> Visit:
    """The visit of a row.

    Args:
        index: Of the row.
        row: The row.
        times: datetime64[ms] (N,), of the files that count, local.
        ends: The same of their ends.
        is_video: bool (N,).
    """
    known = ~np.isnat(times)
    starts = [row.start, times[known].min().item() if known.any() else None]
    stops = [row.end, ends[known].max().item() if known.any() else None]
    return Visit(
        index,
        row.camera,
        row.listed,
        start=min((moment for moment in starts if moment is not None), default=None),
        end=max((moment for moment in stops if moment is not None), default=None),
        days=np.unique(times[known].astype("datetime64[D]")),
        capture_method=dict(row.details).get("captureMethod") or infer_capture_method(times[known & ~is_video]),
    )


def infer_capture_method(times: Times) -> str | None:
    """`timeLapse` where photos, or bursts of them, follow each other at one interval or multiples of it; else None."""
    moments = np.sort(times).astype(np.int64)
    steps = np.diff(moments)
    steps = steps[steps > BURST_MS]
    if len(steps) < FEWEST_INTERVALS:
        return None
    step = float(np.median(steps))
    beside = np.abs(steps / step - np.maximum(np.round(steps / step), 1)) * step
    return "timeLapse" if np.mean(beside <= max(2000.0, 0.01 * step)) >= REGULAR else None


def period_problems(times: Times, row: Deployment, counted: bool) -> Iterator[str]:
    """Sentences about the files outside a row's period; none of a few that are left out, as of setting up a camera.

    Args:
        times: datetime64[ms] (N,), of its files, local.
        row: The row.
        counted: Whether such files count.
    """
    outside = find_outside(times, row)
    known = int((~np.isnat(times)).sum())
    if not outside.any() or (not counted and outside.sum() < WORTH_A_WORD * known):
        return
    sides = []
    if row.start is not None and (early := times < np.datetime64(row.start, "ms")).any():
        sides.append(f"{int(early.sum())} before {row.start:%Y-%m-%d %H:%M}")
    if row.end is not None and (late := times > np.datetime64(row.end, "ms")).any():
        sides.append(f"{int(late.sum())} after {row.end:%Y-%m-%d %H:%M}")
    fate = "they count" if counted else "they are left out"
    yield (
        f"{int(outside.sum())} of {known} files with a time lie outside the period that row {row.line} states "
        f"({', '.join(sides)}): {fate}"
    )
    if outside.sum() == known:
        shift = _likely_shift(times[outside], row)
        first = times[outside].min()
        example = "" if shift is None else f", such as {_written(first)}={_written(first + shift)}"
        yield f"none of its files lies in its period: its clock was probably wrong; set its clockShift{example}"


def _likely_shift(times: Times, row: Deployment) -> np.timedelta64 | None:
    """By how much a clock was wrong, by a usual mistake in setting it, if all files are to lie in the row's period."""
    if row.start is None or row.end is None:
        return None  # whatever is late or early enough would do
    first: datetime = times.min().item()
    for right in _usual_mistakes(first):
        shift = np.datetime64(right, "ms") - np.datetime64(first, "ms")
        if not find_outside(times + shift, row).any():
            return shift
    return None


def _usual_mistakes(shown: datetime) -> Iterator[datetime]:
    """What the time may have been: day and month the other way round, or another month or year."""
    for year, month, day in [
        (shown.year, shown.day, shown.month),
        *(_months_later(shown, months) for months in WRONG_MONTHS),
    ]:
        with suppress(ValueError):  # there is no such day
            yield shown.replace(year=year, month=month, day=day)


def _months_later(shown: datetime, months: int) -> tuple[int, int, int]:
    year, month = divmod(shown.year * 12 + shown.month - 1 + months, 12)
    return year, month + 1, shown.day


def _written(moment: np.datetime64) -> str:
    return f"{moment.item():%Y-%m-%d %H:%M}"
