"""The engine in this process for boxes that are known, from another tool or from the facts: crop and classify."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.annotation.decoding import CropTask, FrameCrops, Loss
from detector.annotation.local import AHEAD
from detector.annotation.options import WorkOptions
from detector.annotation.readers import Arrival, Readers, reading
from detector.annotation.request import RunSettings
from detector.annotation.stages import ClassificationStage, may_be_bird, unclassified
from detector.annotation.values import (
    BoxedItem,
    ClassifiedItem,
    FrameFacts,
    FrameFinds,
    FrameKey,
    FrameResult,
    ItemFacts,
)
from detector.base.devices import device_of
from detector.species.classifier import SpeciesClassifier


@dataclass
class _Open:
    """An item that is under way."""

    boxed: BoxedItem
    wanted: dict[int, NDArray[np.int64]]
    facts: ItemFacts = field(default_factory=ItemFacts)
    frames: dict[int, tuple[FrameFacts, FrameFinds]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: str | None = None
    classifying: int = 0
    ended: bool = False


@dataclass(frozen=True, eq=False)
class LocalClassification:
    """Items with known boxes in, the same with what the classifier says out; an `Engine`.

    Attributes:
        species: The classifier.
        categories: Names of the labels; boxes that cannot be birds are not classified.
        classify_from: Boxes with a lower score are not either.
        settings: How it goes about it.
    """

    species: SpeciesClassifier
    categories: tuple[str, ...]
    classify_from: float
    settings: RunSettings

    def __call__(self, items: Iterable[BoxedItem]) -> Generator[ClassifiedItem | None]:
        work = self.settings.work_on(device_of(self.species.net))
        with reading(self.settings.readers, work.workers) as readers:
            yield from _Pass(self, work, readers).run(items)


class _Pass:
    """One pass over items with known boxes."""

    def __init__(self, engine: LocalClassification, work: WorkOptions, readers: Readers) -> None:
        self.engine, self.readers = engine, readers
        self.classification = ClassificationStage(engine.species, work.crop_batch_size)
        self.most_open = AHEAD * (work.workers + work.batch_size)
        self.open: dict[int, _Open] = {}

    def run(self, items: Iterable[BoxedItem]) -> Iterator[ClassifiedItem | None]:
        """All items, in the order in which they are done; None between batches."""
        remaining = iter(items)
        while True:
            while len(self.open) < self.most_open and (boxed := next(remaining, None)) is not None:
                self._start(boxed)
            if not self.open:
                return
            arrival = self.readers.next(timeout_s=0.0)
            if arrival is None:
                yield from self._done(self.classification.drain())
                arrival = self.readers.next(timeout_s=0.5)
            if arrival is not None:
                yield from self._take(arrival)
                yield from self._done(self.classification.due())
            yield None

    def _start(self, boxed: BoxedItem) -> None:
        wanted = {
            frame.number: may_be_bird(self.engine.categories, frame.label_scores, self.engine.classify_from)
            for frame in boxed.frames
            if len(frame.boxes_xywh) or boxed.item.media_type == "photo"
        }
        boxes = {frame.number: frame.boxes_xywh for frame in boxed.frames if frame.number in wanted}
        number = self.readers.submit(CropTask(boxed.item, boxes, wanted, self.engine.species.size_hw))
        self.open[number] = _Open(boxed, wanted)

    def _take(self, arrival: Arrival) -> Iterator[ClassifiedItem]:
        item = self.open[arrival.task]
        part = arrival.reading
        if part is None:
            item.ended = True
            item.failure = arrival.failure
            yield from self._closed(arrival.task)
        elif isinstance(part, ItemFacts):
            item.facts = part
        elif isinstance(part, Loss):
            item.warnings.append(part.text)
        elif isinstance(part, FrameCrops):
            assert part.frame is not None
            assert part.appearances is not None
            boxed = {frame.number: frame for frame in item.boxed.frames}[part.frame.frame_number]
            finds = unclassified(boxed.boxes_xywh, boxed.label_scores, part.appearances)
            result = FrameResult(FrameKey(arrival.task, boxed.number), part.frame, finds)
            item.classifying += 1
            yield from self._done(self.classification.add(result, item.wanted[boxed.number], part.crops))

    def _done(self, results: Iterable[FrameResult]) -> Iterator[ClassifiedItem]:
        for result in results:
            item = self.open[result.key.item]
            assert result.finds is not None
            item.frames[result.key.place] = result.frame, result.finds
            item.classifying -= 1
            yield from self._closed(result.key.item)

    def _closed(self, number: int) -> Iterator[ClassifiedItem]:
        item = self.open[number]
        if item.ended and not item.classifying:
            del self.open[number]
            yield ClassifiedItem(item.boxed, item.facts, item.frames, item.failure, tuple(item.warnings))
