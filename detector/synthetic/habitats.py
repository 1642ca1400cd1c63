"""Places to put birds into: sky, thicket, ground, water and rock, painted with scenery.

What the real pictures look like that these stand in for: small birds over a tree line, in colour and thermal; birds at
a camera trap between grass and stones; seabirds on water and rock. Every function is pure in its generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.synthetic.scenery import (
    GREENS,
    RGB,
    SOILS,
    Foliage,
    Image,
    blend,
    draw_blades,
    draw_branch,
    draw_stone,
    draw_tree_line,
    fractal_noise,
    scatter_leaves,
    shade,
)

WATERS: tuple[tuple[RGB, RGB], ...] = (
    ((40, 66, 78), (136, 166, 180)),
    ((32, 70, 62), (110, 152, 128)),
    ((24, 44, 84), (98, 140, 196)),
    ((88, 92, 92), (178, 182, 182)),
)
SKIES: tuple[tuple[RGB, RGB], ...] = (  # above, at the horizon
    ((46, 98, 186), (124, 168, 222)),
    ((78, 130, 196), (188, 208, 226)),
    ((34, 62, 140), (70, 116, 196)),
    ((120, 128, 142), (168, 172, 180)),
    ((176, 182, 188), (212, 214, 218)),
    ((96, 96, 128), (226, 164, 118)),
)


@dataclass(frozen=True, eq=False)
class Habitat:
    """A painted place.

    Args:
        image: uint8 (H, W, 3), RGB.
        feet: Range of heights, in pixels from the top, where birds stand.
        airborne: The share of birds that fly.
        ceiling: Height down to which birds fly, in pixels from the top.
    """

    image: Image
    feet: tuple[float, float]
    airborne: float
    ceiling: float


def draw_sky(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """A sky with or without clouds, often over a tree line, poles or hills."""
    width, height = size_wh
    above, below = SKIES[rng.integers(len(SKIES))]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None] ** np.float32(rng.uniform(0.7, 2.0))
    sky = blend(above, below, np.broadcast_to(down, (height, width)))
    if rng.random() < 0.55:
        clouds = fractal_noise(rng, size_wh, (rng.uniform(1, 4), rng.uniform(2, 7)))
        cover = ((clouds - rng.uniform(0.35, 0.75)) * rng.uniform(1.0, 4.0)).clip(0, 1) * rng.uniform(0.3, 1.0)
        sky += cover[..., None] * (np.float32(rng.uniform(120, 250)) - sky)
    image, open_to = _to_image(sky), float(height)
    if rng.random() < 0.75:
        open_to = draw_tree_line(rng, image, shade(rng, (34, 34, 32), 0.6, 1.6))
    return Habitat(image, (open_to, height), airborne=0.92, ceiling=open_to)


def draw_thermal(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """A white-hot thermal picture: cold sky, colder towards the horizon, warm trees, ground and poles."""
    width, height = size_wh
    level = rng.uniform(30, 120)
    sky = np.full((height, width), level, np.float32)
    sky -= np.linspace(0, 1, height, dtype=np.float32)[:, None] ** 3 * np.float32(rng.uniform(0, 0.9) * level)
    if rng.random() < 0.5:
        clouds = fractal_noise(rng, size_wh, (rng.uniform(1, 3), rng.uniform(2, 6)))
        sky += ((clouds - rng.uniform(0.3, 0.6)) * rng.uniform(30, 220)).clip(-level, 200)
    image = _to_image(np.repeat(sky[..., None], 3, axis=2))
    open_to = float(height)
    if rng.random() < 0.8:
        warm = rng.uniform(150, 255)
        open_to = draw_tree_line(rng, image, (warm, warm, warm))
    if rng.random() < 0.2:  # a sensor at the end of its range
        grain = rng.normal(0, rng.uniform(15, 60), (height, width, 1)).astype(np.float32)
        image = _to_image(image + grain)
    return Habitat(image, (open_to, height), airborne=1.0, ceiling=open_to)


def draw_thicket(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """Leaves and branches, out of focus far behind and sharp near by."""
    width, height = size_wh
    dark, light = GREENS[rng.integers(len(GREENS))]
    if rng.random() < 0.3:  # the sky through the leaves
        light = SKIES[rng.integers(len(SKIES))][1]
    image = _to_image(blend(dark, light, fractal_noise(rng, size_wh, (7, 7)) ** np.float32(rng.uniform(1, 2))))
    scatter_leaves(rng, image, Foliage((dark, light), int(rng.integers(20, 140)), rng.uniform(0.02, 0.06)))
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.5, width * rng.uniform(0.002, 0.02))), np.uint8)
    for _ in range(rng.integers(2, 7)):
        draw_branch(rng, image)
    if rng.random() < 0.6:
        scatter_leaves(rng, image, Foliage((dark, light), int(rng.integers(10, 60)), rng.uniform(0.02, 0.05)))
    return Habitat(image, (0.25 * height, 0.9 * height), airborne=0.08, ceiling=float(height))


def draw_ground(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """Soil, sand, gravel or snow with stones and grass, before bushes or the open."""
    width, height = size_wh
    dark, light = SOILS[rng.integers(len(SOILS))]
    grain = rng.uniform(8, 40)
    image = _to_image(blend(dark, light, fractal_noise(rng, size_wh, (grain, 1.7 * grain), octaves=5)))
    horizon = int(height * rng.uniform(0.05, 0.5))
    behind = _to_image(blend(*GREENS[rng.integers(len(GREENS))], fractal_noise(rng, size_wh, (8, 8))))
    edge = horizon + np.rint(height * 0.06 * (fractal_noise(rng, (width, 2), (6, 2))[0] - 0.5)).astype(int)
    image = np.where((np.arange(height)[:, None] < edge)[..., None], behind, image)
    image[:horizon] = cv2.GaussianBlur(image[:horizon], (0, 0), max(0.5, 0.006 * width)) if horizon else 0
    for _ in range(rng.integers(0, 8)):
        at = (rng.uniform(0, width), rng.uniform(horizon, height))
        draw_stone(rng, image, at, width * rng.uniform(0.01, 0.09))
    if rng.random() < 0.6:
        draw_blades(rng, image, Foliage(GREENS[rng.integers(len(GREENS))], int(rng.integers(20, 200)), 0.12))
    return Habitat(image, (horizon + 0.25 * (height - horizon), 0.97 * height), airborne=0.05, ceiling=float(height))


def draw_water(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """Calm or rippled water, with a far shore and reeds."""
    width, height = size_wh
    dark, light = WATERS[rng.integers(len(WATERS))]
    ripples = fractal_noise(rng, size_wh, (rng.uniform(2, 8), rng.uniform(14, 44)))
    picture = blend(dark, light, ripples ** np.float32(rng.uniform(0.8, 2.2)))
    glitter = (ripples > rng.uniform(0.75, 0.98)) * rng.uniform(0, 0.8)
    image = _to_image(picture + glitter[..., None] * (250 - picture))
    shore = int(height * rng.uniform(0, 0.35))
    if shore > 2:
        bank = fractal_noise(rng, (width, shore), (10, 4))
        image[:shore] = cv2.GaussianBlur(_to_image(blend(*GREENS[rng.integers(len(GREENS))], bank)), (0, 0), 1.2)
    if rng.random() < 0.4:
        draw_blades(rng, image, Foliage(GREENS[rng.integers(len(GREENS))], int(rng.integers(10, 60)), 0.4))
    return Habitat(image, (shore + 0.2 * (height - shore), 0.95 * height), airborne=0.1, ceiling=float(height))


def draw_rock(rng: Generator, size_wh: tuple[int, int]) -> Habitat:
    """A cliff or a heap of rocks with cracks and droppings."""
    width, height = size_wh
    dark, light = SOILS[rng.integers(3)]
    image = _to_image(blend(dark, light, fractal_noise(rng, size_wh, (6, 9), octaves=5)))
    for _ in range(rng.integers(8, 26)):
        at = (rng.uniform(0, width), rng.uniform(0, height))
        draw_stone(rng, image, at, width * rng.uniform(0.05, 0.25))
    grain = fractal_noise(rng, size_wh, (50, 50), octaves=2)[..., None]
    image = _to_image(image * (0.75 + 0.5 * grain))
    return Habitat(image, (0.25 * height, 0.95 * height), airborne=0.05, ceiling=float(height))


HABITATS: dict[str, Callable[[Generator, tuple[int, int]], Habitat]] = {
    "sky": draw_sky,
    "thermal": draw_thermal,
    "thicket": draw_thicket,
    "ground": draw_ground,
    "water": draw_water,
    "rock": draw_rock,
}


def _to_image(values: NDArray) -> Image:
    return np.asarray(values.clip(0, 255), np.uint8)
