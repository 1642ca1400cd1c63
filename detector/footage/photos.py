"""Reading photos: upright RGB, as small as the reader allows, with what the camera wrote; or an error with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.base.pictures import decode_picture
from detector.footage.metadata import Capture, capture_of_photo


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read.

    Attributes:
        image: RGB (H, W, 3) of uint8, upright; a half, quarter or eighth of the original's size where less was asked.
        size_wh: Width and height of the upright original in pixels.
        capture: When it was taken, and by which camera.
        warning: What of the file could not be read, or was not; None: nothing.
    """

    image: NDArray[np.uint8]
    size_wh: tuple[int, int]
    capture: Capture
    warning: str | None = None


def read_photo(file: Path, *, at_least: int | None = None) -> Photo:
    """Read a photo, by `decode_picture`.

    Args:
        file: The photo.
        at_least: Pixels that the short side must keep: a JPEG that has more is decoded at a half, a quarter or an
            eighth of its size, which takes a fraction of the time; other formats come whole. None: the full size.

    Raises:
        MediaError: If the file cannot be read, is empty, is something else, is cut off, is damaged, or claims too many
            pixels; the problem says which.
    """
    picture = decode_picture(file, min_side=at_least)
    capture = capture_of_photo(picture.exif, str(file))
    warning = "; ".join(text for text in (picture.warning, capture.doubt) if text) or None
    return Photo(picture.image, picture.size_wh, capture, warning)
