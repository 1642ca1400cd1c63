"""What is odd about a camera's clock, in words: for a person to look at and to mend in the table of deployments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.base.times import Times
from detector.deployments.clocks import Offsets
from detector.deployments.running_numbers import RUNNING_NUMBER

FACTORY_YEARS = (1970, 1980, *range(2000, 2031))  # clocks without power begin at the first of January of one of these
FACTORY_DAYS = 3  # so long after it a time still counts as one of a clock that was reset
FAR_DAYS = 60  # from the camera's other pictures
SAME_TRIGGER_S = 60  # a photo and a video of one trigger are not further apart
FEWEST_PAIRS = 3
ZONE_HOURS = 14  # offsets from UTC reach so far


def clock_problems(
    times: Times,
    is_video: NDArray[np.bool_],
    offsets: Offsets | None,
    now: datetime,
    refused: Sequence[str] = (),
    stated: NDArray[np.bool_] | None = None,
) -> Iterator[str]:
    """Sentences about one deployment's clock.

    Args:
        times: datetime64[ms] (N,), local, after the correction; NaT: unknown.
        is_video: bool (N,).
        offsets: Of the times; None where no zone is known.
        now: Local time of today.
        refused: Why those count as unknown whose time cannot be.
        stated: bool (N,), times in a period that a person stated: they are right. None: none.
    """
    impossible = [reason for reason in refused if reason != RUNNING_NUMBER]
    if impossible:
        yield f"{len(impossible)} files have a time that cannot be; set its clockShift. One of them: {impossible[0]}"
    if numbers := len(refused) - len(impossible):
        yield f"{numbers} files have no time but a running number behind the date in their names"
    known = times[~np.isnat(times)]
    if not len(known):
        return
    doubted = np.ones(len(times), bool) if stated is None else ~stated
    if reset := int((_resets(known) & doubted[~np.isnat(times)]).sum()):
        yield (
            f"{reset} files are dated to the first days of a year, as by a clock that fell back to its factory's date; "
            "set its clockShift"
        )
    future = int((known > np.datetime64(now, "ms") + np.timedelta64(1, "D")).sum())
    if future:
        yield f"{future} files are dated in the future; set its clockShift"
    if hours := video_shift_hours(times, is_video):
        yield (
            f"its videos are dated {hours:+d} hours from its photos: they are probably in UTC; "
            "set videoClockShift, such as 2024-05-01 03:00=2024-05-01 06:00"
        )
    if offsets is not None and offsets.missing.any():
        yield (
            f"{int(offsets.missing.sum())} files are dated to an hour that clocks skip in spring: "
            "its clock is not set to summer time; give its timeZone as a fixed offset"
        )
    if offsets is not None and offsets.ambiguous.any():
        yield (
            f"{int(offsets.ambiguous.sum())} files are dated to the hour that occurs twice in autumn; "
            "the first is taken"
        )


def _resets(known: Times) -> NDArray[np.bool_]:
    """Times in the first days of a year that are far from the middle of all."""
    days = known.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    early = (days - years.astype("datetime64[D]")).astype(int) < FACTORY_DAYS
    early &= np.isin(years.astype(int) + 1970, FACTORY_YEARS)
    middle = np.sort(days)[len(days) // 2]
    far = np.abs((days - middle).astype(int)) > FAR_DAYS
    # a camera whose clock was never set: all its pictures begin within an hour after midnight
    never_set = known.min() - known.min().astype("datetime64[Y]").astype("datetime64[ms]") < np.timedelta64(1, "h")
    return early & (far | never_set)


def video_shift_hours(times: Times, is_video: NDArray[np.bool_]) -> int:
    """Whole hours by which videos are dated after the photos of the same triggers; 0: they agree, or nothing is known.

    At each shift of -14 to 14 hours the videos are counted that have a photo within a minute; the best shift counts if
    it explains three videos at least, half of them, and twice as many as no shift does.
    """
    known = ~np.isnat(times)
    photos = np.sort(times[known & ~is_video])
    videos = times[known & is_video]
    if not len(photos) or len(videos) < FEWEST_PAIRS:
        return 0
    counts = {
        hours: _count_near(photos, videos - np.timedelta64(hours, "h")) for hours in range(-ZONE_HOURS, ZONE_HOURS + 1)
    }
    best = max(counts, key=lambda hours: (counts[hours], -abs(hours)))
    explained = counts[best] >= max(FEWEST_PAIRS, len(videos) / 2)
    return best if explained and counts[best] >= 2 * counts[0] else 0


def _count_near(photos: Times, videos: Times) -> int:
    place = np.searchsorted(photos, videos)
    before = np.abs(videos - photos[np.clip(place - 1, 0, None)])
    after = np.abs(photos[np.clip(place, None, len(photos) - 1)] - videos)
    return int((np.minimum(before, after) <= np.timedelta64(SAME_TRIGGER_S, "s")).sum())
