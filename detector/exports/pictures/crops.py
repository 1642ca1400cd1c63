"""crops/TAXON/: each detection cut out of its picture, sorted by taxon, at the picture's full resolution.

Folders carry scientific names; what has no name lies in that of its kind: animal, uncertain, person ... A file's name
begins with deployment and media file and ends with media id, frame and box, so that no two are alike anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_bytes
from detector.base.objects.address import on_disk
from detector.exports.names import safe_name
from detector.exports.pictures.blurring import Region, hide
from detector.exports.pictures.frames import by_frame
from detector.exports.pictures.hidden import HiddenAreas
from detector.exports.pictures.media_files import MediaTask, PictureFormat, WrittenPicture, make_pictures, picture_stem
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import rounded, with_offset
from detector.footage.photos import read_photo
from detector.footage.video import Video
from detector.store.records import DetectionRecord
from detector.types import Frame

MARGIN = 0.1  # of the box's size, on each side
JPEG_QUALITY = 92
COLUMNS = (
    "path", "card", "deployment", "timestamp", "frame_number", "box", "kind", "scientific_name", "display_name",
    "confidence", "detection_score", "media_id",
)  # fmt: skip


def write_crops(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write crops/ with an index.csv."""
    return [make_pictures(source, folder, options, PictureFormat("crops", make_crops, COLUMNS, ("photo", "video")))]


def make_crops(task: MediaTask) -> Iterator[WrittenPicture]:
    """Cut out all shown detections of a media file.

    Raises:
        MediaError: If the file cannot be read.
    """
    found, hidden = by_frame(task.shown), HiddenAreas(task.record.frames, task.hidden)
    for frame in read_frames(task, sorted(found)):
        image = hide(frame.image, hidden.at(frame.frame_number))
        for one in found.get(frame.frame_number, ()):
            yield _make_crop(task, image, one)


def read_frames(task: MediaTask, numbers: Sequence[int]) -> Iterator[Frame]:
    """The frames of a file with these numbers, at full resolution; a photo is one.

    Raises:
        MediaError: If the file cannot be read.
    """
    if task.record.media_type == "photo":
        photo = read_photo(on_disk(task.file))
        yield Frame(photo.image, photo.size_wh)
    else:
        yield from Video(on_disk(task.file)).read_numbers(numbers)


def _make_crop(task: MediaTask, image: NDArray[np.uint8], found: DetectionRecord) -> WrittenPicture:
    record = task.record
    stem = f"{picture_stem(record)}_{found.frame_number:06d}_{found.box}"
    name = f"{safe_name(found.name or found.kind)}/{stem}.jpg"
    write_bytes(task.folder / name, encode_jpeg(cut(image, found)), durable=False)
    return WrittenPicture(
        name,
        (
            record.path,
            record.card,
            record.deployment_id,
            with_offset(record.timestamp, record.utc_offset_min),
            found.frame_number,
            found.box,
            found.kind,
            found.name,
            found.display_name,
            rounded(found.confidence, 4),
            rounded(found.score, 4),
            record.media_id,
        ),
    )


def cut(image: NDArray[np.uint8], found: Region, margin: float = MARGIN) -> NDArray[np.uint8]:
    """The box grown by a share of its size on each side, within the picture (H, W, 3); at least one pixel."""
    height, width = image.shape[:2]
    left, right = _span(found.x, found.w, width, margin)
    top, bottom = _span(found.y, found.h, height, margin)
    return image[top:bottom, left:right]


def _span(start: float, size: float, pixels: int, margin: float) -> tuple[int, int]:
    first = int(np.clip(np.floor((start - margin * size) * pixels), 0, pixels - 1))
    last = int(np.clip(np.ceil((start + (1 + margin) * size) * pixels), first + 1, pixels))
    return first, last


def encode_jpeg(image_rgb: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """A picture, uint8 (H, W, 3), as JPEG, without anything that the camera wrote beside it."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
