"""From the frames of one media item to the rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.annotation.tracking import FrameBoxes, TrackLinker
from detector.annotation.values import FrameFacts, FrameFinds, ItemFacts
from detector.boxes import xywh_to_xyxy
from detector.species.names.kinds import kind_of_label
from detector.species.posterior import posterior
from detector.store.facts import FactRow, FoundBox
from detector.store.schema import pack_vector
from detector.types import Kind, MediaItem

# a bird and another animal are not: detectors waver between the two
_TRACKED_APART = (Kind.PERSON, Kind.VEHICLE, Kind.BLANK, Kind.UNDECIDED)


Rows = list[FactRow]  # of one media item


@dataclass(frozen=True)
class RowsOptions:
    """What of an item becomes rows.

    Attributes:
        categories: Of the detector.
        embedding_size: Of the classifier's embeddings; 0 without a classifier.
        keep_embeddings: Whether the store keeps them.
    """

    categories: Sequence[str]
    embedding_size: int = 0
    keep_embeddings: bool = False


@dataclass
class ItemRows:
    """Gathers the rows of one media item while its frames come, in their order.

    Args:
        item: The media item.
        options: What of it becomes rows.
        facts: What it is; may come later.
    """

    item: MediaItem
    options: RowsOptions
    facts: ItemFacts = field(default_factory=ItemFacts)
    _early: dict[int, tuple[FrameFacts, FrameFinds | None]] = field(default_factory=dict)
    _frames: list[tuple[FrameFacts, tuple[FoundBox, ...]]] = field(default_factory=list)
    _tracks: TrackLinker = field(default_factory=TrackLinker)

    def add(self, place: int, frame: FrameFacts, finds: FrameFinds | None) -> None:
        """Take a frame; frames may overtake each other.

        Args:
            place: Its place among the frames that were decoded, from 0.
            frame: The frame.
            finds: Its boxes; None where no model saw it.
        """
        self._early[place] = frame, finds
        while len(self._frames) in self._early:
            self._append(*self._early.pop(len(self._frames)))

    def __len__(self) -> int:
        return len(self._frames) + len(self._early)

    def _append(self, frame: FrameFacts, finds: FrameFinds | None) -> None:
        boxes: tuple[FoundBox, ...] = ()
        if finds is not None:
            tracks: Sequence[int | None] = [None] * len(finds)
            if self.item.media_type == "video":
                tracks = self._tracks.link(self._tracked(frame, finds)).tolist()
            boxes = self._found_boxes(finds, tracks)
        self._frames.append((frame, boxes))

    def done(self, failure: str | None = None, warning: str | None = None) -> Rows:
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
            size_bytes=self.facts.size_bytes or self.item.size_bytes,
            content_hash=self.facts.content_hash,
            media_type=self.item.media_type,
            frame_number=0 if frame is None else frame.frame_number,
            time_s=0.0 if frame is None else frame.time_s,
            width=width,
            height=height,
            captured_at=self.facts.captured_at,
            captured_from=self.facts.captured_from,
            modified_at=self.item.modified_at,
            camera_model=self.facts.camera_model,
            frame_rate=self.facts.frame_rate,
            duration_s=self.facts.duration_s,
            failure=failure,
            warning=warning,
            brightness=None if frame is None else frame.brightness,
            night=None if frame is None else frame.night,
            moved=None if frame is None else frame.moved,
            seen_by=None if frame is None else frame.seen_by,
            detections=boxes,
        )

    def _found_boxes(self, finds: FrameFinds, tracks: Sequence[int | None]) -> tuple[FoundBox, ...]:
        place = {box: row for row, box in enumerate(finds.classified.tolist())}
        boxes = []
        for index, (x, y, w, h) in enumerate(finds.boxes_xywh.tolist()):
            row = place.get(index)
            kept = row is not None and self.options.keep_embeddings
            boxes.append(
                FoundBox(
                    x=x,
                    y=y,
                    w=w,
                    h=h,
                    label_scores=tuple(finds.label_scores[index].tolist()),
                    track_id=tracks[index],
                    logits=None if row is None else pack_vector(finds.logits[row]),
                    embedding=pack_vector(finds.embeddings[row]) if kept else None,
                    appearance=finds.appearances[index].tobytes(),
                )
            )
        return tuple(boxes)

    def _tracked(self, frame: FrameFacts, finds: FrameFinds) -> FrameBoxes:
        kinds = [kind_of_label(name) for name in self.options.categories]
        apart = np.array([_TRACKED_APART.index(kind) if kind in _TRACKED_APART else -1 for kind in kinds])
        embeddings = np.zeros((len(finds), self.options.embedding_size), np.float32)
        species = np.zeros((len(finds), finds.logits.shape[1]), np.float32)
        if len(finds.classified):
            embeddings[finds.classified] = finds.embeddings
            species[finds.classified] = posterior(finds.logits)
        return FrameBoxes(
            time_s=frame.time_s,
            boxes_xyxy=xywh_to_xyxy(finds.boxes_xywh) * np.array(frame.size_wh * 2),
            scores=finds.label_scores.max(axis=1, initial=0),
            kinds=apart[finds.label_scores.argmax(axis=1)] if len(finds) else np.zeros(0, np.int64),
            appearances=finds.appearances.astype(np.float32),
            embeddings=embeddings,
            species=species,
        )
