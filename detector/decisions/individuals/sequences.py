"""Sequences: bursts of photos that one trigger took, and videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BURST_GAP_S = 5.0  # cameras take the photos of one trigger at most this far apart; times are to the second


def find_sequences(
    camera: NDArray[np.integer],
    moments_ms: NDArray[np.int64],
    known: NDArray[np.bool_],
    is_video: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group media items (M), given by card and path, into sequences.

    Photos of a camera whose times are at most 5 s after the one before are one burst; photos of the same time are
    in the order of their paths. A video is a sequence, and so is an item without time.

    Args:
        camera: (M,), index of each item's camera: of two at one place each has its own triggers.
        moments_ms: (M,), any time scale that does not jump, such as UTC.
        known: bool (M,), whether the time is known.
        is_video: bool (M,).

    Returns:
        int64 (M,): of each item its sequence, named by the row of its first item; and int64 (P,): rows of the photos
        with times, by camera and time, those of a burst side by side.
    """
    first = np.arange(len(camera))
    photos = np.flatnonzero(known & ~is_video)
    order = photos[np.lexsort((photos, moments_ms[photos], camera[photos]))]
    if not len(order):
        return first, order
    begins = np.ones(len(order), bool)
    gap = np.diff(moments_ms[order])
    begins[1:] = (gap > BURST_GAP_S * 1000) | (np.diff(camera[order]) != 0)
    first[order] = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    return first, order
