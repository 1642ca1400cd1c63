"""Media items as images with their detections: a photo is one, a video one a sampled frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detector.exports.names import FileNames, frame_name
from detector.store.records import DetectionRecord, MediaRecord


@dataclass(frozen=True)
class AnnotatedImage:
    """A photo, or a sampled frame of a video, with the detections that are shown.

    Attributes:
        record: The media item that it is, or is a frame of.
        name: Its file name, of a frame VIDEO/frame000123.jpg.
        frame_number: 0 in photos.
        size_wh: Width and height, pixels.
        found: The detections that are shown.
    """

    record: MediaRecord
    name: str
    frame_number: int
    size_wh: tuple[int, int]
    found: tuple[DetectionRecord, ...]

    @property
    def key(self) -> str:
        """An id that no other image has."""
        video = self.record.media_type == "video"
        return f"{self.record.media_id}_{self.frame_number:06d}" if video else self.record.media_id


def annotated_images(record: MediaRecord, threshold: float, names: FileNames) -> Iterator[AnnotatedImage]:
    """The images of a media item; none of one that could not be read."""
    if record.failure is not None or record.width is None or record.height is None:
        return
    size_wh = (record.width, record.height)
    shown = record.shown(threshold)
    if record.media_type == "photo":
        yield AnnotatedImage(record, names.of(record), 0, size_wh, shown)
        return
    found = by_frame(shown)
    for number in sorted({*record.frames, *found}):
        yield AnnotatedImage(record, frame_name(names.of(record), number), number, size_wh, found.get(number, ()))


def by_frame(shown: Iterable[DetectionRecord]) -> dict[int, tuple[DetectionRecord, ...]]:
    """Detections by the number of their frame."""
    frames: dict[int, list[DetectionRecord]] = {}
    for found in shown:
        frames.setdefault(found.frame_number, []).append(found)
    return {number: tuple(found) for number, found in frames.items()}


def pixel_box(found: DetectionRecord, size_wh: tuple[int, int]) -> list[float]:
    """COCO's x, y, width, height in pixels; three decimals are more than float32 holds."""
    width, height = size_wh
    return [
        round(float(side) * scale, 3)
        for side, scale in ((found.x, width), (found.y, height), (found.w, width), (found.h, height))
    ]


def box_inside(found: DetectionRecord) -> tuple[float, float, float, float]:
    """The part of a box within the picture: x, y, w, h as shares; other tools' boxes begin a little below 0."""
    left, top = (min(max(float(side), 0.0), 1.0) for side in (found.x, found.y))
    right, bottom = (min(max(float(side), 0.0), 1.0) for side in (found.x + found.w, found.y + found.h))
    return left, top, max(right - left, 0.0), max(bottom - top, 0.0)
