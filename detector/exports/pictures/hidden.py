"""Where those are whom nobody may recognise, in each frame of a file: also in frames in which no detector saw them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from detector.exports.pictures.blurring import Region
from detector.exports.pictures.frames import by_frame
from detector.store.records import DetectionRecord


@dataclass(frozen=True)
class Area:
    """A part of a picture, as shares of it."""

    x: float
    y: float
    w: float
    h: float


WHOLE = Area(0.0, 0.0, 1.0, 1.0)


class HiddenAreas:
    """What to blur in any frame of a file.

    In a sampled frame the boxes in it. Of an individual that is seen before and after a frame, all that lies between
    the two boxes: it passes through there, also where a detector missed it. Between a sampled frame with somebody and
    one without them nobody knows where they are: all of the picture.

    Args:
        sampled: Numbers of the frames that the detector saw, rising; a photo's is 0.
        hidden: The boxes to blur, see `hidden_in`.
    """

    def __init__(self, sampled: Sequence[int], hidden: Sequence[DetectionRecord]) -> None:
        self._found = by_frame(hidden)
        self._numbers = sorted({*sampled, *self._found})
        tracks: dict[str, list[DetectionRecord]] = {}
        for box in sorted(hidden, key=lambda box: box.frame_number):
            tracks.setdefault(box.individual_id or f"{box.frame_number}:{box.box}", []).append(box)
        self._tracks = list(tracks.values())
        self._frames = [[box.frame_number for box in track] for track in self._tracks]

    def at(self, frame_number: int) -> tuple[Region, ...]:
        """The parts of a frame."""
        place = bisect_left(self._numbers, frame_number)
        around = self._numbers[max(place - 1, 0) : place + 1]  # the sampled frames before and after
        is_sampled = frame_number in around
        parts: list[Region] = [*self._found.get(frame_number, ())]
        for track, frames in zip(self._tracks, self._frames, strict=True):
            later = bisect_right(frames, frame_number)
            if frames[later - 1 : later] == [frame_number]:
                continue  # it is seen here
            if 0 < later < len(frames):
                parts.append(_hull(track[later - 1], track[later]))
            elif not is_sampled and (frames[0] if later == 0 else frames[-1]) in around:
                return (WHOLE,)  # it comes or goes
        return tuple(parts)


def _hull(one: Region, other: Region) -> Area:
    """The smallest part of a picture that holds two."""
    left, top = min(one.x, other.x), min(one.y, other.y)
    right, bottom = max(one.x + one.w, other.x + other.w), max(one.y + one.h, other.y + other.h)
    return Area(left, top, right - left, bottom - top)
