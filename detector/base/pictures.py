"""The one decoder of pictures: a file's path or bytes become upright 8-bit RGB, or an error that says why not.

Training, the doctor, evaluation, prediction, annotation and calibration read with it, so that a network sees the same
pixels of a file everywhere. `backbones.inference.images.as_rgb` says how each kind of pixel becomes RGB.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from backbones.errors import HoopoeError, MediaError
from backbones.inference.images import (
    MAX_BYTES,
    MAX_PIXELS,
    as_rgb,
    check_size,
    open_header,
    our_limits,
    readable_formats,
)
from detector.base.failures import OUT_OF_MEMORY, ran_out_of_memory, said_by
from detector.base.files import open_regular, read_bytes
from detector.base.orientation import UNDOING, orient, upright_size
from detector.base.signatures import HEAD_BYTES, kind_of
from detector.base.torn import DAMAGED, forget_words, loss_of

HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})  # with pillow-heif only
PHOTO_SUFFIXES = HEIC_SUFFIXES | {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".avif", ".jp2"),
    *(".ppm", ".pgm"),
}
Size = tuple[int, int]
_ANNOTATIONS = frozenset({".txt", ".xml", ".json", ".csv", ".yaml", ".yml", ".names", ".md"})  # lie among pictures
_SUFFIXES_NAMED = 8
_REDUCED = {  # by the factor; libjpeg reads the smaller picture straight from the coefficients
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_FAST = ("PNG", "WEBP", "BMP")  # which OpenCV decodes faster, to the same pixels
_OPENCV_SIDE = 1_000_000  # libpng's limit; OpenCV's own is a little higher
_FAST_MODES = ("RGB", "RGBA", "L", "P")
_END_OF_JPEG = b"\xff\xd9"
_PADDING_BYTES = 65536  # cards' clusters: a file may be filled up with zeros
_KINDS_READ = tuple(
    f"{kind} image"
    for kind in ("a JPEG", "a PNG", "a TIFF", "a WebP", "a BMP", "a GIF", "a HEIC", "an AVIF", "a JPEG 2000", "a PPM")
)
_MANY_BYTES = 16 << 20  # in smaller files the blocks do no harm
_MOST_BLOCKS = 100  # of EXIF; Pillow joins them one by one, each time copying all
_COPY_AGAIN = "copy it from the card again, or leave it out"
_HEIC = "a HEIC image"
HEIC_MEND = "pip install hoopoe[heic]"


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read.

    Attributes:
        image: RGB (H, W, 3) of uint8, turned; a half, quarter or eighth of the original's size where less was asked.
        size_wh: Width and height of the turned original in pixels.
        stored_wh: The same before it was turned.
        orientation: The file's own, by EXIF: 1 to 8.
        exif: What the camera wrote; empty where there is none, or a damaged one.
        warning: What of the file is not in the image; None: nothing.
    """

    image: NDArray[np.uint8]
    size_wh: Size
    stored_wh: Size
    orientation: int
    exif: Image.Exif
    warning: str | None = None


def decode_picture(
    source: Path | bytes,
    *,
    where: object = None,
    min_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    turn: Callable[[Size, int], int] | None = None,
) -> Picture:
    """Read a picture: JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF, JPEG 2000, PPM or HEIC, whatever its name ends with.

    Of several frames or pages the first is read.

    Args:
        source: The file, or its bytes.
        where: The words for the file in errors; None: its path.
        min_side: Pixels that the short side must keep: a JPEG that has more is decoded at a half, a quarter or an
            eighth of its size, which takes a fraction of the time; other formats come whole. None: the full size.
        max_pixels: A picture that claims more is refused before memory is taken for it.
        turn: Width and height as stored, and the file's EXIF orientation -> the orientation (1 to 8) to apply. None:
            the file's own, which turns it upright. What it raises comes out.

    Raises:
        MediaError: If the file cannot be read, is empty, is something else, is cut off, is damaged, or claims too many
            pixels; the problem says which.
    """
    where = where if where is not None else source if isinstance(source, Path) else "picture"
    data = (
        source
        if isinstance(source, bytes)
        else read_bytes(source, max_bytes=MAX_BYTES, what="picture", error=MediaError)
    )
    if not data:
        raise MediaError("the file is empty", where=where, hint=_COPY_AGAIN)
    if len(data) > _MANY_BYTES and data.count(b"Exif\0\0") > _MOST_BLOCKS:
        raise MediaError(f"it has more than {_MOST_BLOCKS} EXIF blocks", where=where, hint=_COPY_AGAIN)
    with _reasons(data, where), open_header(BytesIO(data)) as image:
        check_size(image.size, where, max_pixels)
        exif, orientation = _exif(image)
        stored_wh = _stored_size(image)
        chosen = orientation if turn is None else turn(stored_wh, orientation)
        factor = _reduction(stored_wh, min_side) if isinstance(image, JpegImageFile) else 1
        applied = orientation if isinstance(image, TiffImageFile) else 1
        several = _several(image)
        pixels, lost = _pixels(image, data, factor)
        if applied != chosen:
            pixels = orient(orient(pixels, UNDOING[applied]), chosen)
        return Picture(pixels, upright_size(stored_wh, chosen), stored_wh, orientation, exif, lost or several)


def stored_size(file: Path | BytesIO) -> tuple[Size, int] | None:
    """Width and height as stored, and the EXIF orientation, from the file's head alone; None: it cannot be read."""
    try:
        with file if isinstance(file, BytesIO) else open_regular(file) as opened, open_header(opened) as image:
            return _stored_size(image), _exif(image)[1]
    except Exception:  # whatever Pillow raises on what is no image; reading it whole says what is wrong
        return None


def can_read_heic() -> bool:
    """Whether the plug-in is there."""
    return "HEIF" in readable_formats()


def is_heic(path: Path) -> bool:
    """Whether a file with a photo's suffix holds HEIC; only those of HEIC's own suffixes are looked into."""
    if path.suffix.lower() not in HEIC_SUFFIXES:
        return False
    try:
        with open_regular(path, what="picture", error=MediaError) as file:
            return kind_of(file.read(HEAD_BYTES)) == _HEIC
    except (HoopoeError, OSError):  # which shows, with its reason, when it is read
        return False


def passed_over_words(suffixes: Mapping[str, int]) -> str:
    """Such as: 12 files passed over: 10 .heic (pip install hoopoe[heic]), 2 .txt."""
    counts = sorted(suffixes.items(), key=lambda found: (-found[1], found[0]))
    total = sum(suffixes.values())
    names = ", ".join(f"{count} {suffix}" for suffix, count in counts[:_SUFFIXES_NAMED])
    others = sum(count for _, count in counts[_SUFFIXES_NAMED:])
    return f"{total} file{'s' * (total != 1)} passed over: {names}" + (f", {others} others" if others else "")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder at any depth, sorted, without hidden ones; the log says what else was passed over."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    others = [path for path in files if path.suffix.lower() not in PHOTO_SUFFIXES | _ANNOTATIONS]
    if others:
        suffixes = Counter(path.suffix.lower() or "without a suffix" for path in others)
        logging.getLogger(__name__).warning("%s: %s", folder, passed_over_words(suffixes))
    return [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES]


@contextmanager
def _reasons(data: bytes, where: object) -> Iterator[None]:
    """Turn whatever decoders raise into a reason."""
    try:
        yield
    except HoopoeError:
        raise
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        hint = HEIC_MEND if kind_of(data) == _HEIC and not can_read_heic() else _COPY_AGAIN
        if ran_out_of_memory(error):
            raise MediaError(OUT_OF_MEMORY, where=where, hint="scale it down, or leave it out") from error
        raise MediaError(_problem(data, error), where=where, hint=hint) from error


def _problem(data: bytes, error: Exception) -> str:
    kind = kind_of(data)
    if kind is None:
        return "this is not an image, or it is damaged"
    if kind == _HEIC and not can_read_heic():
        return f"this is {kind}, which only pillow-heif can read ({HEIC_MEND})"
    if kind not in _KINDS_READ:
        return f"this is {kind}, not an image that can be read"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return f"this is {kind}, but truncated: its end is missing"
    if isinstance(error, UnidentifiedImageError):
        return f"this is {kind}, but damaged (its head)"
    return f"this is {kind}, but damaged ({said_by(error)})"


def _exif(image: Image.Image) -> tuple[Image.Exif, int]:
    """The EXIF block and its orientation: an empty one and 1 (upright) where it is damaged."""
    try:
        exif = image.getexif()
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged EXIF block raises whatever its bytes lead to, and must not cost the picture
        return Image.Exif(), 1
    return exif, value if value in range(1, 9) else 1


def _stored_size(image: Image.Image) -> Size:
    """Width and height before the EXIF orientation; Pillow applies a TIFF's by itself."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2[ExifTags.Base.ImageWidth]), int(image.tag_v2[ExifTags.Base.ImageLength])
    return image.size


def _reduction(size_wh: Size, min_side: int | None) -> int:
    """The largest of the factors 1, 2, 4 and 8 after which the short side still has as many pixels as asked."""
    if min_side is None:
        return 1
    return max((factor for factor in _REDUCED if min(size_wh) // factor >= min_side), default=1)


def _pixels(image: Image.Image, data: bytes, factor: int) -> tuple[NDArray[np.uint8], str | None]:
    """Decode at 1 / factor of the size, and say what is lost.

    OpenCV is the faster one; Pillow alone says why nothing can be decoded.
    """
    if _opencv_can(image, data):
        forget_words()
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
        if decoded is not None:
            rgb = decoded if factor == 1 else cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)
            pixels = rgb.astype(np.uint8, copy=False)
            return pixels, loss_of(data, pixels) if isinstance(image, JpegImageFile) else None
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    with our_limits():
        image.load()
        pixels = np.array(as_rgb(image))  # a copy, as Pillow's own cannot be written to
    # libpng refuses what is damaged anywhere; Pillow shows what is there
    return pixels, DAMAGED if image.format == "PNG" and _opencv_can(image, data) else None


def _opencv_can(image: Image.Image, data: bytes) -> bool:
    """Whether OpenCV decodes it to the same pixels, and notices all that is missing."""
    if isinstance(image, JpegImageFile):
        return image.mode in ("RGB", "L") and data[-_PADDING_BYTES:].rstrip(b"\0").endswith(_END_OF_JPEG)
    if image.format == "BMP" and data[28:30] == b"\x10\0":  # 5 bits a colour become 248 at most
        return False
    fast = image.format in _FAST and image.mode in _FAST_MODES and max(image.size) <= _OPENCV_SIDE
    return fast and not getattr(image, "is_animated", False)


def _several(image: Image.Image) -> str | None:
    """What Pillow knows to be left out; a JPEG's further pictures (stereo, previews) are of the same moment."""
    if isinstance(image, JpegImageFile) or not getattr(image, "is_animated", False):
        return None
    return f"it has several {'pages' if image.format == 'TIFF' else 'frames'}: only the first was read"
