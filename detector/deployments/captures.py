"""What media files say about when and where they were taken, before any clock is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detector.base.times import Times, add_ms
from detector.deployments.matching import Folder
from detector.deployments.running_numbers import RUNNING_NUMBER, running_numbers


@dataclass(frozen=True, eq=False)
class Captures:
    """Columns of M media items.

    Attributes:
        path: string (M,), under the card's root.
        folder: int (M,), index into `folders`.
        folders: (card, folder under its root).
        is_video: bool (M,).
        captured_at: datetime64[ms] (M,), as the camera wrote it; NaT: unknown.
        from_name: bool (M,), whether that stands in the file's name only.
        modified_at: datetime64[ms] (M,), when the files were last changed; NaT: unknown.
        duration_s: float64 (M,), as videos' files say; 0 where they do not, and of photos.
        length_ms: int64 (M,), the same, or to the last sampled frame, whichever is longer.
    """

    path: pa.ChunkedArray
    folder: NDArray[np.int32]
    folders: Sequence[Folder]
    is_video: NDArray[np.bool_]
    captured_at: Times
    from_name: NDArray[np.bool_]
    modified_at: Times
    duration_s: NDArray[np.float64]
    length_ms: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WrittenTimes:
    """Times of M media items before any correction.

    Attributes:
        times: datetime64[ms] (M,), NaT: unknown.
        by_disk: bool (M,), whose time is that of the file, as nothing else is known.
        refused: Why a time in a file's name is none, by item.
    """

    times: Times
    by_disk: NDArray[np.bool_]
    refused: dict[int, str]


def written_times(captures: Captures, use_disk: bool) -> WrittenTimes:
    """The time of each item as its file gives it.

    Args:
        captures: Of the items.
        use_disk: Whether files without a time get that of their last change.
    """
    times = captures.captured_at.copy()
    named = captures.from_name
    rows = np.flatnonzero(named | np.isnat(times)) if named.any() else np.zeros(0, np.int64)
    numbers = rows[running_numbers(captures.path.take(pa.array(rows)).to_pylist())]
    times[numbers] = np.datetime64("NaT")
    refused = dict.fromkeys(numbers[named[numbers]].tolist(), RUNNING_NUMBER)
    if not use_disk:
        return WrittenTimes(times, np.zeros(len(times), bool), refused)
    # a video's file is closed when it ends, and its time is that of its start
    by_disk = np.isnat(times)
    times[by_disk] = add_ms(captures.modified_at, -captures.duration_s * 1000)[by_disk]
    return WrittenTimes(times, by_disk & ~np.isnat(times), refused)
