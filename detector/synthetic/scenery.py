"""What places are painted with: noise, and strokes for trees, branches, leaves, grass and stones.

Strokes are painted into the image that they are given. All that varies comes from the generator.
"""

from __future__ import annotations

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
            start = np.array([foot, crest[foot] + 0.2 * tall])
            _grow(rng, image, _Twig(start, -np.pi / 2, 0.4 * tall, levels=4), colour)
    for _ in range(rng.integers(0, 4) if rng.random() < 0.3 else 0):  # poles and masts
        foot, thick = int(rng.integers(width)), max(1, round(width * rng.uniform(0.002, 0.02)))
        top = int(height - tall * rng.uniform(0.8, 2.5))
        cv2.rectangle(image, (foot, top), (foot + thick, height), shade(rng, colour, 0.7, 1.3), -1)
    return float(np.median(crest))


@dataclass(frozen=True, eq=False)
class _Twig:
    """Where a twig begins (2,), its direction in radians, its length in pixels, and how often it forks."""

    start: NDArray
    angle: float
    length: float
    levels: int


def _grow(rng: Generator, image: Image, twig: _Twig, colour: RGB) -> None:
    stop = twig.start + twig.length * np.array([np.cos(twig.angle), np.sin(twig.angle)])
    if twig.length < 2:
        return
    _line(image, twig.start, stop, colour, max(1, round(twig.length * 0.06)))
    for turn in (-1, 1) if twig.levels else ():
        if rng.random() < 0.9:
            angle = twig.angle + turn * rng.uniform(0.15, 0.7)
            _grow(rng, image, _Twig(stop, angle, twig.length * rng.uniform(0.6, 0.9), twig.levels - 1), colour)


def draw_branch(rng: Generator, image: Image, through: tuple[float, float] | None = None, thickness: float = 0) -> None:
    """A crooked branch across the picture, through a point if one is given; painted into the image."""
    height, width = image.shape[:2]
    x, y = through or (rng.uniform(0, width), rng.uniform(0, height))
    slope = rng.normal(0, 0.25) if through or rng.random() < 0.7 else rng.normal(0, 3)
    thick = max(1, round(thickness or width * rng.uniform(0.004, 0.04)))
    colour = np.asarray(shade(rng, BARK, 0.5, 1.7))
    xs = np.array([-0.1 * width, x - 0.2 * width, x, x + 0.2 * width, 1.1 * width])
    ys = y + slope * (xs - x) + np.array([1, 0.5, 0, 0.5, 1]) * rng.normal(0, 0.03 * height, 5)
    points = np.rint(np.stack([xs, ys], axis=1)).astype(np.int32)
    cv2.polylines(image, [points], False, tuple((colour * 0.7).tolist()), thick, cv2.LINE_AA)
    lit = points - np.array([0, max(1, thick // 4)], np.int32)
    cv2.polylines(image, [lit], False, tuple((colour * 1.2).clip(0, 255).tolist()), max(1, thick // 2), cv2.LINE_AA)


@dataclass(frozen=True, eq=False)
class Foliage:
    """Leaves or blades of one kind.

    Attributes:
        colours: The darkest and the lightest.
        count: How many.
        size: Their length: leaves as a share of the picture's width, blades of its height.
        around: Places (M, 2) that they gather around; None: everywhere.
    """

    colours: tuple[RGB, RGB]
    count: int
    size: float
    around: NDArray | None = None


def scatter_leaves(rng: Generator, image: Image, leaves: Foliage, mask: Image | None = None) -> None:
    """Leaves of one kind; painted into the image, and white into the mask (H, W, 3), if given."""
    height, width = image.shape[:2]
    count, around = leaves.count, leaves.around
    at = rng.uniform(0, 1, (count, 2)) * (width, height)
    if around is not None:
        at = around[rng.integers(len(around), size=count)] + rng.normal(0, 2.5 * leaves.size * width, (count, 2))
    length = np.maximum(1.0, leaves.size * width * rng.uniform(0.5, 1.3, count))
    slim, turn, tone = rng.uniform(0.25, 0.6, count), rng.uniform(0, 360, count), rng.random(count)
    shades = blend(*leaves.colours, tone[None].astype(np.float32))[0].tolist()
    for index in range(count):
        x, y = (int(each) for each in at[index])
        axes = (round(length[index]), max(1, round(length[index] * slim[index])))
        cv2.ellipse(image, (x, y), axes, turn[index], 0, 360, shades[index], -1, cv2.LINE_AA)
        if mask is not None:
            cv2.ellipse(mask, (x, y), axes, turn[index], 0, 360, (255, 255, 255), -1, cv2.LINE_AA)


def draw_blades(rng: Generator, image: Image, blades: Foliage, mask: Image | None = None) -> None:
    """Grass or reeds; painted into the image, and white into the mask (H, W, 3), if given."""
    height, width = image.shape[:2]
    count, tall, around = blades.count, blades.size, blades.around
    feet = np.stack([rng.uniform(0, width, count), rng.uniform(0.45, 1.05, count) * height], axis=1)
    if around is not None:
        feet = around[rng.integers(len(around), size=count)] + rng.normal(0, 0.04 * width, (count, 2))
        feet[:, 1] += 0.5 * tall * height
    shades = blend(*blades.colours, rng.random((1, count), dtype=np.float32))[0].tolist()
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
    colour = np.asarray(shade(rng, SOILS[rng.integers(3)][1], 0.5, 1.1))
    for offset, size, light in ((0.12, 1.05, 0.35), (0.0, 1.0, 0.75), (-0.12, 0.8, 1.0), (-0.25, 0.5, 1.12)):
        points = np.rint(np.array(at) + radius * (shape * size + (0, offset))).astype(np.int32)
        cv2.fillPoly(image, [points], (colour * light).clip(0, 255).tolist(), cv2.LINE_AA)


def _line(image: Image, start: NDArray, stop: NDArray, colour: RGB, thickness: int) -> None:
    ends = [tuple(np.rint(point).astype(int).tolist()) for point in (start, stop)]
    cv2.line(image, ends[0], ends[1], colour, thickness, cv2.LINE_AA)


def shade(rng: Generator, colour: RGB, low: float, high: float) -> RGB:
    """A lighter or darker shade of a colour, with a slight cast."""
    red, green, blue = (np.asarray(colour) * rng.uniform(low, high) * rng.uniform(0.93, 1.07, 3)).clip(0, 255).tolist()
    return red, green, blue
