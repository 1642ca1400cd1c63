"""The two stages that run networks: each takes frames as they come, and hands them on when their batch is done.

A stage knows nothing of files, readers and engines: a frame is told by its key.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.annotation.decoding import appearances
from detector.annotation.detecting import HalvingBatches, SizeBuckets
from detector.annotation.values import FrameFinds, FrameResult, FrameViews
from detector.boxes import xyxy_to_xywh
from detector.models.detector import Detector
from detector.models.prediction import detect_resized, image_tensor
from detector.models.tiling import merge_views
from detector.runtimes.lanes import spread
from detector.species.classifier import SpeciesClassifier
from detector.species.joining import merge_label_boxes
from detector.species.names.kinds import MAYBE_BIRD, kind_of_label
from detector.types import Detections

MAX_WAIT_S = 5.0  # what lies longer goes out in a smaller batch, so that a killed run loses little


@dataclass
class _Open:
    """A frame of whose views some are not detected yet."""

    frame: FrameViews
    found: list[Detections | None]


class DetectionStage:
    """Detects in batches that hold views of one network size, of whatever files.

    Args:
        detector: The detector.
        batch_size: Views in a batch.
        lowest_score: Detections below are left out. At 0 the boxes are those of the detector, one a label; above, boxes
            of several labels on one animal are joined.
    """

    def __init__(self, detector: Detector, batch_size: int, lowest_score: float) -> None:
        self.detector = detector
        spread(detector.net, batch_size)
        self.lowest_score = lowest_score
        self.detect = HalvingBatches(self._detect, batch_size)
        self.buckets: SizeBuckets[tuple[_Open, int]] = SizeBuckets(batch_size, waiting=2 * batch_size)

    @property
    def waiting(self) -> bool:
        """Whether frames wait for company."""
        return len(self.buckets) > 0

    def add(self, frame: FrameViews) -> Iterator[FrameResult]:
        """Take a frame; the frames that are done thereby."""
        opened = _Open(frame, [None] * len(frame.views))
        for index, view in enumerate(frame.views):
            if batch := self.buckets.add(view.size_wh, (opened, index)):
                yield from self._finish(batch)

    def due(self) -> Iterator[FrameResult]:
        """The frames that are done because others of their size did not come for long."""
        for batch in self.buckets.pop(MAX_WAIT_S):
            yield from self._finish(batch)

    def drain(self) -> Iterator[FrameResult]:
        """The frames that wait for more."""
        for batch in self.buckets.pop():
            yield from self._finish(batch)

    def _finish(self, batch: Sequence[tuple[_Open, int]]) -> Iterator[FrameResult]:
        for (opened, index), found in zip(batch, self.detect(batch), strict=True):
            opened.found[index] = found
            done = [view for view in opened.found if view is not None]
            if len(done) == len(opened.found):
                frame = opened.frame
                merged = merge_views(frame.views, done, frame.frame.size_wh)
                yield FrameResult(frame.key, frame.frame, self._finds(frame, merged))

    def _detect(self, batch: Sequence[tuple[_Open, int]]) -> list[Detections]:
        views = [opened.frame.views[index] for opened, index in batch]
        windows_wh = [view.window_wh for view in views]
        pictures = [image_tensor(opened.frame.pictures[index]) for opened, index in batch]
        found = detect_resized(self.detector, pictures, windows_wh)
        return [detections.above(self.lowest_score) for detections in found]

    def _finds(self, frame: FrameViews, found: Detections) -> FrameFinds:
        count = len(self.detector.categories)
        if self.lowest_score > 0 and count > 1:
            boxes, label_scores = merge_label_boxes(found.boxes_xyxy, found.scores, found.labels, count)
        else:
            boxes, label_scores = found.boxes_xyxy, np.zeros((len(found), count), np.float32)
            label_scores[np.arange(len(found)), found.labels] = found.scores
        sides = np.tile(np.array(frame.frame.size_wh, np.float32), 2)
        shares = xyxy_to_xywh(boxes / sides).astype(np.float32)
        return unclassified(shares, label_scores, appearances(frame.pictures[0], shares))


def unclassified(
    boxes_xywh: NDArray[np.float32], label_scores: NDArray[np.float32], appearances: NDArray[np.uint8]
) -> FrameFinds:
    """Boxes that no classifier has seen."""
    nobody, nothing = np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    return FrameFinds(boxes_xywh, label_scores, appearances, nobody, nothing, nothing)


def may_be_bird(categories: Sequence[str], label_scores: NDArray[np.float32], lowest: float) -> NDArray[np.int64]:
    """The boxes (K,) that the classifier is to see: a label was found that is a bird's or may be.

    Args:
        categories: L names of labels.
        label_scores: (N, L), 0 where a label was not found.
        lowest: Boxes whose best score is lower are left out.
    """
    possible = np.array([kind_of_label(name) in MAYBE_BIRD for name in categories], bool)
    found = (label_scores[:, possible] > 0).any(axis=1) & (label_scores.max(axis=1, initial=0) >= lowest)
    return np.flatnonzero(found)


class ClassificationStage:
    """Classifies the crops of many frames together.

    Args:
        species: The classifier.
        batch_size: Crops in a batch.
    """

    def __init__(self, species: SpeciesClassifier, batch_size: int) -> None:
        self.species = species
        spread(species.net, batch_size)
        self.batch_size = batch_size
        self.classify = HalvingBatches(self._classify, batch_size)
        self.waiting: deque[tuple[FrameResult, NDArray[np.int64], NDArray[np.uint8]]] = deque()
        self.crops = 0
        self.since = time.monotonic()

    def add(
        self, result: FrameResult, classified: NDArray[np.int64], crops: NDArray[np.uint8]
    ) -> Iterator[FrameResult]:
        """Take a frame; the frames that are done thereby.

        Args:
            result: The frame with its boxes.
            classified: (K,), the boxes that the crops show.
            crops: uint8 (K, height, width, 3), as from `cut_crops`.
        """
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.append((result, classified, crops))
        self.crops += len(crops)
        if self.crops >= self.batch_size or not self.crops:
            yield from self.drain()

    def due(self) -> Iterator[FrameResult]:
        """The frames that are done because too few others came for long."""
        if self.waiting and time.monotonic() - self.since > MAX_WAIT_S:
            yield from self.drain()

    def drain(self) -> Iterator[FrameResult]:
        """The frames that wait for more."""
        entries = list(self.waiting)
        self.waiting.clear()
        self.crops = 0
        outputs = iter(self.classify([crop for _, _, crops in entries for crop in crops]))
        for result, classified, _ in entries:
            own = [next(outputs) for _ in classified]
            if result.finds is None or not own:
                yield result
                continue
            logits, embeddings = (np.stack([pair[place] for pair in own]) for place in (0, 1))
            finds = replace(result.finds, classified=classified, logits=logits, embeddings=embeddings)
            yield replace(result, finds=finds)

    def _classify(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        seen = self.species.logits(np.stack(crops), return_embedding=True, batch_size=len(crops))
        assert seen.embeddings is not None
        return list(zip(seen.logits, seen.embeddings, strict=True))
