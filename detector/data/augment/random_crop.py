"""Large-scale jitter and bounded crops: which part of a picture is seen, how large, and where its boxes go.

Cropping comes before resizing, so that a picture is resampled once and only where it is seen. The windows of
albumentations are not used: they may lose every box (albumentations#2513).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.boxes import box_areas, clip_boxes
from detector.data.config import AugmentationConfig
from detector.data.resizing import SizeRule, resize, scale_boxes
from detector.data.sample import IGNORED, Sample


@dataclass(frozen=True)
class CropWindow:
    """A window of a picture, in its pixels, and the size that the window is brought to."""

    left: int
    top: int
    width: int
    height: int
    out_wh: tuple[int, int]


def random_crop(
    rng: Generator,
    sample: Sample,
    rule: SizeRule,
    config: AugmentationConfig,
    canvas_wh: tuple[int, int] | None = None,
) -> Sample:
    """One random crop of a picture, resized.

    Args:
        rng: The source of everything that varies.
        sample: The picture in its own resolution.
        rule: The size it has in the network, which the jitter multiplies; a crop of `crop_size` has native resolution
            in its place, as a tile of `--tile` has, and only a bird that would not fit is brought down to network size.
        config: Range of the jitter, crop size, and which boxes stay.
        canvas_wh: The most that the crop may measure; by default a crop's size, else the picture's network size.

    Returns:
        The crop with the boxes in it; smaller than the canvas when the picture is.
    """
    if canvas_wh is None:
        canvas_wh = (config.crop_size, config.crop_size) if config.crop_size else rule.size(sample.size_wh)
    low, high = config.scale
    jitter = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    network = rule.scale(sample.size_wh)
    scales = (network * jitter, (max(1.0, network) if config.crop_size else network) * jitter)
    window = choose_window(rng, sample.size_wh, sample.boxes_xyxy, scales, canvas_wh, config.crop_object)
    return crop_sample(sample, window, config.min_visibility, config.min_side)


def choose_window(
    rng: Generator,
    size_wh: tuple[int, int],
    boxes_xyxy: NDArray[np.float32],
    scales: tuple[float, float],
    canvas_wh: tuple[int, int],
    object_probability: float,
) -> CropWindow:
    """Choose a window of at most `canvas_wh` pixels after scaling, inside the picture.

    Args:
        rng: The source of everything that varies.
        size_wh: Width and height of the picture.
        boxes_xyxy: (N, 4), pixels.
        scales: From the picture's pixels to the crop's: the second, or what makes the box fit that the window is laid
            around, but no less than the first.
        canvas_wh: The most that the crop may measure.
        object_probability: How often the window is laid around one of the boxes, each as likely as the others. The
            whole of it is then inside, or, if it is larger than the window, nothing else.
    """
    least, scale = scales
    box = None
    if len(boxes_xyxy) and rng.random() < object_probability:
        box = boxes_xyxy[rng.integers(len(boxes_xyxy))].astype(np.float64)
        scale = max(least, min(scale, *(np.array(canvas_wh) / np.maximum(box[2:] - box[:2], 1)).tolist()))
    window = np.array([min(side, max(1, round(most / scale))) for side, most in zip(size_wh, canvas_wh, strict=True)])
    free = np.array(size_wh) - window
    if box is not None:
        ends = np.sort([box[2:] - window, box[:2]], axis=0)  # the window's corner lies between these two
        low, high = np.ceil(ends[0]), np.floor(ends[1])
        low = np.where(low > high, np.round(ends.mean(axis=0)), low)  # no whole pixel in between: box as wide as window
        low = low.clip(0, free)
        high = np.maximum(high.clip(0, free), low)
    else:
        low, high = np.zeros(2), free
    left, top = rng.integers(low.astype(np.int64), high.astype(np.int64), endpoint=True).tolist()
    out = [min(most, max(1, round(side * scale))) for side, most in zip(window.tolist(), canvas_wh, strict=True)]
    return CropWindow(left, top, int(window[0]), int(window[1]), (out[0], out[1]))


def crop_sample(sample: Sample, window: CropWindow, min_visibility: float = 0.0, min_side: float = 0.0) -> Sample:
    """What is seen of a picture through a window.

    A bird of which too little is seen to learn from becomes an ignored region: it must not be taught as background.

    Args:
        sample: The picture.
        window: The window.
        min_visibility: The least visible share of a box that stays. The share is of what a window of this size could
            show of the box at best, so that a bird larger than the window is not lost.
        min_side: The least width and height of a box that stays, in pixels of the result.
    """
    window_wh = (window.width, window.height)
    image = sample.image[window.top : window.top + window.height, window.left : window.left + window.width]
    moved = sample.boxes_xyxy - np.array([window.left, window.top] * 2, np.float32)
    visible = clip_boxes(moved, window_wh)
    at_best = np.minimum(moved[:, 2:] - moved[:, :2], window_wh).prod(axis=1)
    boxes = clip_boxes(scale_boxes(visible, window_wh, window.out_wh), window.out_wh)
    sides = boxes[:, 2:] - boxes[:, :2]
    taught = (box_areas(visible) >= min_visibility * at_best) & (sides >= min_side).all(axis=1)
    seen = (sides > 0).all(axis=1)
    return Sample(resize(image, window.out_wh), boxes[seen], np.where(taught, sample.labels, IGNORED)[seen])
