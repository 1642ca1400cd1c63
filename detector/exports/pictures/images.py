"""images/: the photos that show something, with boxes and names drawn in; and the drawing of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_bytes
from detector.base.objects.address import on_disk
from detector.exports.pictures.blurring import hide
from detector.exports.pictures.crops import encode_jpeg
from detector.exports.pictures.media_files import MediaTask, PictureFormat, WrittenPicture, make_pictures, picture_stem
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import with_offset
from detector.footage.light import shrink
from detector.footage.photos import read_photo
from detector.plots.detections import draw_detections
from detector.store.records import DetectionRecord, MediaRecord

LONGEST_SIDE = 1920  # pixels; enough for a screen
COLUMNS = ("path", "card", "deployment", "timestamp", "detections", "names", "media_id")


def write_images(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write images/ with an index.csv."""
    return [make_pictures(source, folder, options, PictureFormat("images", make_image, COLUMNS, ("photo",)))]


def make_image(task: MediaTask) -> Iterator[WrittenPicture]:
    """Draw the shown detections into a photo.

    Raises:
        MediaError: If the file cannot be read.
    """
    photo = read_photo(
        on_disk(task.file), at_least=LONGEST_SIDE
    )  # of the short side, so that the picture still shrinks
    name = f"{picture_stem(task.record)}.jpg"
    image = hide(shrink(photo.image, LONGEST_SIDE), task.hidden)
    write_bytes(task.folder / name, encode_jpeg(draw(image, task.shown)), durable=False)
    yield WrittenPicture(name, index_cells(task.record, task.shown))


def index_cells(record: MediaRecord, shown: Sequence[DetectionRecord]) -> tuple[str | int | None, ...]:
    """What the index says of a drawn photo or video, under COLUMNS."""
    names = dict.fromkeys(found.display_name for found in shown)
    timestamp = with_offset(record.timestamp, record.utc_offset_min)
    return record.path, record.card, record.deployment_id, timestamp, len(shown), "; ".join(names), record.media_id


def draw(image: NDArray[np.uint8], shown: Sequence[DetectionRecord]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) with boxes, names and confidences (of the name, else of the box)."""
    height, width = image.shape[:2]
    boxes = [
        (found.x * width, found.y * height, (found.x + found.w) * width, (found.y + found.h) * height)
        for found in shown
    ]
    names = [found.display_name for found in shown]
    scores = [found.score if found.confidence is None else found.confidence for found in shown]
    return draw_detections(image, np.reshape(boxes, (-1, 4)), names, scores)
