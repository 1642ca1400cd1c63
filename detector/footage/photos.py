"""Reading photos: upright RGB, as small as the reader allows, with what the camera wrote; or an error with a reason."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from backbones.errors import MediaError
from backbones.inference.images import open_image
from detector.footage.metadata import Capture, capture_of_photo
from detector.footage.orientation import orient, upright_size
from detector.footage.signatures import kind_of

MAX_PIXELS = 300_000_000  # above any camera's; a file that claims more is refused before memory is taken for it
# Pillow reads others too, some through other programs; MPO comes with JPEG, and by its own name is an error
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")
_REDUCED = {  # by the factor; libjpeg reads the smaller picture straight from the coefficients
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_END_OF_JPEG = b"\xff\xd9"
_PADDING_BYTES = 65536  # cards' clusters: a file may be filled up with zeros
_KINDS_READ = tuple(f"a {kind} image" for kind in ("JPEG", "PNG", "TIFF", "WebP", "BMP", "GIF"))
_COPY_AGAIN = "copy it from the card again, or leave it out"
_pillow_limit = threading.Lock()


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read.

    Attributes:
        image: RGB (H, W, 3) of uint8, upright; a half, quarter or eighth of the original's size where less was asked.
        size_wh: Width and height of the upright original in pixels.
        capture: When it was taken, and by which camera.
    """

    image: NDArray[np.uint8]
    size_wh: tuple[int, int]
    capture: Capture


def read_photo(file: Path, *, at_least: int | None = None) -> Photo:
    """Read a photo: JPEG, PNG, TIFF, WebP, BMP or GIF (the first frame), whatever its name ends with.

    EXIF rotation is applied. CMYK, grey, palette, 16 bit and transparency become RGB as `backbones` does it.

    Args:
        file: The photo.
        at_least: Pixels that the short side must keep: a JPEG that has more is decoded at a half, a quarter or an
            eighth of its size, which takes a fraction of the time; other formats come whole. None: the full size.

    Raises:
        MediaError: If the file cannot be read, is empty, is something else, is cut off, is damaged, or claims more than
            `MAX_PIXELS`; the problem says which.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        mend = "check the path, its permissions and the disk"
        raise MediaError(f"the file cannot be read ({error.strerror})", where=file, mend=mend) from error
    if not data:
        raise MediaError("the file is empty", where=file, mend=_COPY_AGAIN)
    try:
        with warnings.catch_warnings(action="ignore"), _open(data) as image:  # Pillow's, on every oddity in EXIF
            _check_size(image, file)
            return _read(image, data, at_least, file)
    except MediaError:
        raise
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        raise MediaError(_problem(data, error), where=file, mend=_COPY_AGAIN) from error


def _open(data: bytes) -> Image.Image:
    with _pillow_limit:  # a global; Pillow's limit is lower, and warns at half of it
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(image: Image.Image, file: Path) -> None:
    if image.width * image.height > MAX_PIXELS:
        problem = f"it claims {image.width} x {image.height} pixels, more than is safe to decode"
        raise MediaError(problem, where=file, mend="scale it down, or leave it out")


def _read(image: Image.Image, data: bytes, at_least: int | None, file: Path) -> Photo:
    stored_wh = image.size
    capture = capture_of_photo(image, file.name)
    if not isinstance(image, JpegImageFile):
        image.load()
        pixels = np.asarray(open_image(image))
        return Photo(pixels, (pixels.shape[1], pixels.shape[0]), capture)
    orientation = _orientation(image)
    factor = _reduction(stored_wh, at_least)
    pixels = _read_jpeg(image, data, factor, orientation)
    return Photo(pixels, upright_size(stored_wh, orientation), capture)


def _read_jpeg(image: JpegImageFile, data: bytes, factor: int, orientation: int) -> NDArray[np.uint8]:
    """Decode at 1 / factor of the size. OpenCV is the faster one; Pillow alone notices that the end is missing."""
    if image.mode in ("RGB", "L") and data[-_PADDING_BYTES:].rstrip(b"\0").endswith(_END_OF_JPEG):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is not None:
            rgb = pixels if factor == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
            return orient(rgb.astype(np.uint8, copy=False), orientation)
    image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return np.asarray(open_image(image))


def _reduction(size_wh: tuple[int, int], at_least: int | None) -> int:
    """The largest of the factors 1, 2, 4 and 8 after which the short side still has as many pixels as asked."""
    if at_least is None:
        return 1
    return max((factor for factor in _REDUCED if min(size_wh) // factor >= at_least), default=1)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged EXIF block says nothing about rotation
        return 1
    return value if value in range(1, 9) else 1


def _problem(data: bytes, error: Exception) -> str:
    kind = kind_of(data)
    if kind is None:
        return "this is not an image, or it is damaged"
    if kind not in _KINDS_READ:
        return f"this is {kind}, not an image that can be read"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return f"this is {kind}, but truncated: its end is missing"
    return f"this is {kind}, but damaged ({error})"
