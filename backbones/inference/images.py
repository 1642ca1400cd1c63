"""Opening images: whatever a camera, a phone or a museum wrote becomes upright 8-bit RGB, or an error with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from backbones.errors import MediaError

ImageSource = str | Path | Image.Image | npt.NDArray[np.uint8]

_16_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_16_BIT_MAXIMUM = 65535


def open_image(source: ImageSource) -> Image.Image:
    """Open an image and convert it to upright RGB.

    EXIF rotation is applied. Transparency is dropped and the colours under it are kept, as `PIL.Image.convert("RGB")`
    and with it birder do. 16-bit grey is scaled to 8 bits, not clipped. Of an animation, the first frame counts.

    Args:
        source: Path of an image file, a PIL image of any mode, or an RGB array (height, width, 3) of uint8.

    Returns:
        An RGB image. A PIL image that is upright RGB already is returned as it is.

    Raises:
        MediaError: The file is missing, not an image, damaged, or of a kind without a defined conversion to RGB.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    where = (getattr(source, "filename", "") or "PIL image") if isinstance(source, Image.Image) else Path(source)
    try:
        if isinstance(source, Image.Image):
            return _upright_rgb(source, where)
        with Image.open(source) as image:
            return _upright_rgb(image, where)
    except MediaError:
        raise
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        problem = f"the file cannot be opened ({error.strerror})"
        raise MediaError(problem, where=where, mend="check the path and its permissions") from error
    except Image.DecompressionBombError as error:
        mend = "scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        raise MediaError("it claims more pixels than is safe to decode", where=where, mend=mend) from error
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error ...
        empty = isinstance(where, Path) and where.stat().st_size == 0
        problem = "the file is empty" if empty else "this is not an image, or it is damaged"
        raise MediaError(problem, where=where, mend="copy it from the card again, or leave it out") from error


def _upright_rgb(image: Image.Image, where: object) -> Image.Image:
    if image.width == 0 or image.height == 0:
        raise MediaError(f"the image is empty ({image.width} x {image.height})", where=where, mend="leave it out")
    image.load()
    return _as_rgb(_upright(image), where)


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return image  # exif_transpose would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF that cannot be read says nothing about rotation, and is no reason to lose the picture
        return image


def _as_rgb(image: Image.Image, where: object) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _16_BIT_MODES:
        image = _scaled_to_8_bits(image, where)
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way that Pillow asks for; the colours are those of the palette
    elif image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")  # undoes the premultiplied alpha
    elif image.mode == "F":
        raise MediaError("32-bit float pixels have no defined brightness", where=where, mend="save it with 8 bits")
    return image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image, where: object) -> Image.Image:
    grey: npt.NDArray[Any] = np.asarray(image)
    if grey.min() < 0 or grey.max() > _16_BIT_MAXIMUM:
        raise MediaError("32-bit pixels have no defined brightness", where=where, mend="save it with 8 or 16 bits")
    return Image.fromarray(np.rint(grey / (_16_BIT_MAXIMUM / 255)).astype(np.uint8))


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise MediaError(
            f"an RGB array (height, width, 3) of uint8 is expected, not {array.shape} of {array.dtype}",
            where="array",
            mend="convert it first",
        )
    return Image.fromarray(array)
