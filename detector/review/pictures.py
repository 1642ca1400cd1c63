"""Pictures for the page, made when they are seen, and kept in memory as long as there is room.

Files are read in processes of their own, as everywhere: one that crashes a decoder costs its picture, and nothing that
people said.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError, MediaError
from detector.base.closing import Closing
from detector.base.objects.address import Place
from detector.base.objects.fetching import local_copy
from detector.exports.pictures.blurring import hide
from detector.exports.pictures.crops import encode_jpeg
from detector.exports.pictures.hidden import Area
from detector.footage.isolation import Failed, IsolatedReaders, Produced
from detector.footage.light import shrink
from detector.footage.photos import read_photo
from detector.footage.video import Video
from detector.report.pictures import CROP_PX, QUALITY, crop_of

MOST_WORKERS = 4
SILENCE_S = 60.0
CACHE_BYTES = 96 << 20  # some ten thousand crops
FRAME_PX = 1600
THUMB_PX = 480  # of whole pictures in a grid
FULL_PX = 6000


@dataclass(frozen=True)
class Crop:
    """A part of a picture, and the number by which it is asked for."""

    box: int
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class PictureTask:
    """Pictures of one frame of a file.

    Attributes:
        file: Where the file is.
        video: Whether it is a video.
        frame_number: 0 in photos.
        size_wh: Of the original, pixels.
        hidden: Parts to blur.
        crops: Boxes to cut out.
        longest_px: Of the whole picture, in place of crops.
    """

    file: Place
    video: bool
    frame_number: int
    size_wh: tuple[int, int]
    hidden: tuple[Area, ...] = ()
    crops: tuple[Crop, ...] = ()
    longest_px: int = FRAME_PX


def make_pictures(task: PictureTask) -> Iterator[tuple[int, bytes]]:
    """The number of each box and its crop as JPEG; of a task without boxes -1 and the whole picture.

    Raises:
        MediaError: If the file cannot be read, or has no such frame.
    """
    with local_copy(task.file) as file:
        image = hide(_picture(task, file), task.hidden)
    for found in task.crops:
        yield found.box, encode_jpeg(crop_of(image, found), QUALITY)
    if not task.crops:
        yield -1, encode_jpeg(shrink(image, task.longest_px), QUALITY)


def _picture(task: PictureTask, file: Path) -> NDArray[np.uint8]:
    if not task.video:
        return read_photo(file, at_least=least_side(task)).image
    frame = next(iter(Video(file).read_numbers([task.frame_number])), None)
    if frame is None:
        raise MediaError("the video has no such frame", where=task.file, hint="copy it from the card again")
    return frame.image


def least_side(task: PictureTask) -> int:
    """Pixels of the short side that are enough: photos are decoded at a half or a quarter where that does."""
    short, long = sorted(task.size_wh)
    if not task.crops:
        return min(short, round(task.longest_px * short / max(long, 1)))
    smallest = min(max(found.w * task.size_wh[0], found.h * task.size_wh[1]) for found in task.crops)
    return min(short, round(short * CROP_PX / max(smallest, 1)))


class Pictures(Closing):
    """Makes pictures in a few processes, each once, and keeps them.

    Args:
        cache_bytes: Room for what was made.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        workers = max(1, min(os.cpu_count() or 1, MOST_WORKERS))
        self._threads = ThreadPoolExecutor(workers, "pictures")
        self._own = threading.local()
        self._readers: list[IsolatedReaders[PictureTask, tuple[int, bytes]]] = []
        self._lock = threading.Lock()
        self._room = cache_bytes
        self._held = 0
        self._made: OrderedDict[PictureTask, dict[int, bytes]] = OrderedDict()
        self._making: dict[PictureTask, Future[dict[int, bytes]]] = {}
        self._workers = workers
        self._closed = False

    def warm(self) -> None:
        """Start the processes, each of which takes a second or two: not only when somebody waits for a picture."""
        for _ in range(self._workers):
            self._threads.submit(self._start)

    def _start(self) -> None:
        with suppress(HoopoeError):
            list(self._reader().run([PictureTask(Path(os.devnull), False, 0, (1, 1))]))

    def __call__(self, task: PictureTask) -> Future[dict[int, bytes]]:
        """The pictures of a task by box, -1: the whole; a HoopoeError where the file cannot be read."""
        with self._lock:
            if task in self._made:
                self._made.move_to_end(task)
                done: Future[dict[int, bytes]] = Future()
                done.set_result(self._made[task])
                return done
            if task not in self._making:
                self._making[task] = self._threads.submit(self._make, task)
            return self._making[task]

    def close(self) -> None:
        """End the processes; what is being made is lost."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for readers in self._readers:
            readers.close()  # also of a thread that still waits for its process to start

    def _make(self, task: PictureTask) -> dict[int, bytes]:
        made: dict[int, bytes] = {}
        try:
            for event in self._reader().run([task]):
                if isinstance(event, Produced):
                    made[event.value[0]] = event.value[1]
                elif isinstance(event, Failed):
                    raise event.error
        except HoopoeError:
            with self._lock:
                del self._making[task]  # the card may be put in meanwhile
            raise
        self._keep(task, made)
        return made

    def _reader(self) -> IsolatedReaders[PictureTask, tuple[int, bytes]]:
        if not hasattr(self._own, "reader"):
            self._own.reader = IsolatedReaders(1, make_pictures, SILENCE_S, name=lambda task: str(task.file))
            with self._lock:
                if self._closed:
                    raise HoopoeError("the program ends", hint="start it again")
                self._readers.append(self._own.reader)
        reader: IsolatedReaders[PictureTask, tuple[int, bytes]] = self._own.reader
        return reader

    def _keep(self, task: PictureTask, made: dict[int, bytes]) -> None:
        with self._lock:
            del self._making[task]
            self._made[task] = made
            self._held += sum(map(len, made.values()))
            while self._held > self._room and len(self._made) > 1:
                _, oldest = self._made.popitem(last=False)
                self._held -= sum(map(len, oldest.values()))
