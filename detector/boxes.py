"""Box arithmetic on numpy arrays (..., 4).

The suffix of a name says the convention: `xyxy` is x1, y1, x2, y2; `xywh` is left, top, width, height. Coordinates are
continuous pixels: the box of a whole image is (0, 0, width, height). Results keep the floating-point type of their
input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def xywh_to_xyxy(boxes_xywh: Floats) -> Floats:
    """Corners (..., 4) of boxes given as left, top, width, height (..., 4)."""
    return np.concatenate([boxes_xywh[..., :2], boxes_xywh[..., :2] + boxes_xywh[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes_xyxy: Floats) -> Floats:
    """Left, top, width, height (..., 4) of boxes given as corners (..., 4)."""
    return np.concatenate([boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]], axis=-1)


def clip_boxes(boxes_xyxy: Floats, size_wh: tuple[float, float] | NDArray) -> Floats:
    """Cut boxes off at the frame.

    Args:
        boxes_xyxy: (N, 4) pixels.
        size_wh: Width and height of the frame: one pair, or (N, 2) for a frame a box.

    Returns:
        (N, 4). A box wholly outside ends with no area, on the frame's border.
    """
    size = np.broadcast_to(np.asarray(size_wh, boxes_xyxy.dtype), (len(boxes_xyxy), 2))
    return np.clip(boxes_xyxy, 0, np.concatenate([size, size], axis=1))


def box_areas(boxes_xyxy: Floats) -> Floats:
    """Areas (...) in square pixels of boxes (..., 4)."""
    sides = boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]
    return np.asarray(sides[..., 0] * sides[..., 1])


def shared_boxes(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """What boxes (..., 4) share with others, where shapes broadcast; without area where that is nothing."""
    low = np.maximum(boxes_xyxy[..., :2], others_xyxy[..., :2])
    high = np.minimum(boxes_xyxy[..., 2:], others_xyxy[..., 2:])
    return np.concatenate([low, np.maximum(low, high)], axis=-1)


def paired_iou(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Intersection over union of boxes (..., 4), each with its own other: (...), 0 where both are empty."""
    intersection = box_areas(shared_boxes(boxes_xyxy, others_xyxy))
    union = box_areas(boxes_xyxy) + box_areas(others_xyxy) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def box_intersections(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Areas in square pixels that every box shares with every other: (N, 4) and (M, 4) -> (N, M)."""
    return box_areas(shared_boxes(boxes_xyxy[:, None], others_xyxy[None]))


def box_iou(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Intersection over union of every box with every other: (N, 4) and (M, 4) -> (N, M); 0 where both are empty."""
    return paired_iou(boxes_xyxy[:, None], others_xyxy[None])
