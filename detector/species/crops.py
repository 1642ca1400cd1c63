"""Crops of boxes as a species classifier sees them: with some surroundings, squashed to its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.boxes import Floats, clip_boxes, xywh_to_xyxy

CONTEXT = 0.1  # by how much of its width and height a box is grown on each side


def crop_boxes(
    boxes_xyxy: Floats, size_wh: tuple[float, float] | NDArray[np.integer], context: float = CONTEXT
) -> Floats:
    """Grow boxes on each side by a share of their own width and height, and cut them off at the frame.

    Args:
        boxes_xyxy: (N, 4) pixels.
        size_wh: Width and height of the frame: one pair, or (N, 2) for a frame a box.
        context: Share of the width (left, right) and of the height (top, bottom).

    Returns:
        (N, 4) pixels, of the same type.
    """
    reach = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * np.asarray(context, boxes_xyxy.dtype)
    return clip_boxes(np.concatenate([boxes_xyxy[:, :2] - reach, boxes_xyxy[:, 2:] + reach], axis=1), size_wh)


def cut_crops(image: NDArray[np.uint8], boxes_xyxy: Floats, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut boxes out of an image, and squash each to a size, as `backbones.classification_transform` does.

    Edges are rounded to whole pixels. A box without area, or outside the image, gives the nearest pixels.

    Args:
        image: RGB, (H, W, 3).
        boxes_xyxy: (N, 4) pixels of `image`, finite.
        size_hw: Height and width of the crops.

    Returns:
        uint8 (N, height, width, 3).
    """
    height, width = image.shape[:2]
    crops = np.empty((len(boxes_xyxy), *size_hw, 3), np.uint8)
    for crop, (left, top, right, bottom) in zip(crops, np.rint(boxes_xyxy).astype(np.int64).tolist(), strict=True):
        left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
        right, bottom = max(min(right, width), left + 1), max(min(bottom, height), top + 1)
        part = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right]))
        crop[:] = np.asarray(part.resize((size_hw[1], size_hw[0]), Image.Resampling.BICUBIC))
    return crops


def crops_of(
    image: NDArray[np.uint8], boxes_xywh: NDArray[np.float32], size_hw: tuple[int, int], context: float = CONTEXT
) -> NDArray[np.uint8]:
    """The crops that the classifier sees of a picture at full resolution: uint8 (N, height, width, 3).

    Boxes are shares as the store holds them, so that the same crops are cut whenever and wherever it is done.
    """
    size_wh = (image.shape[1], image.shape[0])
    boxes = xywh_to_xyxy(boxes_xywh.astype(np.float64)) * np.array(size_wh * 2)
    return cut_crops(image, crop_boxes(boxes, size_wh, context), size_hw)
