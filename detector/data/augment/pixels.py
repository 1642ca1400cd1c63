"""The only file that knows albumentations: mirroring, colour, blur, noise, compression and night pictures.

2.0.8 is its last release under MIT. Windows and scale are `random_crop.py`'s business, so that it can be replaced.
"""

from __future__ import annotations

import os
import random
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator

from detector.data.config import AugmentationConfig
from detector.data.sample import Sample


def vary_pixels(rng: Generator, sample: Sample, config: AugmentationConfig) -> Sample:
    """Mirror a picture and vary its pixels, each with its probability.

    Args:
        rng: The source of everything that varies.
        sample: The picture, which is left alone.
        config: The probabilities.

    Returns:
        A picture of the same size with as many boxes, in the same order.
    """
    if min(sample.size_wh) < 2:
        return sample  # albumentations loses an axis of one pixel, and no bird can be seen
    pipeline = _pipeline(config)
    # one generator for all: with `set_random_seed` every transform would draw the same numbers
    pipeline.set_random_state(rng, random.Random(int(rng.integers(2**63))))
    rows = np.arange(len(sample.labels))
    # rows, because label fields pass through floats
    varied = pipeline(image=sample.image, bboxes=sample.boxes_xyxy, rows=rows)
    kept = np.asarray(varied["rows"], np.int64).reshape(-1)
    return Sample(varied["image"], varied["bboxes"], sample.labels[kept])


@lru_cache(maxsize=8)
def _pipeline(config: AugmentationConfig) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # the import would ask PyPI for a newer version
    import albumentations as A

    night = A.Sequential(
        [
            A.ToGray(p=1),
            A.RandomBrightnessContrast(brightness_limit=(-0.3, 0.2), contrast_limit=(-0.1, 0.5), p=1),
            A.RandomGamma(gamma_limit=(70, 160), p=0.7),
            A.GaussNoise(std_range=(0.01, 0.05), per_channel=False, p=0.7),
        ],
        p=config.night_ir,
    )
    colour = A.Sequential(
        [
            A.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.25, p=0.8),
            A.RandomGamma(gamma_limit=(75, 135), p=0.5),
            A.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=30, val_shift_limit=0, p=0.5),
        ],
        p=config.colour,
    )
    # symmetric: otherwise birds would move against their boxes
    motion = A.MotionBlur(blur_limit=(3, 5), allow_shifted=False, direction_range=(0.0, 0.0))
    blur = A.OneOf([motion, A.GaussianBlur(sigma_limit=(0.4, 1.2))], p=config.blur)
    transforms = [
        night,
        colour,
        blur,
        A.GaussNoise(std_range=(0.01, 0.06), p=config.noise),
        A.ImageCompression(quality_range=(30, 85), p=config.jpeg),
    ]
    return A.Compose(
        [A.HorizontalFlip(p=config.flip)] + [transform for transform in transforms if transform.p > 0],
        # clipped first, against "Expected x_max ... in range [0, 1]" (albumentations#459, #679, #922, #1497)
        bbox_params=A.BboxParams("pascal_voc", label_fields=["rows"], clip=True, filter_invalid_bboxes=True),
    )
