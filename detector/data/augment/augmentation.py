"""Augmentation without state: a function of the seed, the epoch and the image, and of nothing else.

So it does not matter which worker makes a sample, nor what was made before: an interrupted run goes on as if it had
never stopped.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from detector.data.augment.pixels import vary_pixels
from detector.data.augment.random_crop import random_crop
from detector.data.config import AugmentationConfig
from detector.data.resizing import SizeRule
from detector.data.sample import Sample

_UNSIGNED = 2**64 - 1


def sample_generator(seed: int, epoch: int, image_id: int, copy: int = 0) -> Generator:
    """The generator behind one sample.

    Args:
        seed: The run's.
        epoch: Counted from 0.
        image_id: The image's id, which may be negative.
        copy: Which showing of the image in this epoch: those that repeat-factor sampling adds differ.
    """
    return np.random.default_rng([seed & _UNSIGNED, epoch, image_id & _UNSIGNED, copy])


def augment(rng: Generator, sample: Sample, rule: SizeRule, config: AugmentationConfig) -> Sample:
    """Vary one picture: scale, window, mirroring, colour, blur, noise, compression.

    Args:
        rng: The source of everything that varies: `sample_generator`.
        sample: The picture in its own resolution, with boxes inside of it.
        rule: The size that it has in the network.
        config: What is varied, how much, and how often.

    Returns:
        A picture of at most its network size (or crop size), with the boxes that can be seen.
    """
    return vary_pixels(rng, random_crop(rng, sample, rule, config), config)
