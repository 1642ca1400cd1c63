"""Looking at every picture of a set once: can it be read, how large is it, and what does it look like?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.data.images import orient, orientation_of, upright_size

THUMBNAIL_SIDE = 16  # pixels
_DRAFT_SIZE = (256, 256)  # JPEG decodes to about this size, in a fraction of the time but reading every byte


@dataclass(frozen=True, eq=False)
class Picture:
    """What one look at a picture file tells.

    Args:
        stored_wh: Width and height in the file, None when it cannot be read.
        orientation: EXIF orientation, 1 to 8.
        thumbnail: uint8 (16, 16), the upright picture in gray.
        fingerprint: 64 bits: the signs of the horizontal steps of an upright 9 x 8 gray thumbnail (dHash).
        missing: There is no such file.
        error: Why it cannot be read.
    """

    stored_wh: tuple[int, int] | None = None
    orientation: int = 1
    thumbnail: NDArray[np.uint8] | None = None
    fingerprint: int = 0
    missing: bool = False
    error: str | None = None

    @property
    def upright_wh(self) -> tuple[int, int] | None:
        """Width and height once the EXIF orientation is applied."""
        return self.stored_wh and upright_size(self.stored_wh, self.orientation)


def look_at(path: Path) -> Picture:
    """Decode one picture to its end; what fails is told in the result and never raised."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Picture(missing=True, error="the file does not exist")
    except OSError as error:
        return Picture(error=error.strerror or str(error))
    if not data:
        return Picture(error="the file is empty")
    try:
        with Image.open(BytesIO(data)) as picture:
            stored_wh = picture.size
            try:
                orientation = orientation_of(picture)
            except Exception:  # a damaged EXIF block raises whatever its bytes lead to, and must not cost the picture
                orientation = 1
            picture.draft("L", _DRAFT_SIZE)
            gray = _gray(picture)
    except Exception as error:  # decoders of damaged files raise many types: struct.error, SyntaxError, OSError ...
        return Picture(error=str(error) or type(error).__name__)
    upright = orient(gray[..., None], orientation)[..., 0]
    thumbnail = cv2.resize(upright, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return Picture(stored_wh, orientation, thumbnail.astype(np.uint8, copy=False), difference_hash(upright))


def _gray(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I"):  # Pillow cuts 16 bits off at 255
        return (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    return np.asarray(picture.convert("L"))


def difference_hash(gray: NDArray[np.uint8]) -> int:
    """The dHash of a gray picture (H, W): 64 bits that survive resizing and recompression.

    Source: N. Krawetz, "Kind of Like That", hackerfactor.com, 2013.
    """
    small = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def look_at_all(paths: Sequence[Path], on_each: Callable[[], None] = lambda: None) -> list[Picture]:
    """Look at many pictures in parallel (decoding releases the interpreter's lock).

    Args:
        paths: The files.
        on_each: Called after each picture, for a progress bar.
    """
    pictures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for picture in pool.map(look_at, paths):
            pictures.append(picture)
            on_each()
    return pictures
