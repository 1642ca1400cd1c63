"""How long each camera watched: days with and without pictures, blanks included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.store.records import Gap


@dataclass(frozen=True)
class Watch:
    """Days of one camera; see `schema.EFFORT`."""

    start: datetime | None
    end: datetime | None
    days: int
    active_days: int
    days_with_files: int
    gaps: tuple[Gap, ...]


def watch(times: NDArray[np.datetime64], start: datetime | None, end: datetime | None, gap_days: int) -> Watch:
    """Tell how long a camera watched.

    Days in a row without any file, blanks included, are a gap if they are `gap_days` or more; fewer are quiet days on
    which it watched.

    Args:
        times: datetime64[ms] (N,), local, of its files; NaT: unknown.
        start: When it was set up, by the table of deployments; None: with the first file.
        end: When it was taken down; None: with the last file.
        gap_days: See above.
    """
    known = np.sort(times[~np.isnat(times)])
    first = start or (known[0].item() if len(known) else None)
    last = end or (known[-1].item() if len(known) else None)
    if first is None or last is None:
        return Watch(first, last, 0, 0, 0, ())
    days = np.unique(known.astype("datetime64[D]"))
    within = days[(days >= np.datetime64(first, "D")) & (days <= np.datetime64(last, "D"))]
    gaps = tuple(_gaps([day.item() for day in within], first.date(), last.date(), gap_days))
    total = (last.date() - first.date()).days + 1
    lost = sum((gap.end - gap.start).days + 1 for gap in gaps)
    return Watch(first, last, total, total - lost, len(within), gaps)


def _gaps(days: list[date], first: date, last: date, gap_days: int) -> Iterator[Gap]:
    edges = [first.toordinal() - 1, *(day.toordinal() for day in days), last.toordinal() + 1]
    for before, after in pairwise(edges):
        if after - before - 1 >= gap_days:
            yield Gap(date.fromordinal(before + 1), date.fromordinal(after - 1))
