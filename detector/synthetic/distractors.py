"""Draws what is not a bird, and what detectors take for one: aircraft in the sky, mammals on the ground."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from detector.synthetic.brush import RGB, Brush, Field, Image

DISTRACTOR_EXTENT = 2.6  # the side of the square picture in body lengths
FURS: tuple[RGB, ...] = ((120, 92, 62), (86, 66, 48), (150, 140, 128), (58, 52, 48), (168, 112, 58))


def draw_aircraft(rng: Generator, size: int) -> tuple[Image, Field]:
    """Draw an airliner or a light aircraft: what a bird in the sky is not. Results as those of `draw_flying_bird`."""
    brush = Brush(rng, size, DISTRACTOR_EXTENT)
    heading = rng.normal(0, 0.25) + np.pi * (rng.random() < 0.5)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    aside = np.array([-ahead[1], ahead[0]])
    colour = (int(rng.integers(30, 240)),) * 3
    sweep, seen = rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.9)
    for side in (1, -1):
        span = side * seen * aside
        brush.polygon([0.3 * ahead, span - sweep * ahead, span - (sweep + 0.12) * ahead, -0.1 * ahead], colour, 0.85)
        brush.polygon(
            [-0.8 * ahead, 0.35 * span - 1.0 * ahead, 0.35 * span - 1.08 * ahead, -0.95 * ahead], colour, 0.85
        )
    brush.ellipse(np.zeros(2), (1.05, 0.09), heading, colour)
    brush.polygon([-0.75 * ahead, np.array([0, -0.35]) - 1.0 * ahead, -1.0 * ahead], colour, 0.7)
    return brush.finished(rng)


def draw_mammal(rng: Generator, size: int) -> tuple[Image, Field]:
    """Draw a furry quadruped from the side. Results as those of `draw_flying_bird`."""
    brush = Brush(rng, size, DISTRACTOR_EXTENT)
    facing = 1.0 if rng.random() < 0.5 else -1.0
    fur = FURS[rng.integers(len(FURS))]
    deep, legs, thick = rng.uniform(0.2, 0.34), rng.uniform(0.25, 0.6), rng.uniform(0.05, 0.09)

    def at(x: float, y: float) -> np.ndarray:
        return np.array([facing * x, y])

    for x, light in ((-0.36, 0.7), (0.32, 0.7), (-0.44, 0.9), (0.4, 0.9)):
        foot = x + rng.uniform(-0.16, 0.16)
        brush.polygon(
            [at(x - thick, 0), at(x + thick, 0), at(foot + thick / 2, legs), at(foot - thick / 2, legs)], fur, light
        )
    droop, long = rng.uniform(-0.3, 0.5), rng.uniform(0.15, 0.75)
    brush.polygon([at(-0.45, -0.12), at(-0.5 - long, droop), at(-0.45, 0.02)], fur, 0.85)
    head, bulk = (0.62, rng.uniform(-0.4, -0.05)), rng.uniform(0.13, 0.2)
    brush.polygon([at(0.2, -deep), at(head[0], head[1] - bulk), at(head[0], head[1] + bulk), at(0.35, deep)], fur)
    brush.ellipse(np.zeros(2), (0.55, deep), 0.0, fur)
    brush.ellipse(at(*head), (bulk * 1.2, bulk), facing * 0.3, fur)
    brush.ellipse(at(head[0] + 1.3 * bulk, head[1] + 0.4 * bulk), (0.6 * bulk, 0.4 * bulk), 0.0, fur)
    ear = rng.uniform(0.8, 2.2) * bulk
    brush.polygon([at(head[0] - bulk, head[1] - 0.4 * bulk), at(head[0] - 0.5 * bulk, head[1] - 0.6 * bulk - ear),
                   at(head[0] + 0.1 * bulk, head[1] - 0.7 * bulk)], fur, 0.8)  # fmt: skip
    return brush.finished(rng)
