"""Places to put birds into: sky, thicket, ground, water and rock, painted from noise and brush strokes.

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

Field = NDArray[np.float32]  # (H, W)
Image = NDArray[np.uint8]  # (H, W, 3), RGB
RGB = tuple[float, float, float]

BARK: RGB = (92, 74, 58)
SOILS: tuple[tuple[RGB, RGB], ...] = (
    ((78, 62, 44), (150, 128, 98)),  # soil
    ((150, 126, 88), (214, 194, 152)),  # sand
    ((96, 94, 88), (176, 172, 164)),  # gravel
    ((196, 200, 206), (244, 246, 250)),  # snow
    ((84, 74, 42), (146, 130, 78)),  # dry leaves
)
GREENS: tuple[tuple[RGB, RGB], ...] = (
    ((26, 46, 18), (116, 146, 62)),
    ((36, 52, 34), (136, 150, 104)),
    ((58, 50, 24), (164, 142, 76)),
    ((18, 34, 22), (74, 118, 66)),
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


def fractal_noise(rng: Generator, size_wh: tuple[int, int], cells_xy: tuple[float, float], octaves: int = 4) -> Field:
    """Smooth noise (H, W) from 0 to 1 with about so many blobs across and down, and finer ones in them."""
    width, height = size_wh
    sides = tuple(zip(cells_xy, size_wh, strict=True))
    total, weight, amplitude = np.zeros((height, width), np.float32), 0.0, 1.0
    for octave in range(octaves):
        across, down = (min(max(2, round(cells * 2**octave)), 2 * side) for cells, side in sides)
        cells = rng.random((down, across), dtype=np.float32)
        total += amplitude * cv2.resize(cells, size_wh, interpolation=cv2.INTER_CUBIC)
        weight += amplitude
        amplitude *= 0.55
    return ((total / np.float32(weight) - 0.5) * 1.7 + 0.5).clip(0, 1)


def blend(dark: RGB, light: RGB, field: Field) -> NDArray[np.float32]:
    """Colours (H, W, 3) between two, by a field from 0 to 1."""
    low, high = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    return low + field[..., None] * (high - low)


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
        open_to = draw_tree_line(rng, image, _shade(rng, (34, 34, 32), 0.6, 1.6))
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
    scatter_leaves(rng, image, None, (dark, light), count=int(rng.integers(20, 140)), side=rng.uniform(0.02, 0.06))
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.5, width * rng.uniform(0.002, 0.02))), np.uint8)
    for _ in range(rng.integers(2, 7)):
        draw_branch(rng, image)
    if rng.random() < 0.6:
        scatter_leaves(rng, image, None, (dark, light), count=int(rng.integers(10, 60)), side=rng.uniform(0.02, 0.05))
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
        draw_blades(rng, image, None, GREENS[rng.integers(len(GREENS))], int(rng.integers(20, 200)), 0.12)
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
        draw_blades(rng, image, None, GREENS[rng.integers(len(GREENS))], int(rng.integers(10, 60)), 0.4)
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


def draw_tree_line(rng: Generator, image: Image, colour: RGB) -> float:
    """Trees, hills or poles along the lower edge; painted into the image. Returns the height down to which sky is."""
    height, width = image.shape[:2]
    tall = height * rng.uniform(0.04, 0.35)
    x = np.linspace(0, 1, width, dtype=np.float32)
    profile = fractal_noise(rng, (width, 2), (rng.uniform(2, 12), 2), octaves=5)[0]
    if rng.random() < 0.4:  # open in the middle
        profile = profile * (0.15 + 1.7 * np.abs(x - np.float32(rng.uniform(0.3, 0.7))))
    crest = height - tall * (0.25 + profile)
    outline = np.stack([x * (width - 1), crest], axis=1)
    corners = np.array([[width - 1, height], [0, height]], np.float32)
    cv2.fillPoly(image, [np.rint(np.vstack([outline, corners])).astype(np.int32)], colour, cv2.LINE_AA)
    if rng.random() < 0.6:  # bare twigs that stand out against the sky
        for _ in range(rng.integers(4, 14)):
            foot = int(rng.integers(width))
            _grow(rng, image, np.array([foot, crest[foot] + 0.2 * tall]), -np.pi / 2, 0.4 * tall, 4, colour)
    for _ in range(rng.integers(0, 4) if rng.random() < 0.3 else 0):  # poles and masts
        foot, thick = int(rng.integers(width)), max(1, round(width * rng.uniform(0.002, 0.02)))
        top = int(height - tall * rng.uniform(0.8, 2.5))
        cv2.rectangle(image, (foot, top), (foot + thick, height), _shade(rng, colour, 0.7, 1.3), -1)
    return float(np.median(crest))


def _grow(rng: Generator, image: Image, start: NDArray, angle: float, length: float, levels: int, colour: RGB) -> None:
    stop = start + length * np.array([np.cos(angle), np.sin(angle)])
    if length < 2:
        return
    _line(image, start, stop, colour, max(1, round(length * 0.06)))
    for turn in (-1, 1) if levels else ():
        if rng.random() < 0.9:
            _grow(
                rng,
                image,
                stop,
                angle + turn * rng.uniform(0.15, 0.7),
                length * rng.uniform(0.6, 0.9),
                levels - 1,
                colour,
            )


def draw_branch(rng: Generator, image: Image, through: tuple[float, float] | None = None, thickness: float = 0) -> None:
    """A crooked branch across the picture, through a point if one is given; painted into the image."""
    height, width = image.shape[:2]
    x, y = through or (rng.uniform(0, width), rng.uniform(0, height))
    slope = rng.normal(0, 0.25) if through or rng.random() < 0.7 else rng.normal(0, 3)
    thick = max(1, round(thickness or width * rng.uniform(0.004, 0.04)))
    colour = np.asarray(_shade(rng, BARK, 0.5, 1.7))
    xs = np.array([-0.1 * width, x - 0.2 * width, x, x + 0.2 * width, 1.1 * width])
    ys = y + slope * (xs - x) + np.array([1, 0.5, 0, 0.5, 1]) * rng.normal(0, 0.03 * height, 5)
    points = np.rint(np.stack([xs, ys], axis=1)).astype(np.int32)
    cv2.polylines(image, [points], False, tuple((colour * 0.7).tolist()), thick, cv2.LINE_AA)
    lit = points - np.array([0, max(1, thick // 4)], np.int32)
    cv2.polylines(image, [lit], False, tuple((colour * 1.2).clip(0, 255).tolist()), max(1, thick // 2), cv2.LINE_AA)


def scatter_leaves(
    rng: Generator,
    image: Image,
    mask: Image | None,
    colours: tuple[RGB, RGB],
    count: int,
    side: float,
    around: NDArray | None = None,
) -> None:
    """Leaves of one kind, `side` picture widths long; painted into the image, and white into the mask (H, W, 3).

    Args:
        rng: The source of everything that varies.
        image: Painted into.
        mask: Painted into, if given.
        colours: The darkest and the lightest leaf.
        count: How many.
        side: Their length.
        around: Places (M, 2) that they gather around; everywhere by default.
    """
    height, width = image.shape[:2]
    at = rng.uniform(0, 1, (count, 2)) * (width, height)
    if around is not None:
        at = around[rng.integers(len(around), size=count)] + rng.normal(0, 2.5 * side * width, (count, 2))
    length = np.maximum(1.0, side * width * rng.uniform(0.5, 1.3, count))
    slim, turn, tone = rng.uniform(0.25, 0.6, count), rng.uniform(0, 360, count), rng.random(count)
    shades = blend(*colours, tone[None].astype(np.float32))[0].tolist()
    for index in range(count):
        x, y = (int(each) for each in at[index])
        axes = (round(length[index]), max(1, round(length[index] * slim[index])))
        cv2.ellipse(image, (x, y), axes, turn[index], 0, 360, shades[index], -1, cv2.LINE_AA)
        if mask is not None:
            cv2.ellipse(mask, (x, y), axes, turn[index], 0, 360, (255, 255, 255), -1, cv2.LINE_AA)


def draw_blades(
    rng: Generator,
    image: Image,
    mask: Image | None,
    colours: tuple[RGB, RGB],
    count: int,
    tall: float,
    around: NDArray | None = None,
) -> None:
    """Grass or reeds, `tall` picture heights high; arguments as those of `scatter_leaves`."""
    height, width = image.shape[:2]
    feet = np.stack([rng.uniform(0, width, count), rng.uniform(0.45, 1.05, count) * height], axis=1)
    if around is not None:
        feet = around[rng.integers(len(around), size=count)] + rng.normal(0, 0.04 * width, (count, 2))
        feet[:, 1] += 0.5 * tall * height
    shades = blend(*colours, rng.random((1, count), dtype=np.float32))[0].tolist()
    thick = max(1, round(0.006 * width * rng.uniform(0.5, 1.5)))
    for index in range(count):
        lean, high = rng.normal(0, 0.3), tall * height * rng.uniform(0.4, 1.1)
        steps = np.array([[0, 0], [0.4 * lean * high, -0.6 * high], [lean * high, -high]])
        points = np.rint(feet[index] + steps).astype(np.int32)
        cv2.polylines(image, [points], False, shades[index], thick, cv2.LINE_AA)
        if mask is not None:
            cv2.polylines(mask, [points], False, (255, 255, 255), thick, cv2.LINE_AA)


def draw_stone(rng: Generator, image: Image, at: tuple[float, float], radius: float) -> None:
    """A stone with its shadow, lit from above; painted into the image."""
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    shape = np.stack([np.cos(angles), 0.7 * np.sin(angles)], axis=1) * rng.uniform(0.8, 1.15, (10, 1))
    colour = np.asarray(_shade(rng, SOILS[rng.integers(3)][1], 0.5, 1.1))
    for offset, size, light in ((0.12, 1.05, 0.35), (0.0, 1.0, 0.75), (-0.12, 0.8, 1.0), (-0.25, 0.5, 1.12)):
        points = np.rint(np.array(at) + radius * (shape * size + (0, offset))).astype(np.int32)
        cv2.fillPoly(image, [points], (colour * light).clip(0, 255).tolist(), cv2.LINE_AA)


def _line(image: Image, start: NDArray, stop: NDArray, colour: RGB, thickness: int) -> None:
    ends = [tuple(np.rint(point).astype(int).tolist()) for point in (start, stop)]
    cv2.line(image, ends[0], ends[1], colour, thickness, cv2.LINE_AA)


def _shade(rng: Generator, colour: RGB, low: float, high: float) -> RGB:
    red, green, blue = (np.asarray(colour) * rng.uniform(low, high) * rng.uniform(0.93, 1.07, 3)).clip(0, 255).tolist()
    return red, green, blue


def _to_image(values: NDArray) -> Image:
    return np.asarray(values.clip(0, 255), np.uint8)
