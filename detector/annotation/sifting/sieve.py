"""What of the decoded frames goes on to the detector: not what stood still, and not what the first pass finds empty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from detector.annotation.decoding import DecodedFrame
from detector.annotation.sifting.bursts import Bursts
from detector.annotation.stages import DetectionStage
from detector.annotation.values import FrameKey, FrameResult, FrameViews, ItemFacts
from detector.models.detector import Detector
from detector.store.schema import DETECTOR, FIRST_PASS
from detector.types import MediaItem

Sifted = FrameViews | FrameResult  # for the detector, or passed over


class Sieve:
    """Takes decoded frames, and says of each whether the detector is to see it.

    Args:
        first_pass: The detector that looks first; None: there is no first pass.
        threshold: Frames in which it finds a box from this score up go on.
        batch_size: Its pictures in a batch.
        burst_gate: Whether photos of bursts may be passed over, see `bursts`; frames of videos come decided.
    """

    def __init__(self, first_pass: Detector | None, threshold: float, batch_size: int, burst_gate: bool) -> None:
        self._stage = None if first_pass is None else DetectionStage(first_pass, batch_size, threshold)
        self._bursts = Bursts() if burst_gate else None
        self._held: dict[FrameKey, FrameViews] = {}  # while the first pass looks

    @property
    def waiting(self) -> bool:
        """Whether frames wait for company."""
        return bool(self._held)

    def begin(self, number: int, item: MediaItem) -> None:
        """Expect an item."""
        if self._bursts is not None and item.media_type == "photo":
            self._bursts.begin(number, item)

    def add(self, key: FrameKey, frame: DecodedFrame, facts: ItemFacts) -> Iterator[Sifted]:
        """Take a frame of an item of which so much is known; the frames that are decided on thereby."""
        if not frame.views:  # nothing moved
            yield FrameResult(key, frame.frame, None)
        elif self._bursts is None or frame.small is None:
            yield from self._look(key, frame)
        else:
            self._bursts.decoded(key, frame, facts.captured_at)
            yield from self._decided()

    def ended(self, number: int) -> Iterator[Sifted]:
        """Nothing more comes of an item; the frames that are decided on thereby."""
        if self._bursts is not None:
            self._bursts.ended(number)
            yield from self._decided()

    def found(self, number: int, *, empty: bool) -> None:
        """Take what the detector found in an item; `due` and `drain` give what is decided on thereby."""
        if self._bursts is not None:
            self._bursts.found(number, empty=empty)

    def due(self) -> Iterator[Sifted]:
        """What is decided on by now."""
        if self._stage is not None:
            yield from self._judged(self._stage.due())
        yield from self._decided()

    def drain(self) -> Iterator[Sifted]:
        """The same, and what waits for company."""
        if self._stage is not None:
            yield from self._judged(self._stage.drain())
        yield from self._decided()

    def _decided(self) -> Iterator[Sifted]:
        if self._bursts is None:
            return
        for each in self._bursts.pop():
            if each.seen:
                yield from self._look(each.key, each.frame)
            else:
                yield FrameResult(each.key, replace(each.frame.frame, moved=False), None)

    def _look(self, key: FrameKey, decoded: DecodedFrame) -> Iterator[Sifted]:
        views = FrameViews(key, decoded.frame, decoded.views, decoded.pictures)
        if self._stage is None or decoded.first is None:
            yield views
            return
        self._held[key] = views
        first = FrameViews(key, decoded.frame, (decoded.first.view,), (decoded.first.picture,))
        yield from self._judged(self._stage.add(first))

    def _judged(self, results: Iterable[FrameResult]) -> Iterator[Sifted]:
        for result in results:
            views = self._held.pop(result.key)
            if result.finds is not None and len(result.finds):
                yield replace(views, frame=replace(views.frame, seen_by=DETECTOR))
            else:
                self.found(result.key.item, empty=True)
                yield FrameResult(result.key, replace(result.frame, seen_by=FIRST_PASS), None)
