"""videos/: the videos that show something, with boxes and names drawn in: H.264 in MP4, without sound.

Between two sampled frames, the box of an individual that is in both moves from one place to the other; a
box that is in one of them only is seen up to half of the way: the detector looks once a second, and birds do not wait.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from numpy.typing import NDArray

from detector.base.closing import Closing
from detector.base.files import atomic_path
from detector.base.objects.address import on_disk
from detector.exports.pictures.blurring import hide
from detector.exports.pictures.frames import by_frame
from detector.exports.pictures.hidden import HiddenAreas
from detector.exports.pictures.images import COLUMNS, draw, index_cells
from detector.exports.pictures.media_files import MediaTask, PictureFormat, WrittenPicture, make_pictures, picture_stem
from detector.exports.source import ExportOptions, ExportSource
from detector.footage.light import shrink
from detector.footage.video import Video
from detector.store.records import DetectionRecord

LONGEST_SIDE = 1280  # pixels; drawing and encoding take as long as there are pixels
TICKS_A_SECOND = 10_000  # of timestamps; mpeg4 takes at most 65,535
DEFAULT_RATE = 25
SLOWEST = Fraction(1, 1001)  # frames a second; a time-lapse of a frame an hour would round to none


def write_videos(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write videos/ with an index.csv."""
    return [make_pictures(source, folder, options, PictureFormat("videos", make_video, COLUMNS, ("video",)))]


def make_video(task: MediaTask) -> Iterator[WrittenPicture]:
    """Draw the shown detections into a video.

    Raises:
        MediaError: If the file cannot be read.
    """
    name = f"{picture_stem(task.record)}.mp4"
    video = Video(on_disk(task.file), threads=1)
    boxes = MovingBoxes(task.record.frames, task.shown)
    hidden = HiddenAreas(task.record.frames, task.hidden)
    path = task.folder / name
    with atomic_path(path, durable=False) as unfinished, VideoEncoder(unfinished, video.info.frame_rate) as encoder:
        for frame in video.read("all"):
            picture = hide(shrink(frame.image, LONGEST_SIDE), hidden.at(frame.frame_number))
            encoder.add(draw(picture, boxes.at(frame.frame_number)), frame.time_s)
    yield WrittenPicture(name, index_cells(task.record, task.shown))


class MovingBoxes:
    """The boxes to see at any frame of a video.

    Args:
        sampled: Numbers of the frames that the detector saw, rising.
        shown: The detections of those frames.
    """

    def __init__(self, sampled: tuple[int, ...], shown: tuple[DetectionRecord, ...]) -> None:
        self._found = by_frame(shown)
        self._numbers = sorted({*sampled, *self._found})

    def at(self, frame_number: int) -> tuple[DetectionRecord, ...]:
        """Those of this frame, or between those of the sampled frames around it."""
        place = bisect_right(self._numbers, frame_number)
        before = self._numbers[place - 1] if place else None
        after = self._numbers[place] if place < len(self._numbers) else None
        if before is None or frame_number == before:
            return () if before is None else self._found.get(before, ())
        # the last one holds as long as those before it did
        end = after if after is not None else before + (before - self._numbers[place - 2] if place > 1 else 1)
        way = (frame_number - before) / (end - before)
        earlier, later = self._found.get(before, ()), self._found.get(end, ())
        targets = {box.individual_id: box for box in later if box.individual_id is not None}
        moving = [(box, targets.pop(box.individual_id)) for box in earlier if box.individual_id in targets]
        moved = {start.individual_id for start, _ in moving}
        return (
            *(_between(start, target, way) for start, target in moving),
            *(box for box in (earlier if way < 0.5 else later) if box.individual_id not in moved),
        )


def _between(start: DetectionRecord, target: DetectionRecord, way: float) -> DetectionRecord:
    """The nearer of two boxes of an individual, at a place on the way from the first to the second."""
    places = {name: (1 - way) * getattr(start, name) + way * getattr(target, name) for name in ("x", "y", "w", "h")}
    return replace(start if way < 0.5 else target, **places)


class VideoEncoder(Closing):
    """Encodes pictures of one size into an MP4; others are fitted to the first one's.

    Args:
        path: The file to write.
        frame_rate: Frames a second, about; None where nobody knows.
    """

    def __init__(self, path: Path, frame_rate: float | None) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._rate = max(Fraction(frame_rate or DEFAULT_RATE).limit_denominator(1001), SLOWEST)
        self._stream: Any = None
        self._size_wh = (0, 0)
        self._ticks = -1

    def _begin(self, first: NDArray[np.uint8]) -> None:
        height, width = first.shape[:2]
        self._size_wh = (max(width // 2 * 2, 2), max(height // 2 * 2, 2))  # its colours have half the resolution
        self._stream = self._container.add_stream(_codec(), rate=self._rate)
        self._stream.width, self._stream.height = self._size_wh
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS_A_SECOND)
        self._stream.codec_context.thread_count = (
            1  # there is a process a core; x264 would start one a core of the machine
        )
        if self._stream.codec_context.name == "libx264":
            self._stream.options = {"crf": "23", "preset": "veryfast", "threads": "1"}
        else:
            self._stream.bit_rate = 4_000_000

    def add(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Add a picture (H, W, 3) at a time, later than that of the one before."""
        if self._stream is None:
            self._begin(picture)
        if (picture.shape[1], picture.shape[0]) != self._size_wh:
            picture = np.asarray(cv2.resize(picture, self._size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        self._ticks = max(round(time_s * TICKS_A_SECOND), self._ticks + 1)
        frame.pts, frame.time_base = self._ticks, Fraction(1, TICKS_A_SECOND)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds."""
        with self._container:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))


def _codec() -> str:
    try:
        av.codec.Codec("libx264", "w")
    except UnknownCodecError:
        return "mpeg4"  # every build of FFmpeg has it
    return "libx264"
