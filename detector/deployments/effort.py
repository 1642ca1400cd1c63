"""How long each camera watched: days with and without pictures, blanks included.

A camera watches on the days of its visits' periods, each day once, however many visits share it; the days of two
cameras at one place are added: they are camera-days. Days in a row without any file are a gap if they are too many to
be chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from detector.deployments.visits import Visit
from detector.store.records import Gap

Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class Watch:
    """Days of the cameras of one deployment; see `schema.EFFORT`."""

    start: datetime | None
    end: datetime | None
    days: int
    active_days: int
    days_with_files: int
    gaps: tuple[Gap, ...]


def watch(visits: Sequence[Visit], gap_days: int) -> Watch:
    """How long the cameras of a deployment watched.

    Args:
        visits: Of the deployment; one whose start or end is not known adds no days.
        gap_days: Days in a row without any file, blanks included, that are a gap; fewer are quiet days.
    """
    periods = [visit for visit in visits if visit.start is not None and visit.end is not None]
    active, total, with_files = [], 0, 0
    for _, own in groupby(sorted(periods, key=_camera), key=_camera):
        mine = list(own)
        days = _days(mine)
        seen = np.intersect1d(_union([visit.days for visit in mine]), days)
        working = days[~_in_gap(days, seen, gap_days)]
        active.append(working)
        total += len(days)
        with_files += len(seen)
    starts = [visit.start for visit in periods or visits if visit.start is not None]
    ends = [visit.end for visit in periods or visits if visit.end is not None]
    start, end = min(starts, default=None), max(ends, default=None)
    if not periods:
        return Watch(start, end, 0, 0, 0, ())
    idle = np.setdiff1d(_range(start, end), _union(active))
    gaps = tuple(Gap(run[0].item(), run[-1].item()) for run in _runs(idle))
    return Watch(start, end, total, sum(map(len, active)), with_files, gaps)


def _camera(visit: Visit) -> str:
    return visit.camera


def _days(visits: Sequence[Visit]) -> Days:
    """Days of periods. Folders that no table lists have one: nothing says that their camera was away between them."""
    spans = [(visit.start, visit.end) for visit in visits if visit.listed]
    if unlisted := [visit for visit in visits if not visit.listed]:
        starts, ends = ([getattr(visit, name) for visit in unlisted] for name in ("start", "end"))
        spans.append((min(starts), max(ends)))
    return _union([_range(*span) for span in spans])


def _range(start: datetime | None, end: datetime | None) -> Days:
    """Days from the first to the last, both counted."""
    return np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)


def _union(days: Sequence[Days]) -> Days:
    return np.unique(np.concatenate(days))


def _runs(days: Days) -> list[Days]:
    """Rising days, split where one is left out."""
    return [run for run in np.split(days, np.flatnonzero(np.diff(days).astype(int) > 1) + 1) if len(run)]


def _in_gap(days: Days, seen: Days, gap_days: int) -> NDArray[np.bool_]:
    """bool (N,): which days stand in a row of so many without a file."""
    without = days[~np.isin(days, seen)]
    long = [run for run in _runs(without) if len(run) >= gap_days]
    return np.isin(days, np.concatenate(long)) if long else np.zeros(len(days), bool)
