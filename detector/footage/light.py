"""By what light a picture was taken: how bright it is, and whether it was infrared, which leaves no colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE = 160  # pixels to which pictures are averaged down, so that noise and JPEG's coarse colour cancel out
COLOURLESS_SHARE = 0.95  # of the pixels; the rest may be the camera's coloured strip of text and logo
GREY_CHROMA = 4.0  # levels of 255; at that share of pixels grey infrared has 0 to 1, the dullest picture by day 9
TINT_CHROMA = 3.0  # the same, of what no tint explains; tinted grey has 1 to 2, a dim brown wood by day 5


def brightness(image: NDArray[np.uint8]) -> float:
    """The mean of the grey picture, 0 (black) to 1 (white).

    Args:
        image: RGB (H, W, 3) of uint8.
    """
    return float(cv2.cvtColor(shrink(image, LONG_SIDE), cv2.COLOR_RGB2GRAY).mean() / 255)


def is_night_ir(image: NDArray[np.uint8]) -> bool:
    """Whether a picture has no colour, as those taken in infrared light: grey, or in one reddish tint (sepia, purple).

    Thermal pictures in grey count as well. A tint of blue or green does not: that is a sky or a wood.

    Args:
        image: RGB (H, W, 3) of uint8.
    """
    small = cv2.cvtColor(shrink(image, LONG_SIDE), cv2.COLOR_RGB2YCrCb).reshape(-1, 3).astype(np.float32)
    luma, chroma = small[:, 0] / 255, small[:, 1:] - 128  # (N,), (N, 2): red and blue difference
    if _usual(chroma) <= GREY_CHROMA:
        return True
    if chroma[:, 0].mean() <= 0:
        return False
    shades = np.stack([np.ones_like(luma), luma, luma**2], axis=1)  # a tint may fade towards black and white
    tint = shades @ np.linalg.lstsq(shades, chroma, rcond=None)[0]
    return _usual(chroma - tint) <= TINT_CHROMA


def shrink(image: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """Average a picture (H, W, C) down to a long side; one that is no larger stays as it is."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _usual(chroma: NDArray[np.float32]) -> float:
    """The strength of colour (N, 2) that all but a small share of the pixels stay below."""
    return float(np.quantile(np.hypot(chroma[:, 0], chroma[:, 1]), COLOURLESS_SHARE))
