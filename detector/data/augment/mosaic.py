"""Mosaic: views of four pictures in one (YOLOv4, Bochkovskiy et al. 2020), here without making birds smaller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from detector.data.augment.random_crop import random_crop
from detector.data.config import AugmentationConfig
from detector.data.resizing import SizeRule
from detector.data.sample import Sample

PARTNERS = 3
FILL = 114  # grey of the parts that no picture covers, as in YOLOv5
CENTRE = (0.3, 0.7)  # where the four meet, in shares of the canvas


def choose_partners(rng: Generator, images: int) -> list[int]:
    """The places of the three other pictures, out of so many."""
    return [int(index) for index in rng.integers(images, size=PARTNERS)]


def mosaic(rng: Generator, samples: Sequence[Sample], rule: SizeRule, config: AugmentationConfig) -> Sample:
    """Put views of four pictures together.

    Every quarter is a view at the scale that the picture would have alone, at most as large as the quarter.

    Args:
        rng: The source of everything that varies.
        samples: Four pictures in their own resolution; the first one decides about the canvas.
        rule: The size that pictures have in the network.
        config: How views are chosen.

    Returns:
        A picture of the first one's network size (or of crop size).
    """
    width, height = (config.crop_size, config.crop_size) if config.crop_size else rule.size(samples[0].size_wh)
    x, y = round(width * rng.uniform(*CENTRE)), round(height * rng.uniform(*CENTRE))
    canvas = np.full((height, width, 3), FILL, np.uint8)
    boxes, labels = [], []
    corners = ((0, 0), (1, 0), (0, 1), (1, 1))
    for sample, (right, lower) in zip(samples, corners, strict=True):
        quarter = (width - x if right else x, height - y if lower else y)
        if 0 in quarter:  # of a picture one pixel high
            continue
        crop = random_crop(rng, sample, rule, config, canvas_wh=quarter)
        wide, high = crop.size_wh
        left, top = (x if right else x - wide), (y if lower else y - high)  # all four touch the centre
        canvas[top : top + high, left : left + wide] = crop.image
        boxes.append(crop.boxes_xyxy + np.array([left, top, left, top], np.float32))
        labels.append(crop.labels)
    return Sample(canvas, np.concatenate(boxes), np.concatenate(labels))
