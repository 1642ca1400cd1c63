"""Reading a picture as its annotation expects it: RGB, upright, of the size that the record states."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backbones.errors import DataError, MediaError

EXIF_ORIENTATION = 0x0112
_TURNS = (5, 6, 7, 8)  # the EXIF orientations that swap width and height


def read_image(path: Path, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a picture as RGB uint8 (H, W, 3).

    Gray, palette, alpha (dropped), CMYK and 16-bit (the upper 8 bits) are converted.

    Args:
        path: The file.
        size_wh: Width and height of the annotation's record, which decide about EXIF rotation: the picture is turned
            upright if it then has this size, and left as stored if it has it that way. Where both fit (a half turn, a
            square), it is turned, as every viewer and annotation tool does. None turns it.

    Raises:
        MediaError: If the file is missing, or no picture that can be decoded.
        DataError: If the picture has this size neither as stored nor upright.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(error.strerror or str(error), where=path, mend="check the image folder") from error
    pixels = decode_image(data, path)
    stored = (pixels.shape[1], pixels.shape[0])
    return orient(pixels, chosen_orientation(stored, exif_orientation(data), size_wh, path))


def decode_image(data: bytes, path: Path) -> NDArray[np.uint8]:
    """Decode a file's bytes as RGB uint8 (H, W, 3), as stored: EXIF rotation is not applied.

    Raises:
        MediaError: If they are no picture; `path` names the file.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:  # larger than OpenCV allows
        pixels = None
    if pixels is not None:
        return pixels.astype(np.uint8, copy=False)
    try:
        with Image.open(BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        problem = "the file is empty" if not data else f"not a picture that can be decoded ({error})"
        raise MediaError(problem, where=path, mend="copy the file again, or remove it from the annotations") from error


def exif_orientation(data: bytes) -> int:
    """The EXIF orientation of a picture file's bytes, 1 (upright) to 8; 1 where it has none or a damaged one."""
    try:
        with Image.open(BytesIO(data)) as picture:
            return orientation_of(picture)
    except Exception:  # a damaged EXIF block raises whatever its bytes lead to, and must not cost the picture
        return 1


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation of an open picture that is left to apply: 1 to 8."""
    if picture.format == "TIFF":  # there it belongs to the format, and every decoder has applied it
        return 1
    value = picture.getexif().get(EXIF_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(stored_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height once the EXIF orientation is applied."""
    return (stored_wh[1], stored_wh[0]) if orientation in _TURNS else stored_wh


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
        mend="was it resized after the boxes were drawn? `hoopoe doctor` lists all such pictures",
    )


def orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (1 to 8; JEITA CP-3451, table 6) to pixels (H, W, C)."""
    if orientation in _TURNS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
