"""The engine in this process: reading processes decode and crop, and two stages run the networks on what they send.

Everything overlaps: while a batch is in the network, the readers work on the next files. What is under way is bounded,
so that memory is the same for ten files and for a million. Items end in the order in which they are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.annotation.facts import ItemRows
from detector.annotation.looking import Cropped, CropTask, Looked, Looking, LookTask, Warned
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.readers import Arrival, Readers
from detector.annotation.stages import ClassificationStage, DetectionStage, may_be_bird
from detector.annotation.values import FrameKey, FrameResult, FrameViews, ItemFacts
from detector.models.detector import Detector
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crops_of
from detector.store.facts import FactRow
from detector.types import MediaItem

AHEAD = 3  # items under way for each reading process and each place in a batch


@dataclass
class _Open:
    """An item that is under way."""

    rows: ItemRows
    looked: int = 0  # frames that came so far
    ended: bool = False
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)
    originals: dict[int, NDArray[np.uint8]] = field(default_factory=dict)  # by place, until their crops are cut

    @property
    def done(self) -> bool:
        return self.ended and len(self.rows) == self.looked


@dataclass(frozen=True, eq=False)
class _AwaitsCrops:
    """A frame whose picture is decoded again; `boxes` are those to classify."""

    result: FrameResult
    boxes: NDArray[np.int64]


class Annotation:
    """One pass over media items.

    Args:
        detector: The detector.
        species: The classifier; None leaves birds unnamed.
        seeing: What decides what is seen.
        work: How the work is spread.
        readers: The reading processes.
        finished: Called with the rows of each item that is done.
        tick: Called often, also while nothing is done.
        stopping: Asked often whether to end; what is under way is then dropped.
    """

    def __init__(
        self,
        detector: Detector,
        species: SpeciesClassifier | None,
        seeing: SeeingOptions,
        work: WorkOptions,
        readers: Readers,
        finished: Callable[[Sequence[FactRow]], None],
        tick: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.detector, self.species, self.seeing = detector, species, seeing
        self.readers, self.finished, self.tick, self.stopping = readers, finished, tick, stopping
        self.detection = DetectionStage(detector, work.batch_size, seeing.lowest_score)
        self.classification = None if species is None else ClassificationStage(species, work.crop_batch_size)
        self.looking = Looking(
            rule=detector.size_rule,
            sampling=seeing.frame_interval,
            tile=seeing.tile,
            motion_gate=seeing.motion_gate,
            full_decode=seeing.full_decode,
            originals=species is not None,
        )
        self.most_open = AHEAD * (work.workers + work.batch_size)
        self.open: dict[int, _Open] = {}
        self.looks: dict[int, int] = {}  # task -> item
        self.crops: dict[int, _AwaitsCrops] = {}  # task -> frame
        self.cropped: set[int] = set()  # tasks whose crops came
        self.started = 0

    def run(self, items: Iterable[MediaItem]) -> None:
        """Annotate all items, or until it is to stop.

        Raises:
            HoopoeError: The store cannot be written to, a card is gone, or the device has no room.
        """
        remaining = iter(items)
        while not self.stopping():
            self._start(remaining)
            if not self.open:
                return
            arrival = self.readers.next(timeout_s=0.0)
            if arrival is None:  # the networks would be idle: what waits for company goes on without
                self._advance(idle=True)
                arrival = self.readers.next(timeout_s=0.5)
            if arrival is not None:
                self._take(arrival)
                self._advance(idle=False)
            self.tick()

    def _start(self, remaining: Iterator[MediaItem]) -> None:
        """Give the readers something to do."""
        while len(self.open) < self.most_open and (item := next(remaining, None)) is not None:
            embedding_size = 0 if self.species is None else self.species.net.embedding_size
            rows = ItemRows(item, self.detector.categories, embedding_size, self.seeing.embeddings)
            self.open[self.started] = _Open(rows)
            self.looks[self.readers.submit(LookTask(item, self.looking))] = self.started
            self.started += 1

    def _take(self, arrival: Arrival) -> None:
        if arrival.task in self.looks:
            self._take_look(self.looks[arrival.task], arrival)
        else:
            self._take_crops(self.crops[arrival.task], arrival)

    def _take_look(self, number: int, arrival: Arrival) -> None:
        item = self.open[number]
        seen = arrival.seen
        if seen is None:
            del self.looks[arrival.task]
            item.ended = True
            item.failure = arrival.failure
            self._close_if_done(number)
        elif isinstance(seen, ItemFacts):
            item.rows.facts = seen
        elif isinstance(seen, Warned):
            item.warnings.append(seen.text)
        elif isinstance(seen, Looked):
            key = FrameKey(number, item.looked)
            item.looked += 1
            if not seen.views:  # nothing moved
                self._frames_done([FrameResult(key, seen.frame, None)])
                return
            if seen.original is not None:
                item.originals[key.place] = seen.original
            self._detected(self.detection.add(FrameViews(key, seen.frame, seen.views, seen.pictures)))

    def _detected(self, results: Iterable[FrameResult]) -> None:
        """Have the birds of frames classified, where there are any."""
        for result in results:
            item = self.open[result.key.item]
            original = item.originals.pop(result.key.place, None)
            if self.classification is None or self.species is None or result.finds is None:
                self._frames_done([result])
                continue
            finds = result.finds
            boxes = may_be_bird(self.detector.categories, finds.label_scores, self.seeing.classify_from)
            if not len(boxes):
                self._frames_done([result])
            elif original is not None:
                crops = crops_of(original, finds.boxes_xywh[boxes], self.species.size_hw)
                self._frames_done(self.classification.add(result, boxes, crops))
            else:
                number = result.frame.frame_number
                found, wanted = {number: finds.boxes_xywh}, {number: boxes}
                task = CropTask(item.rows.item, found, wanted, self.species.size_hw, crops_only=True)
                self.crops[self.readers.submit(task, urgent=True)] = _AwaitsCrops(result, boxes)

    def _take_crops(self, waiting: _AwaitsCrops, arrival: Arrival) -> None:
        assert self.classification is not None
        seen = arrival.seen
        if isinstance(seen, Cropped):
            self.cropped.add(arrival.task)
            self._frames_done(self.classification.add(waiting.result, waiting.boxes, seen.crops))
        elif seen is None:
            del self.crops[arrival.task]
            if arrival.task in self.cropped:
                self.cropped.discard(arrival.task)
                return
            reason = arrival.failure or "the frame did not come again"
            self.open[waiting.result.key.item].warnings.append(f"its boxes were not classified: {reason}")
            self._frames_done([waiting.result])

    def _advance(self, idle: bool) -> None:
        """Take from the stages what has waited long, or with nothing else to do what waits at all."""
        self._detected(self.detection.drain() if idle else self.detection.due())
        if self.classification is not None:
            self._frames_done(self.classification.drain() if idle else self.classification.due())

    def _frames_done(self, results: Iterable[FrameResult]) -> None:
        for result in results:
            key = result.key
            self.open[key.item].rows.add(key.place, result.frame, result.finds)
            self._close_if_done(key.item)

    def _close_if_done(self, number: int) -> None:
        item = self.open[number]
        if item.done:
            del self.open[number]
            self.finished(item.rows.done(item.failure, "; ".join(item.warnings) or None))
