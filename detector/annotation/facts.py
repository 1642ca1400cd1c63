"""What the models saw in one media item, from its frames to the rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.annotation.tracking import FrameBoxes, TrackLinker
from detector.species.gate import kind_of_label
from detector.store.facts import FactRow, FoundBox
from detector.store.schema import pack_vector
from detector.types import MediaItem

_TRACKED_APART = ("person", "vehicle")  # a bird and another animal are not: detectors waver between the two


@dataclass(frozen=True)
class ItemFacts:
    """What a media item is, beside what is to be seen in it; see `schema.FACTS`."""

    content_hash: str | None = None
    width: int | None = None
    height: int | None = None
    captured_at: datetime | None = None
    captured_from: str | None = None
    camera_model: str | None = None
    frame_rate: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class FrameFacts:
    """What a frame is, beside its boxes.

    Attributes:
        frame_number: Position in the video, from 0; 0 in photos.
        time_s: Seconds from the start of the video; 0.0 in photos.
        size_wh: Of the upright original, pixels.
        brightness: Mean of the grey picture, 0..1.
        night: Whether it was taken in infrared light.
        moved: False where the motion gate passed over it; else None.
    """

    frame_number: int
    time_s: float
    size_wh: tuple[int, int]
    brightness: float | None = None
    night: bool | None = None
    moved: bool | None = None


@dataclass(frozen=True, eq=False)
class FrameFinds:
    """The boxes of a frame.

    Attributes:
        boxes_xyxy: float32 (N, 4), pixels of the upright original.
        label_scores: float32 (N, L), a score a category of the detector; 0: absent.
        appearances: uint8 (N, 64), each box's pixels in grey.
        classified: int64 (K,), rising: the boxes that the classifier saw.
        logits: float32 (K, C).
        embeddings: float32 (K, D); D is 0 without a classifier.
    """

    boxes_xyxy: NDArray[np.float32]
    label_scores: NDArray[np.float32]
    appearances: NDArray[np.uint8]
    classified: NDArray[np.int64]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


@dataclass
class ItemRows:
    """Gathers the rows of one media item while its frames come, in their order.

    Args:
        item: The media item.
        categories: Of the detector.
        keep_embeddings: Whether the store keeps the classifier's embeddings.
    """

    item: MediaItem
    categories: Sequence[str]
    keep_embeddings: bool = False
    facts: ItemFacts = field(default_factory=ItemFacts)
    _frames: list[tuple[FrameFacts, tuple[FoundBox, ...]]] = field(default_factory=list)
    _tracks: TrackLinker = field(default_factory=TrackLinker)

    def add(self, frame: FrameFacts, finds: FrameFinds | None) -> None:
        """Take the next frame; `finds` is None where no model looked at it."""
        boxes: tuple[FoundBox, ...] = ()
        tracks: Sequence[int | None] = []
        if finds is not None:
            tracks = [None] * len(finds)
            if self.item.media_type == "video":
                tracks = self._tracks.link(_tracked(frame.time_s, finds, self.categories)).tolist()
            boxes = self._found_boxes(frame.size_wh, finds, tracks)
        self._frames.append((frame, boxes))

    def done(self, failure: str | None = None, warning: str | None = None) -> list[FactRow]:
        """The rows of the store: one a frame, or one with the failure where there is no frame."""
        if not self._frames:
            return [self._row(None, None, failure or "it holds no picture", warning)]
        warning = "; ".join(text for text in (warning, failure) if text) or None  # what was seen before it broke counts
        return [self._row(frame, boxes, None, warning) for frame, boxes in self._frames]

    def _row(
        self, frame: FrameFacts | None, boxes: tuple[FoundBox, ...] | None, failure: str | None, warning: str | None
    ) -> FactRow:
        width, height = (self.facts.width, self.facts.height) if frame is None else frame.size_wh
        return FactRow(
            media_id=self.item.media_id,
            card=self.item.card,
            path=self.item.path,
            size_bytes=self.item.size_bytes,
            content_hash=self.facts.content_hash,
            media_type=self.item.media_type,
            frame_number=0 if frame is None else frame.frame_number,
            time_s=0.0 if frame is None else frame.time_s,
            width=width,
            height=height,
            captured_at=self.facts.captured_at,
            captured_from=self.facts.captured_from,
            camera_model=self.facts.camera_model,
            frame_rate=self.facts.frame_rate,
            duration_s=self.facts.duration_s,
            failure=failure,
            warning=warning,
            brightness=None if frame is None else frame.brightness,
            night=None if frame is None else frame.night,
            moved=None if frame is None else frame.moved,
            detections=boxes,
        )

    def _found_boxes(
        self, size_wh: tuple[int, int], finds: FrameFinds, tracks: Sequence[int | None]
    ) -> tuple[FoundBox, ...]:
        shares = finds.boxes_xyxy / np.array([*size_wh, *size_wh], np.float32)
        place = {box: row for row, box in enumerate(finds.classified.tolist())}
        boxes = []
        for index, (x1, y1, x2, y2) in enumerate(shares.tolist()):
            row = place.get(index)
            kept = row is not None and self.keep_embeddings
            boxes.append(
                FoundBox(
                    x=x1,
                    y=y1,
                    w=x2 - x1,
                    h=y2 - y1,
                    label_scores=tuple(finds.label_scores[index].tolist()),
                    track_id=tracks[index],
                    logits=None if row is None else pack_vector(finds.logits[row]),
                    embedding=pack_vector(finds.embeddings[row]) if kept else None,
                    appearance=finds.appearances[index].tobytes(),
                )
            )
        return tuple(boxes)


def _tracked(time_s: float, finds: FrameFinds, categories: Sequence[str]) -> FrameBoxes:
    """The boxes as the linking of tracks sees them: by the classifier's embedding, or by their pixels."""
    kinds = [kind_of_label(name) for name in categories]
    apart = np.array([_TRACKED_APART.index(kind) if kind in _TRACKED_APART else -1 for kind in kinds])
    embeddings = np.zeros((len(finds), finds.embeddings.shape[1]), np.float32)
    embeddings[finds.classified] = finds.embeddings
    return FrameBoxes(
        time_s=time_s,
        boxes_xyxy=finds.boxes_xyxy,
        scores=finds.label_scores.max(axis=1, initial=0),
        kinds=apart[finds.label_scores.argmax(axis=1)] if len(finds) else np.zeros(0, np.int64),
        appearances=finds.appearances.astype(np.float32),
        embeddings=embeddings,
    )
