"""What is known of a media item, of a frame, and of the boxes in it: the values between the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.models.tiling import View
from detector.types import MediaItem


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
    size_bytes: int | None = None
    """Of an object that was fetched, and whose size no listing said; None: the item knows its own."""


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
        seen_by: Which pass saw it, where there is a first pass; see `schema.SEEN_BY`.
    """

    frame_number: int
    time_s: float
    size_wh: tuple[int, int]
    brightness: float | None = None
    night: bool | None = None
    moved: bool | None = None
    seen_by: str | None = None


@dataclass(frozen=True, eq=False)
class FrameFinds:
    """The boxes of a frame.

    Attributes:
        boxes_xywh: float32 (N, 4): left, top, width and height as shares of the picture, as the store holds them.
        label_scores: float32 (N, L), a score a category of the detector; 0: absent.
        appearances: uint8 (N, 64), each box's pixels in grey.
        classified: int64 (K,), rising: the boxes that the classifier saw.
        logits: float32 (K, C).
        embeddings: float32 (K, D); D is 0 without a classifier.
    """

    boxes_xywh: NDArray[np.float32]
    label_scores: NDArray[np.float32]
    appearances: NDArray[np.uint8]
    classified: NDArray[np.int64]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes_xywh)


@dataclass(frozen=True)
class FrameKey:
    """Which frame it is: the number of its item, and its place among the item's frames."""

    item: int
    place: int


@dataclass(frozen=True, eq=False)
class FrameViews:
    """A frame as the detector sees it.

    Attributes:
        key: Which one it is.
        frame: The frame.
        views: The whole picture first, then tiles where there are any.
        pictures: RGB uint8, each view at its network size.
    """

    key: FrameKey
    frame: FrameFacts
    views: tuple[View, ...]
    pictures: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True, eq=False)
class FrameResult:
    """A frame that a stage is done with; `finds` is None where no model saw it."""

    key: FrameKey
    frame: FrameFacts
    finds: FrameFinds | None


@dataclass(frozen=True, eq=False)
class BoxedFrame:
    """Known boxes of a photo or of a frame of a video: shares (N, 4), and a score of each label (N, L)."""

    number: int
    boxes_xywh: NDArray[np.float32]
    label_scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BoxedItem:
    """A media item whose boxes are known; a photo has one frame, maybe without boxes.

    Attributes:
        item: The media item.
        frames: Those with boxes.
        warnings: What could not be used of them.
    """

    item: MediaItem
    frames: tuple[BoxedFrame, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ClassifiedItem:
    """What came of an item whose boxes are known.

    Attributes:
        boxed: The item.
        facts: What it is.
        frames: Number of a frame -> what it is and shows; those that could be read and had boxes, and photos.
        failure: Why not all could be read.
        warnings: What was lost of the file.
        gone: Whether the machine that was to read it does not see it, so that nothing is known of it.
    """

    boxed: BoxedItem
    facts: ItemFacts = field(default_factory=ItemFacts)
    frames: Mapping[int, tuple[FrameFacts, FrameFinds]] = field(default_factory=dict)
    failure: str | None = None
    warnings: tuple[str, ...] = ()
    gone: bool = False
