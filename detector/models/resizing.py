"""The one way in which images come to the size that the network sees: in training, evaluation and annotation."""

import cv2
import numpy as np
from numpy.typing import NDArray


def network_size(size_wh: tuple[int, int], min_size: int, max_size: int) -> tuple[int, int]:
    """Width and height of an image after `resize_image`, in pixels; neither is less than 1.

    Args:
        size_wh: Width and height of the image.
        min_size: What the short side should have.
        max_size: What the long side may have at most; it wins.
    """
    scale = min(min_size / min(size_wh), max_size / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def resize_image(
    image_rgb: NDArray[np.uint8], min_size: int, max_size: int
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Resize an image, keeping its aspect ratio up to whole pixels.

    It shrinks by averaging the pixels that fall together, so that nothing aliases, and grows bilinearly.

    Args:
        image_rgb: (H, W, 3).
        min_size: What the short side should have.
        max_size: What the long side may have at most; it wins.

    Returns:
        The image, and the exact factors (x, y) that boxes are to be multiplied with.
    """
    height, width = image_rgb.shape[:2]
    new_width, new_height = network_size((width, height), min_size, max_size)
    if (new_width, new_height) != (width, height):
        interpolation = cv2.INTER_AREA if new_width < width or new_height < height else cv2.INTER_LINEAR
        image_rgb = cv2.resize(image_rgb, (new_width, new_height), interpolation=interpolation).astype(np.uint8, copy=False)
    return image_rgb, (new_width / width, new_height / height)
