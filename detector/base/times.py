"""Adding to times without leaving the calendar.

A camera's clock can show any time, and a container's header claim any duration: what cannot be is no time, and no sum
of times is beyond the years 1 to 9999, so that one absurd value never stops the rest.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

Times = NDArray[np.datetime64]

EARLIEST = datetime(1970, 1, 1)  # the first second of most clocks; nothing that takes digital pictures is older
LONGEST_S = 366 * 86_400.0  # of one video: what claims more, claims nonsense
_CALENDAR = np.datetime64(datetime.min, "ms"), np.datetime64(datetime.max, "ms")


def time_of_disk(seconds: float) -> datetime | None:
    """A disk's time, seconds since 1970 in UTC, as this computer's clock shows it: what FAT cards hold, which know no
    zone; None where that is no time."""
    try:
        return datetime.fromtimestamp(seconds).replace(microsecond=0)
    except (OverflowError, ValueError, OSError):
        return None


def safe_add(moment: datetime | None, seconds: float) -> datetime | None:
    """A time so many seconds later; None where that is no time of the calendar, or seconds are no number."""
    if moment is None:
        return None
    try:
        return moment + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def add_ms(times: Times, milliseconds: ArrayLike) -> Times:
    """Times datetime64[ms] (N,) and int64 milliseconds later; NaT where that is no time of the calendar."""
    first, last = _CALENDAR
    shift = np.asarray(milliseconds, np.int64)
    widest = int((last - first).astype(np.int64))
    inside = np.abs(np.clip(shift, -widest - 1, widest + 1)) <= widest  # or the sum would wrap around
    later = times + np.where(inside, shift, 0).astype("timedelta64[ms]")
    return np.where(inside & (later >= first) & (later <= last), later, np.datetime64("NaT", "ms"))


def seconds_that_can_be(seconds: ArrayLike) -> NDArray[np.float64]:
    """Seconds from a video's start, float64 (N,); 0 where they cannot be: negative, no number, over a year."""
    values = np.asarray(seconds, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((values > 0) & (values <= LONGEST_S), values, 0.0)
