"""Draws pictures of a mammal: what a classifier of birds must not name, to train, to calibrate and to measure with."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.synthetic.birds import paste
from detector.synthetic.camera import develop_scene
from detector.synthetic.distractors import draw_mammal
from detector.synthetic.habitats import HABITATS
from detector.synthetic.scenery import fractal_noise

PLACES = ("ground", "thicket", "rock")
SIZES = (0.3, 1.2)  # of the square that a mammal is drawn in, in short sides of the picture
SEEN = 0.25  # the least share of a pixel that is mammal, for the pixel to count as one


def draw_mammal_scene(rng: Generator, size_wh: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a mammal by day.

    Args:
        rng: The source of everything that varies.
        size_wh: Width and height of the picture.

    Returns:
        The picture, uint8 (height, width, 3), RGB; and the box float32 (1, 4) of what can be seen of the mammal.
    """
    width, height = size_wh
    image = HABITATS[str(rng.choice(PLACES))](rng, size_wh).image
    mammal, coverage = draw_mammal(rng, round(min(size_wh) * rng.uniform(*SIZES)))
    side = len(mammal)
    shade = 0.7 + 0.6 * fractal_noise(rng, (side, side), (30, 15), octaves=2)
    fur = (mammal * shade[..., None]).clip(0, 255)
    while True:
        left, top = int(rng.uniform(0, width - 0.8 * side)), int(rng.uniform(0, height - 0.8 * side))
        seen = coverage[max(0, -top) : height - top, max(0, -left) : width - left] > SEEN
        if seen.any():
            break
    ys, xs = np.nonzero(seen)
    ys, xs = ys + max(top, 0), xs + max(left, 0)
    box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)
    return develop_scene(rng, paste(image, fur, coverage, left, top), grey=False, flash=False), box
