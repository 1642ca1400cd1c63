"""Opening images: whatever a camera, a phone or a museum wrote becomes upright 8-bit RGB, or an error with a name."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from backbones.errors import MediaError
from backbones.files import read_bytes

ImageSource = str | Path | Image.Image | npt.NDArray[np.uint8]

MAX_PIXELS = 250_000_000  # the largest phones take 200 million; what claims more is refused before memory is taken
# Pillow reads others too, some through other programs; MPO comes with JPEG, and by its own name is an error
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "HEIF")
MAX_BYTES = 2 << 30  # the most pixels that are decoded, uncompressed with 16 bits a colour, have less

_COPY_AGAIN = "copy it from the card again, or leave it out"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_16_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N")


def open_image(source: ImageSource) -> Image.Image:
    """Open an image and convert it to upright RGB.

    EXIF rotation is applied; `as_rgb` says how each kind of pixel becomes 8-bit RGB. Of an animation, the first frame
    counts.

    Args:
        source: Path of an image file, a PIL image of any mode, or an RGB array (height, width, 3) of uint8.

    Returns:
        An RGB image. A PIL image that is upright RGB already is returned as it is.

    Raises:
        MediaError: The file is missing, not an image, damaged, or larger than `MAX_PIXELS`.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    where = (getattr(source, "filename", "") or "PIL image") if isinstance(source, Image.Image) else Path(source)
    try:
        if isinstance(source, Image.Image):
            return _upright_rgb(source, where)
        data = read_bytes(Path(source), max_bytes=MAX_BYTES, what="picture", error=MediaError)
        if not data:
            raise MediaError("the file is empty", where=where, hint=_COPY_AGAIN)
        with open_header(BytesIO(data)) as image:
            check_size(image.size, where)
            return _upright_rgb(image, where)
    except MediaError:
        raise
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        raise MediaError("this is not an image, or it is damaged", where=where, hint=_COPY_AGAIN) from error


def open_header(file: IO[bytes]) -> Image.Image:
    """Open an image without reading its pixels, of whatever size (see `check_size`); EXIF is read along.

    From a path Pillow would map TIFF files into memory, and with them the rotated ones wrongly.

    Raises:
        Exception: Whatever Pillow raises on what is no image.
    """
    with our_limits():
        image = Image.open(file, formats=readable_formats())
        with suppress(Exception):  # a damaged EXIF block raises whatever its bytes lead to
            image.getexif()
        return image


class _Limits:
    """Pillow's own limit is lower than ours, and it warns at half of it and of every oddity in EXIF: both are global.

    Threads may be inside at once: the first one that enters sets them, the last one that leaves puts them back.
    """

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self.warnings = warnings.catch_warnings(action="ignore")
                self.warnings.__enter__()
        try:
            yield
        finally:
            with self.lock:
                self.inside -= 1
                if not self.inside:
                    self.warnings.__exit__(None, None, None)
                    Image.MAX_IMAGE_PIXELS = self.limit


our_limits = _Limits()


@cache
def readable_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that can be read here: `FORMATS`, HEIF only with pillow-heif."""
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def check_size(size_wh: tuple[int, int], where: object, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image of more pixels than are safe to decode.

    Raises:
        MediaError: If it has more.
    """
    width, height = size_wh
    if width * height > max_pixels:
        problem = f"it claims {width} x {height} pixels, more than the {max_pixels // 10**6} million that are decoded"
        raise MediaError(problem, where=where, hint="scale it down or cut it into tiles, or leave it out")


def _upright_rgb(image: Image.Image, where: object) -> Image.Image:
    if not image.width or not image.height:
        raise MediaError(f"the image is empty ({image.width} x {image.height})", where=where, hint="leave it out")
    with our_limits():
        image.load()
        return as_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF that cannot be read says nothing about rotation, and is no reason to lose the picture
        turn = None
    return image if turn is None else image.transpose(turn)  # ImageOps' way would write the EXIF anew, and can fail


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded PIL image of any mode to 8-bit RGB; an RGB image is returned as it is.

    - 16 bits become their upper eight, in grey as in colour, as libpng and OpenCV do it: never stretched, so that
      pictures of one camera stay comparable.
    - 32-bit integers that fit 8 or 16 bits count as such.
    - Floats within 0..1 are scaled by 255. Other floats, and other 32-bit integers, have no defined brightness, as they
      are temperatures or distances: their own range is stretched over 0..255. What is not finite is black or white.
    - Transparency is dropped and the colours under it are kept, as birder does: a photo is there in full under it, and
      no background is made up.
    - CMYK, which JPEG files hold inverted as Adobe writes it, YCbCr, LAB, palettes, grey and 1 bit as Pillow converts
      them.
    """
    if image.mode == "RGB":
        return image
    if image.mode in (*_16_BIT_MODES, "I", "F"):
        return Image.fromarray(_as_8_bits(np.asarray(image))).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way that Pillow asks for; the colours are those of the palette
    elif image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")  # undoes the premultiplied alpha
    return image.convert("RGB")


def _as_8_bits(grey: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if grey.dtype.kind in "iu" and grey.min() >= 0 and grey.max() <= 65535:
        wide = grey.dtype.itemsize == 2 or grey.max() > 255
        return (grey >> 8 if wide else grey).astype(np.uint8)
    wide_enough = np.float32 if grey.dtype.kind == "f" else np.float64
    values: npt.NDArray[Any] = grey.astype(wide_enough)  # the only copy, as it may be large
    finite = np.isfinite(values)
    low, high = float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf))
    if grey.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    values[np.isnan(values)] = low
    np.clip(values, low, high, out=values)
    values -= low
    values *= 255 / (high - low) if high > low else 0.0
    return np.rint(values, out=values).astype(np.uint8)


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise MediaError(
            f"an RGB array (height, width, 3) of uint8 is expected, not {array.shape} of {array.dtype}",
            where="array",
            hint="convert it first",
        )
    return Image.fromarray(array)
