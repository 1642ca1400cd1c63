"""Only the classifier: boxes that are known, from another tool or from the facts, are cut out and classified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.annotation.local import AHEAD
from detector.annotation.looking import Cropped, CropTask, Warned
from detector.annotation.options import WorkOptions
from detector.annotation.readers import Arrival, Readers
from detector.annotation.stages import ClassificationStage, may_be_bird, unclassified
from detector.annotation.values import FrameFacts, FrameFinds, FrameKey, FrameResult, ItemFacts
from detector.species.classifier import SpeciesClassifier
from detector.types import MediaItem


@dataclass(frozen=True, eq=False)
class KnownFrame:
    """Boxes of a photo or of a frame of a video: shares (N, 4), and a score of each label (N, L)."""

    number: int
    boxes_xywh: NDArray[np.float32]
    label_scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KnownItem:
    """A media item with its boxes; a photo has one frame, maybe without boxes."""

    item: MediaItem
    frames: tuple[KnownFrame, ...]


@dataclass(eq=False)
class SecondSight:
    """What came of an item.

    Attributes:
        known: The item.
        facts: What it is.
        frames: Number of a frame -> what it is and shows; those that could be read and had boxes, and photos.
        failure: Why not all could be read.
        warnings: What was lost of the file.
    """

    known: KnownItem
    facts: ItemFacts = field(default_factory=ItemFacts)
    frames: dict[int, tuple[FrameFacts, FrameFinds]] = field(default_factory=dict)
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Open:
    sight: SecondSight
    wanted: dict[int, NDArray[np.int64]]
    classifying: int = 0
    ended: bool = False


class SecondLook:
    """One pass over items with known boxes.

    Args:
        species: The classifier.
        categories: Names of the labels; boxes that cannot be birds are not classified.
        classify_from: Boxes with a lower score are not either.
        work: How the work is spread.
        readers: The reading processes.
        tick: Called often.
        stopping: Asked often whether to end; what is under way is then dropped.
    """

    def __init__(
        self,
        species: SpeciesClassifier,
        categories: tuple[str, ...],
        classify_from: float,
        work: WorkOptions,
        readers: Readers,
        tick: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.species, self.categories, self.classify_from = species, categories, classify_from
        self.readers, self.tick, self.stopping = readers, tick, stopping
        self.classification = ClassificationStage(species, work.crop_batch_size)
        self.most_open = AHEAD * (work.workers + work.batch_size)
        self.open: dict[int, _Open] = {}

    def run(self, items: Iterable[KnownItem]) -> Iterator[SecondSight]:
        """What is seen in each item, in the order in which they are done; it ends early if it is to stop."""
        remaining = iter(items)
        while not self.stopping():
            while len(self.open) < self.most_open and (known := next(remaining, None)) is not None:
                self._start(known)
            if not self.open:
                return
            arrival = self.readers.next(timeout_s=0.0)
            if arrival is None:
                yield from self._done(self.classification.drain())
                arrival = self.readers.next(timeout_s=0.5)
            if arrival is not None:
                yield from self._take(arrival)
                yield from self._done(self.classification.due())
            self.tick()

    def _start(self, known: KnownItem) -> None:
        wanted = {
            frame.number: may_be_bird(self.categories, frame.label_scores, self.classify_from)
            for frame in known.frames
            if len(frame.boxes_xywh) or known.item.media_type == "photo"
        }
        boxes = {frame.number: frame.boxes_xywh for frame in known.frames if frame.number in wanted}
        number = self.readers.submit(CropTask(known.item, boxes, wanted, self.species.size_hw))
        self.open[number] = _Open(SecondSight(known), wanted)

    def _take(self, arrival: Arrival) -> Iterator[SecondSight]:
        item = self.open[arrival.task]
        seen = arrival.seen
        if seen is None:
            item.ended = True
            item.sight.failure = arrival.failure
            yield from self._closed(arrival.task)
        elif isinstance(seen, ItemFacts):
            item.sight.facts = seen
        elif isinstance(seen, Warned):
            item.sight.warnings.append(seen.text)
        elif isinstance(seen, Cropped):
            assert seen.frame is not None
            assert seen.appearances is not None
            known = {frame.number: frame for frame in item.sight.known.frames}[seen.frame.frame_number]
            finds = unclassified(known.boxes_xywh, known.label_scores, seen.appearances)
            result = FrameResult(FrameKey(arrival.task, known.number), seen.frame, finds)
            item.classifying += 1
            yield from self._done(self.classification.add(result, item.wanted[known.number], seen.crops))

    def _done(self, results: Iterable[FrameResult]) -> Iterator[SecondSight]:
        for result in results:
            item = self.open[result.key.item]
            assert result.finds is not None
            item.sight.frames[result.key.place] = result.frame, result.finds
            item.classifying -= 1
            yield from self._closed(result.key.item)

    def _closed(self, number: int) -> Iterator[SecondSight]:
        item = self.open[number]
        if item.ended and not item.classifying:
            del self.open[number]
            yield item.sight
