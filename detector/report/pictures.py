"""The report's pictures: a crop of each box, the frame around it, and a clip of each video, all small.

They are pixels alone, without what the camera wrote into the file. Where people are to be blurred, a video that shows
some has no clip: between the frames that the detector saw, nobody knows where they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.base.files import atomic_path, write_bytes
from detector.exports.pictures.blurring import hide
from detector.exports.pictures.crops import cut, encode_jpeg, read_frames
from detector.exports.pictures.frames import by_frame
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
COLUMNS = ("card", "media_id")


def crop_name(media_id: str, frame_number: int, box: int) -> str:
    """The name of a box's picture, in one of some thousands of folders; report/static/app/data.js makes the same."""
    return f"{media_id[:3]}/{media_id}-{frame_number}-{box}.jpg"


def pictures_there(folder: Path) -> set[str]:
    """The names of all pictures that the index lists."""
    with (folder / INDEX).open(encoding="utf-8-sig", newline="") as file:
        return {row["picture"] for row in csv.DictReader(file)}


def make_report_pictures(task: MediaTask) -> Iterator[WrittenPicture]:
    """Make the pictures of a file.

    Raises:
        MediaError: If the file cannot be read.
    """
    record, found, hidden = task.record, by_frame(task.shown), by_frame(task.hidden)
    stem = f"{record.media_id[:3]}/{record.media_id}"
    for frame in read_frames(task, sorted(found)):
        number = frame.frame_number
        image = hide(frame.image, hidden.get(number, ()))
        for one in found.get(number, ()):
            crop = _of_size(cut(image, one, CROP_MARGIN))
            yield _written(task, crop_name(record.media_id, number, one.box), encode_jpeg(crop, QUALITY))
        yield _written(task, f"{stem}-{number}.jpg", encode_jpeg(shrink(image, FRAME_PX), QUALITY))
    if record.media_type == "video" and not task.hidden:
        name = f"{stem}.mp4"
        _write_clip(task, task.folder / name)
        yield WrittenPicture(name, (record.card, record.media_id))


def _written(task: MediaTask, name: str, content: bytes) -> WrittenPicture:
    write_bytes(task.folder / name, content, durable=False)
    return WrittenPicture(name, (task.record.card, task.record.media_id))


def _of_size(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longest = max(crop.shape[:2])
    if longest >= SMALLEST_PX:
        return shrink(crop, CROP_PX)
    scale = SMALLEST_PX / longest
    size_wh = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    return np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


def _write_clip(task: MediaTask, path: Path) -> None:
    """What happens around the boxes of a video, as it is; the frames beside it show the boxes."""
    video = Video(task.file, threads=1)
    rate = video.info.frame_rate or 1.0
    seen = [found.frame_number for found in task.shown]
    first = max(min(seen) - round(AROUND_S * rate), 0)
    last = min(max(seen) + round(AROUND_S * rate), first + round(LONGEST_S * rate))
    with atomic_path(path, durable=False) as unfinished, VideoEncoder(unfinished, video.info.frame_rate) as encoder:
        began = None
        for frame in video.read_numbers(np.arange(first, last + 1)):
            began = frame.time_s if began is None else began
            encoder.add(shrink(frame.image, CLIP_PX), frame.time_s - began)
