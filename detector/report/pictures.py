"""The report's pictures: a crop of each box, the frame around it, and a clip of each video, all small.

They are pixels alone, without what the camera wrote into the file. Where people are to be blurred, a video that shows
some has no clip: between the frames that the detector saw, nobody knows where they are.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.base.files import atomic_path, write_bytes
from detector.base.objects.address import on_disk
from detector.exports.pictures.blurring import Region, hide
from detector.exports.pictures.crops import cut, encode_jpeg, read_frames
from detector.exports.pictures.frames import by_frame
from detector.exports.pictures.hidden import HiddenAreas
from detector.exports.pictures.media_files import INDEX, MediaTask, WrittenPicture
from detector.exports.pictures.videos import VideoEncoder
from detector.footage.light import shrink
from detector.footage.video import Video

CROP_PX = 240  # long side; twice as large as it is shown, for fine screens
FRAME_PX = 1000
CLIP_PX = 640
CROP_MARGIN = 0.25  # of the box's size, on each side: a bird is told by what is around it, too
SMALLEST_PX = 96  # what is smaller is enlarged, smoothly, where a browser would show squares
QUALITY = 80  # of JPEG
AROUND_S = 2.0  # of a clip before and after what is seen
LONGEST_S = 30.0  # of a clip
COLUMNS = ("card", "media_id", "made_of")


def crop_name(media_id: str, frame_number: int, box: int) -> str:
    """The name of a box's picture, in one of some thousands of folders; report/static/app/data.js makes the same."""
    return f"{media_id[:3]}/{media_id}-{frame_number}-{box}.jpg"


def made_of(task: MediaTask) -> str:
    """A hash of all that the pictures of a file depend on, but for the file, which does not change."""
    boxes = [(found.frame_number, found.box, found.x, found.y, found.w, found.h) for found in task.shown]
    areas = HiddenAreas(task.record.frames, task.hidden)
    frames = sorted({found.frame_number for found in task.shown}) if task.hidden else []
    hidden = [(number, part.x, part.y, part.w, part.h) for number in frames for part in areas.at(number)]
    made_by = (CROP_PX, FRAME_PX, CLIP_PX, CROP_MARGIN, SMALLEST_PX, QUALITY, AROUND_S, LONGEST_S)
    return hashlib.blake2b(repr((boxes, bool(task.hidden), hidden, made_by)).encode(), digest_size=8).hexdigest()


class EarlierPictures:
    """The pictures of an earlier report: those of a file stay as long as they would come out the same.

    Args:
        folder: Of the pictures.
    """

    def __init__(self, folder: Path) -> None:
        self._made: dict[str, tuple[str, list[str]]] = {}
        self._written_ns = 0
        with suppress(OSError, UnicodeDecodeError, csv.Error), _open_index(folder) as file:
            self._written_ns = os.fstat(file.fileno()).st_mtime_ns
            for row in csv.DictReader(file):
                picture, media_id, key = (row.get(name) or "" for name in ("picture", "media_id", "made_of"))
                self._made.setdefault(media_id, (key, []))[1].append(picture)

    def __call__(self, task: MediaTask) -> bool:
        """Whether all pictures of a file are there, and are what would be made now."""
        key, names = self._made.get(task.record.media_id, ("", []))
        return key == made_of(task) and all(self._is_of_then(task.folder / name) for name in names)

    def _is_of_then(self, picture: Path) -> bool:
        """Whether it is there, and not of a later report that was stopped, blurred otherwise: the index comes last."""
        with suppress(OSError):
            return picture.stat().st_mtime_ns <= self._written_ns
        return False


def _open_index(folder: Path) -> TextIO:
    return (folder / INDEX).open(encoding="utf-8-sig", newline="")


def pictures_there(folder: Path) -> set[str]:
    """The names of all pictures that the index lists."""
    with _open_index(folder) as file:
        return {row["picture"] for row in csv.DictReader(file)}


def make_report_pictures(task: MediaTask) -> Iterator[WrittenPicture]:
    """Make the pictures of a file.

    Raises:
        MediaError: If the file cannot be read.
    """
    record, found, hidden = task.record, by_frame(task.shown), HiddenAreas(task.record.frames, task.hidden)
    stem = f"{record.media_id[:3]}/{record.media_id}"
    for frame in read_frames(task, sorted(found)):
        number = frame.frame_number
        image = hide(frame.image, hidden.at(number))
        for one in found.get(number, ()):
            yield _written(task, crop_name(record.media_id, number, one.box), encode_jpeg(crop_of(image, one), QUALITY))
        yield _written(task, f"{stem}-{number}.jpg", encode_jpeg(shrink(image, FRAME_PX), QUALITY))
    name = f"{stem}.mp4"
    if task.hidden:
        (task.folder / name).unlink(missing_ok=True)  # of a report without blurring that was stopped
    elif record.media_type == "video":
        _write_clip(task, task.folder / name)
        yield WrittenPicture(name, (record.card, record.media_id, made_of(task)))


def _written(task: MediaTask, name: str, content: bytes) -> WrittenPicture:
    write_bytes(task.folder / name, content, durable=False)
    return WrittenPicture(name, (task.record.card, task.record.media_id, made_of(task)))


def crop_of(image: NDArray[np.uint8], found: Region) -> NDArray[np.uint8]:
    """A box with what is around it, of a picture (H, W, 3), as small as it is shown."""
    crop = cut(image, found, CROP_MARGIN)
    longest = max(crop.shape[:2])
    if longest >= SMALLEST_PX:
        return shrink(crop, CROP_PX)
    scale = SMALLEST_PX / longest
    size_wh = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    return np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


def _write_clip(task: MediaTask, path: Path) -> None:
    """What happens around the boxes of a video, as it is; the frames beside it show the boxes."""
    video = Video(on_disk(task.file), threads=1)
    rate = video.info.frame_rate or 1.0
    seen = [found.frame_number for found in task.shown]
    first = max(min(seen) - round(AROUND_S * rate), 0)
    last = min(max(seen) + round(AROUND_S * rate), first + round(LONGEST_S * rate))
    with atomic_path(path, durable=False) as unfinished, VideoEncoder(unfinished, video.info.frame_rate) as encoder:
        began = None
        for frame in video.read_numbers(np.arange(first, last + 1)):
            began = frame.time_s if began is None else began
            encoder.add(shrink(frame.image, CLIP_PX), frame.time_s - began)
