"""The engine in this process: reading processes decode and crop, and two stages run the networks on what they send.

Everything overlaps: while a batch is in the network, the readers work on the next files. What is under way is bounded,
so that memory is the same for ten files and for a million. Items end in the order in which they are done.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detector.annotation.decoding import CropTask, DecodedFrame, DecodeOptions, DecodeTask, FrameCrops, Loss
from detector.annotation.facts import ItemRows, Rows, RowsOptions
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.readers import Arrival, Readers, reading
from detector.annotation.request import Models, RunSettings
from detector.annotation.sifting.sieve import Sieve, Sifted
from detector.annotation.stages import ClassificationStage, DetectionStage, may_be_bird
from detector.annotation.values import FrameKey, FrameResult, ItemFacts
from detector.species.crops import crops_of
from detector.types import MediaItem

COMPANY_S = 0.25  # how long a frame waits for one that is being decoded: alone it takes as long as two
AHEAD = 3  # items under way for each reading process and each place in a batch


@dataclass
class _Open:
    """An item that is under way."""

    rows: ItemRows
    decoded: int = 0  # frames that came so far
    ended: bool = False
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)
    originals: dict[int, NDArray[np.uint8]] = field(default_factory=dict)  # by place, until their crops are cut

    @property
    def done(self) -> bool:
        return self.ended and len(self.rows) == self.decoded


@dataclass(frozen=True, eq=False)
class _AwaitsCrops:
    """A frame whose picture is decoded again; `boxes` are those to classify."""

    result: FrameResult
    boxes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LocalAnnotation:
    """Media items in, their rows of facts out; an `Engine`.

    Attributes:
        models: The networks.
        seeing: What decides what is seen.
        settings: How it goes about it.
        frames: Media id of a video -> numbers of its frames to look at, where not all that `seeing` says.
    """

    models: Models
    seeing: SeeingOptions
    settings: RunSettings
    frames: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __call__(self, items: Iterable[MediaItem]) -> Generator[Rows | None]:
        work = self.settings.work_on(self.models.device)
        with reading(self.settings.readers, work.workers) as readers:
            yield from _Pass(self, work, readers).run(items)

    def unsifted(self, frames: Mapping[str, tuple[int, ...]]) -> LocalAnnotation:
        """The same engine, whose detector sees all of these frames of items, and only them."""
        models = Models(self.models.detector, self.models.species)
        return replace(self, models=models, seeing=replace(self.seeing, motion_gate=False), frames=frames)


class _Pass:
    """One pass over media items.

    Args:
        engine: With which networks, and what they see.
        work: How the work is spread.
        readers: The reading processes.
    """

    def __init__(self, engine: LocalAnnotation, work: WorkOptions, readers: Readers) -> None:
        models, seeing = engine.models, engine.seeing
        self.detector, self.species, first_pass = models.detector, models.species, models.first_pass
        self.seeing, self.readers, self.frames = seeing, readers, engine.frames
        self.sieve = Sieve(first_pass, seeing.first_pass_score, work.batch_size, seeing.gates_bursts)
        self.detection = DetectionStage(self.detector, work.batch_size, seeing.lowest_score)
        self.classification = None if self.species is None else ClassificationStage(self.species, work.crop_batch_size)
        self.decoding = DecodeOptions(
            rule=self.detector.size_rule,
            first_rule=None if first_pass is None else first_pass.size_rule,
            sampling=seeing.frame_interval,
            tile=seeing.tile,
            motion_gate=seeing.motion_gate,
            burst_gate=seeing.gates_bursts,
            full_decode=seeing.full_decode,
            originals=self.species is not None,
        )
        embedding_size = 0 if self.species is None else self.species.net.embedding_size
        self.rows = RowsOptions(self.detector.categories, embedding_size, seeing.embeddings)
        self.most_open = AHEAD * (work.workers + work.batch_size)
        self.open: dict[int, _Open] = {}
        self.decodes: dict[int, int] = {}  # task -> item
        self.crops: dict[int, _AwaitsCrops] = {}  # task -> frame
        self.cropped: set[int] = set()  # tasks whose crops came
        self.started = 0

    def run(self, items: Iterable[MediaItem]) -> Iterator[Rows | None]:
        """The rows of all items, an item at a time; None between batches."""
        remaining = iter(items)
        while True:
            self._start(remaining)
            if not self.open:
                return
            arrival = self.readers.next(timeout_s=COMPANY_S if self.decodes and self._waiting else 0.0)
            if arrival is None:  # the networks would be idle: what waits for company goes on without
                yield from self._advance(idle=True)
                arrival = self.readers.next(timeout_s=0.0 if self._waiting else 0.5)
            if arrival is not None:
                yield from self._take(arrival)
                yield from self._advance(idle=False)
            yield None

    @property
    def _waiting(self) -> bool:
        """Whether frames wait for company in a stage."""
        return self.sieve.waiting or self.detection.waiting

    @property
    def _under_way(self) -> int:
        """Items, without those of which crops are cut or wait for a batch: these would leave the detector idle."""
        gathering = () if self.classification is None else self.classification.waiting
        past = [*(waiting.result for waiting in self.crops.values()), *(result for result, _, _ in gathering)]
        return len(self.open) - len({result.key.item for result in past})

    def _start(self, remaining: Iterator[MediaItem]) -> None:
        """Give the readers something to do."""
        while self._under_way < self.most_open and (item := next(remaining, None)) is not None:
            self.open[self.started] = _Open(ItemRows(item, self.rows))
            self.sieve.begin(self.started, item)
            task = DecodeTask(item, self.decoding, self.frames.get(item.media_id))
            self.decodes[self.readers.submit(task)] = self.started
            self.started += 1

    def _take(self, arrival: Arrival) -> Iterator[Rows]:
        if arrival.task in self.decodes:
            yield from self._take_decoded(self.decodes[arrival.task], arrival)
        else:
            yield from self._take_crops(self.crops[arrival.task], arrival)

    def _take_decoded(self, number: int, arrival: Arrival) -> Iterator[Rows]:
        item = self.open[number]
        part = arrival.reading
        if part is None:
            del self.decodes[arrival.task]
            item.ended = True
            item.failure = arrival.failure
            yield from self._close_if_done(number)
            yield from self._sifted(self.sieve.ended(number))
        elif isinstance(part, ItemFacts):
            item.rows.facts = part
        elif isinstance(part, Loss):
            item.warnings.append(part.text)
        elif isinstance(part, DecodedFrame):
            key = FrameKey(number, item.decoded)
            item.decoded += 1
            if part.original is not None:
                item.originals[key.place] = part.original
            yield from self._sifted(self.sieve.add(key, part, item.rows.facts))

    def _sifted(self, frames: Iterable[Sifted]) -> Iterator[Rows]:
        """Have the detector see frames, but for those that are passed over."""
        for each in frames:
            if isinstance(each, FrameResult):
                self.open[each.key.item].originals.pop(each.key.place, None)
                yield from self._frames_done([each])
            else:
                yield from self._detected(self.detection.add(each))

    def _detected(self, results: Iterable[FrameResult]) -> Iterator[Rows]:
        """Have the birds of frames classified, where there are any."""
        for result in results:
            item = self.open[result.key.item]
            original = item.originals.pop(result.key.place, None)
            self.sieve.found(result.key.item, empty=result.finds is None or not len(result.finds))
            if self.classification is None or self.species is None or result.finds is None:
                yield from self._frames_done([result])
                continue
            finds = result.finds
            boxes = may_be_bird(self.detector.categories, finds.label_scores, self.seeing.classify_from)
            if not len(boxes):
                yield from self._frames_done([result])
            elif original is not None:
                crops = crops_of(original, finds.boxes_xywh[boxes], self.species.size_hw)
                yield from self._frames_done(self.classification.add(result, boxes, crops))
            else:
                number = result.frame.frame_number
                found, wanted = {number: finds.boxes_xywh}, {number: boxes}
                task = CropTask(item.rows.item, found, wanted, self.species.size_hw, crops_only=True)
                self.crops[self.readers.submit(task, urgent=True)] = _AwaitsCrops(result, boxes)

    def _take_crops(self, waiting: _AwaitsCrops, arrival: Arrival) -> Iterator[Rows]:
        assert self.classification is not None
        part = arrival.reading
        if isinstance(part, FrameCrops):
            self.cropped.add(arrival.task)
            yield from self._frames_done(self.classification.add(waiting.result, waiting.boxes, part.crops))
        elif part is None:
            del self.crops[arrival.task]
            if arrival.task in self.cropped:
                self.cropped.discard(arrival.task)
                return
            reason = arrival.failure or "the frame did not come again"
            self.open[waiting.result.key.item].warnings.append(f"its boxes were not classified: {reason}")
            yield from self._frames_done([waiting.result])

    def _advance(self, idle: bool) -> Iterator[Rows]:
        """Take from the stages what has waited long, or with nothing else to do what waits at all."""
        yield from self._sifted(self.sieve.drain() if idle else self.sieve.due())
        yield from self._detected(self.detection.drain() if idle else self.detection.due())
        yield from self._sifted(self.sieve.due())
        if self.classification is not None:
            yield from self._frames_done(self.classification.drain() if idle else self.classification.due())

    def _frames_done(self, results: Iterable[FrameResult]) -> Iterator[Rows]:
        for result in results:
            key = result.key
            self.open[key.item].rows.add(key.place, result.frame, result.finds)
            yield from self._close_if_done(key.item)

    def _close_if_done(self, number: int) -> Iterator[Rows]:
        item = self.open[number]
        if item.done:
            del self.open[number]
            yield item.rows.done(item.failure, "; ".join(item.warnings) or None)
