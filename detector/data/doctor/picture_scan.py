"""One pass over every picture of a set: can it be read, how large is it, and what does it look like?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backbones.errors import MediaError
from detector.base.orientation import upright_size
from detector.base.pictures import decode_picture

THUMBNAIL_SIDE = 16  # pixels
_SHORT_SIDE = 256  # JPEG decodes to about this size, in a fraction of the time but reading every byte


@dataclass(frozen=True, eq=False)
class PictureScan:
    """What reading a picture file once gives.

    Args:
        stored_wh: Width and height in the file, None when it cannot be read.
        orientation: EXIF orientation, 1 to 8.
        thumbnail: uint8 (16, 16), the upright picture in gray.
        fingerprint: 64 bits: the signs of the horizontal steps of an upright 9 x 8 gray thumbnail (dHash).
        missing: There is no such file.
        error: Why it cannot be read.
        warning: What of it cannot be read, or is not.
    """

    stored_wh: tuple[int, int] | None = None
    orientation: int = 1
    thumbnail: NDArray[np.uint8] | None = None
    fingerprint: int = 0
    missing: bool = False
    error: str | None = None
    warning: str | None = None

    @property
    def upright_wh(self) -> tuple[int, int] | None:
        """Width and height once the EXIF orientation is applied."""
        return self.stored_wh and upright_size(self.stored_wh, self.orientation)


def scan_picture(path: Path) -> PictureScan:
    """Decode one picture to its end; a failure is part of the result and never raised."""
    if not os.path.exists(path):  # False, too, for a name that is too long for the system
        return PictureScan(missing=True, error="the file does not exist")
    try:
        read = decode_picture(path, min_side=_SHORT_SIDE)
    except MediaError as error:
        return PictureScan(error=error.problem)
    gray = cv2.cvtColor(read.image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    thumbnail = cv2.resize(gray, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return PictureScan(
        read.stored_wh,
        read.orientation,
        thumbnail.astype(np.uint8, copy=False),
        difference_hash(gray),
        warning=read.warning,
    )


def difference_hash(gray: NDArray[np.uint8]) -> int:
    """The dHash of a gray picture (H, W): 64 bits that survive resizing and recompression.

    Source: N. Krawetz, "Kind of Like That", hackerfactor.com, 2013.
    """
    small = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def scan_pictures(paths: Sequence[Path], on_each: Callable[[], None] = lambda: None) -> list[PictureScan]:
    """Scan many pictures in parallel (decoding releases the interpreter's lock).

    Args:
        paths: The files.
        on_each: Called after each picture, for a progress bar.
    """
    pictures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for picture in pool.map(scan_picture, paths):
            pictures.append(picture)
            on_each()
    return pictures
