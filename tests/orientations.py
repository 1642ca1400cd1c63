"""How a camera that is held otherwise stores a picture."""

from PIL import Image

STORED = {  # by EXIF orientation: the inverse of what a viewer does
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored_turned(upright: Image.Image, orientation: int) -> Image.Image:
    """The picture as it lies in the file under an EXIF orientation, 1 to 8."""
    return upright if orientation == 1 else upright.transpose(STORED[orientation])
