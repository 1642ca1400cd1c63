"""The motion gate of photos: those of a burst that show what an empty one before showed need no model.

A photo is passed over where all of this holds:
- it follows another photo of its folder within `BURST_MS`, by the camera's clock;
- nothing has moved since the last photo of the burst that a model saw, whole frame, by `MotionGate`, and both show one
  scene in one light: a flash that failed hides what the next photo shows;
- and in that photo nothing at all was found, from the lowest score up that the store keeps; with a first pass, nothing
  that it would have sent on.

So a photo after one with an animal is always seen by a model, and no count of animals at once (MaxN) can fall: what was
there is counted where it was found, and what comes moves. A photo that could not be read, that has no time, or before
which this run read none, is followed by one that a model sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detector.annotation.decoding import DecodedFrame
from detector.annotation.values import FrameKey
from detector.deployments.visits import BURST_MS
from detector.footage.motion import MotionGate, show_alike
from detector.types import MediaItem


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether a model sees a photo."""

    key: FrameKey
    frame: DecodedFrame
    seen: bool


@dataclass(eq=False)
class _Photo:
    """A photo between its neighbours.

    Attributes:
        number: Of its item.
        before: The photo before it in its folder, until it is decided on; None: there is none.
        after: The photo after it, as far as it is known.
        key: Which one it is, once it is decoded.
        frame: The same, until it is decided on.
        moment: When it was taken.
        ended: Whether nothing more comes of its file.
        seen: Whether a model sees it; None: not decided.
        empty: Whether nothing was found in it; None: not known yet.
        reference: The small picture that the next one is compared with, once it is decided on.
    """

    number: int
    before: _Photo | None
    after: _Photo | None = None
    key: FrameKey | None = None
    frame: DecodedFrame | None = None
    moment: datetime | None = None
    ended: bool = False
    seen: bool | None = None
    empty: bool | None = None
    reference: NDArray[np.uint8] | None = None
    _still: bool | None = None  # beside the one before

    @property
    def over(self) -> bool:
        """Whether nothing more is to be learnt of it."""
        return self.ended and (self.key is None or self.empty is not None)

    def decide(self) -> Verdict | None:
        """Whether a model sees it, if that can be said now and has not been before."""
        if self.seen is not None or self.key is None or self.frame is None:
            return None
        before = self.before
        if before is None or (before.ended and before.key is None):
            self.seen = True
        elif before.seen is None:
            return None
        else:
            if self._still is None:
                self._still = self._follows(before) and not _moved(before.reference, self.frame.small)
            if self._still and before.empty is None:
                return None
            self.seen = not (self._still and before.empty)
        verdict = Verdict(self.key, self.frame, self.seen)
        self.empty = None if self.seen else True
        self.reference = self.frame.small if self.seen or before is None else before.reference
        self.before = self.frame = None
        return verdict

    def _follows(self, before: _Photo) -> bool:
        if self.moment is None or before.moment is None:
            return False
        return timedelta(0) <= self.moment - before.moment <= timedelta(milliseconds=BURST_MS)


class Bursts:
    """Decides which photos of bursts a model sees, in whatever order they are decoded."""

    def __init__(self) -> None:
        self._last: tuple[tuple[str, str], _Photo] | None = None
        self._photos: dict[int, _Photo] = {}
        self._decided: deque[Verdict] = deque()

    def begin(self, number: int, item: MediaItem) -> None:
        """Expect a photo; those of a folder come in their order."""
        folder = item.card, item.path.rpartition("/")[0]
        before = self._last[1] if self._last is not None and self._last[0] == folder else None
        photo = _Photo(number, before)
        if before is not None:
            before.after = photo
        self._last = folder, photo
        self._photos[number] = photo

    def decoded(self, key: FrameKey, frame: DecodedFrame, moment: datetime | None) -> None:
        """Take a photo that was decoded."""
        photo = self._photos[key.item]
        photo.key, photo.frame, photo.moment = key, frame, moment
        self._decide_from(photo)

    def ended(self, number: int) -> None:
        """Nothing more comes of an item."""
        if (photo := self._photos.get(number)) is not None:
            photo.ended = True
            self._go_on(photo)

    def found(self, number: int, *, empty: bool) -> None:
        """Take what was found in a photo."""
        if (photo := self._photos.get(number)) is not None:
            photo.empty = empty
            self._go_on(photo)

    def pop(self) -> Iterator[Verdict]:
        """What was decided since."""
        while self._decided:
            yield self._decided.popleft()

    def _go_on(self, photo: _Photo) -> None:
        if photo.over:
            del self._photos[photo.number]
        self._decide_from(photo.after)

    def _decide_from(self, photo: _Photo | None) -> None:
        while photo is not None and (verdict := photo.decide()) is not None:
            self._decided.append(verdict)
            if photo.over:
                del self._photos[photo.number]
            photo = photo.after


def _moved(reference: NDArray[np.uint8] | None, small: NDArray[np.uint8] | None) -> bool:
    if reference is None or small is None or not show_alike(reference, small):
        return True
    gate = MotionGate()
    gate.moved(reference)
    return gate.moved(small)
