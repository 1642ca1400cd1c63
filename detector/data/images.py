"""Reading a picture as its annotation expects it: RGB, upright, of the size that the record states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.orientation import upright_size
from detector.base.pictures import decode_picture


def read_image(path: Path, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a picture as RGB uint8 (H, W, 3), by `decode_picture`.

    Args:
        path: The file.
        size_wh: Width and height of the annotation's record, which decide about EXIF rotation: the picture is turned
            upright if it then has this size, and left as stored if it has it that way. Where both fit (a half turn, a
            square), it is turned, as every viewer and annotation tool does. None turns it.

    Raises:
        MediaError: If the file is missing, or no picture that can be decoded.
        DataError: If the picture has this size neither as stored nor upright.
    """
    return decode_picture(
        path, turn=lambda stored_wh, orientation: chosen_orientation(stored_wh, orientation, size_wh, path)
    ).image


def chosen_orientation(
    stored_wh: tuple[int, int], orientation: int, size_wh: tuple[int, int] | None, path: Path
) -> int:
    """The EXIF orientation to apply so that the picture has the size of its record: its own, or 1 for none.

    Raises:
        DataError: If it has the size neither way.
    """
    upright = upright_size(stored_wh, orientation)
    if size_wh is None or size_wh == upright:
        return orientation
    if size_wh == stored_wh:
        return 1
    either = "" if upright == stored_wh else f" (or, turned upright, {upright[0]} x {upright[1]})"
    raise DataError(
        f"the picture is {stored_wh[0]} x {stored_wh[1]}{either}, its record says {size_wh[0]} x {size_wh[1]}",
        where=path,
        hint="was it resized after the boxes were drawn? `hoopoe doctor` lists all such pictures",
    )
