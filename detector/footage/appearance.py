"""How a box looks, in 64 bytes: enough to tell whether the same box in another frame shows the same thing."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 8  # pixels; appearances are SIDE x SIDE


def box_appearance(image: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> bytes:
    """The pixels of a box in grey, averaged down to 8 x 8, row by row.

    Args:
        image: RGB (H, W, 3) of uint8.
        box_xyxy: (4,), pixels of this image; what lies outside the image is cut away, one pixel at least is kept.

    Returns:
        64 bytes.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    left, top = min(max(math.floor(x1), 0), width - 1), min(max(math.floor(y1), 0), height - 1)
    right, bottom = max(min(math.ceil(x2), width), left + 1), max(min(math.ceil(y2), height), top + 1)
    grey = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).tobytes()
