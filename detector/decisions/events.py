"""Independent events: sights of one name at one camera without a long pause, and how many were seen at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.types import TaxonName


@dataclass(frozen=True, eq=False)
class Events:
    """Events (E), by deployment and start, and then by name.

    Attributes:
        of_box: int64 (B,), event of each box; -1: it does not count.
        deployment: int64 (E,), index.
        key: int64 (E,), what was seen.
        first_box: int64 (E,), row of a box of the first frame.
        last_box: int64 (E,), of the last.
        count: int64 (E,), MaxN: the most individuals in one frame.
        boxes: int64 (E,).
        media: int64 (E,), files that show it.
    """

    of_box: NDArray[np.int64]
    deployment: NDArray[np.int64]
    key: NDArray[np.int64]
    first_box: NDArray[np.int64]
    last_box: NDArray[np.int64]
    count: NDArray[np.int64]
    boxes: NDArray[np.int64]
    media: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sights:
    """What boxes (B) show, where and when.

    Attributes:
        deployment: int (B,), index of each box's deployment.
        key: int (B,), index of what is seen.
        moments_ms: int64 (B,), when, on a scale that does not jump, such as UTC.
        frame: int (B,), index of its frame.
        media: int (B,), index of its item.
        counts: bool (B,), whether it counts; those without a time must not.
        count: int (B,), how many individuals each stands for at once, from `count_individuals`.
    """

    deployment: NDArray[np.integer]
    key: NDArray[np.integer]
    moments_ms: NDArray[np.int64]
    frame: NDArray[np.integer]
    media: NDArray[np.integer]
    counts: NDArray[np.bool_]
    count: NDArray[np.integer]


def find_events(sights: Sights, independence_ms: NDArray[np.int64]) -> Events:
    """Group boxes (B) into events.

    A sight is independent if the last one of the same name at the same camera is longer ago than the camera's
    independence. (camtrapR: deltaTimeComparedTo = "lastRecord".)

    Args:
        sights: What they show.
        independence_ms: By deployment.
    """
    deployment, key, moments_ms = sights.deployment, sights.key, sights.moments_ms
    rows = np.flatnonzero(sights.counts)
    order = rows[np.lexsort((rows, moments_ms[rows], key[rows], deployment[rows]))]
    of_box = np.full(len(sights.counts), -1)
    if not len(order):
        nothing = np.zeros(0, np.int64)
        return Events(of_box, *[nothing] * 7)
    begins = np.ones(len(order), bool)
    pause = np.diff(moments_ms[order]) > independence_ms[deployment[order[1:]]]
    begins[1:] = pause | (np.diff(key[order]) != 0) | (np.diff(deployment[order]) != 0)
    event = np.cumsum(begins) - 1
    start = np.flatnonzero(begins)
    end = np.append(start[1:], len(order)) - 1

    frames, in_frame = _totals(event, sights.frame[order], sights.count[order])
    most = np.zeros(len(start), np.int64)
    np.maximum.at(most, frames, in_frame)
    items, _ = _totals(event, sights.media[order], np.ones(len(order), np.int64))

    first, last = order[start], order[end]
    by_start = np.lexsort((key[first], moments_ms[first], deployment[first]))
    rank = np.empty(len(start), np.int64)
    rank[by_start] = np.arange(len(start))
    of_box[order] = rank[event]
    return Events(
        of_box=of_box,
        deployment=deployment[first][by_start].astype(np.int64),
        key=key[first][by_start].astype(np.int64),
        first_box=first[by_start],
        last_box=last[by_start],
        count=most[by_start],
        boxes=np.bincount(event)[by_start],
        media=np.bincount(items, minlength=len(start))[by_start],
    )


def _totals(
    event: NDArray[np.int64], place: NDArray[np.integer], count: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Different pairs of event and place: the events of the pairs, and the sum of the counts of each."""
    span = int(place.max()) + 1
    pairs, inverse = np.unique(event * span + place, return_inverse=True)
    totals = np.zeros(len(pairs), np.int64)
    np.add.at(totals, inverse, count)
    return pairs // span, totals


def event_id(deployment_id: str, kind: str, name: TaxonName, media_id: str, frame_number: int) -> str:
    """`e` and 16 hexadecimal digits, which stay while the event begins with the same sight, and are no other event's.

    Args:
        deployment_id: Where.
        kind: Of what was seen.
        name: What it is called.
        media_id: Of the file that it begins with.
        frame_number: The frame: after a pause a long video begins another event.
    """
    text = "\0".join((deployment_id, kind, *map(str, vars(name).values()), media_id, str(frame_number)))
    return f"e{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
