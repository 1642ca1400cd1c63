"""Draws scenes of birds: pictures with known boxes and species, to pretrain on, for the demo and the tests.

Boxes are tight around what can be seen of a bird. A bird that would be mostly hidden is not painted at all, so that no
visible bird goes without its box. Every function is pure in its generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.data.sample import Sample
from detector.synthetic.birds import draw_bird
from detector.synthetic.brush import Field, Image
from detector.synthetic.camera import develop_scene, light_bird
from detector.synthetic.distractors import draw_aircraft, draw_mammal
from detector.synthetic.flight import draw_flying_bird
from detector.synthetic.habitats import HABITATS, Habitat
from detector.synthetic.plumages import PLUMAGES
from detector.synthetic.scenery import GREENS, Foliage, draw_blades, draw_branch, fractal_noise, scatter_leaves

SEEN = 0.25  # the least share of a pixel that is bird, for the pixel to count as one
LEAST_VISIBLE = 0.4  # of a bird's area; below, it is left out
SMALLEST_BOX = 4  # pixels of the long side; below, a bird is left out
PLACES_TRIED = 8


@dataclass(frozen=True)
class SceneConfig:
    """What scenes are made of.

    Args:
        habitats: Pairs of a habitat's name and its weight.
        counts: Weight of 0, 1, 2 ... birds.
        smallest: Length of the smallest birds in pixels.
        largest: Length of the largest birds in shares of the short side of the picture.
        night: The share of the scenes on the ground, in thickets and rocks that a night camera took.
    """

    habitats: tuple[tuple[str, float], ...]
    counts: tuple[float, ...]
    smallest: float = 10.0
    largest: float = 0.5
    night: float = 0.15


# to tell species apart: birds near enough to be told
SPECIES_SCENES = SceneConfig(
    habitats=(("thicket", 3), ("ground", 3), ("water", 2), ("rock", 1), ("sky", 1)), counts=(1, 3, 3, 2, 1, 1, 1)
)
# for detectors that learn in minutes, in pictures of 192 pixels: few birds, and large ones
DEMO_SCENES = replace(SPECIES_SCENES, counts=(1, 4, 3, 1), smallest=40.0, largest=0.65)
# to pretrain a detector for real footage: also small birds far away, and thermal pictures
DETECTOR_SCENES = SceneConfig(
    habitats=(("sky", 5), ("thermal", 3), ("thicket", 2), ("ground", 3), ("water", 2), ("rock", 2)),
    counts=(2, 4, 3, 2, 1, 1, 1),
    smallest=7.0,
)


class Layer(NamedTuple):
    """One bird, cut out and placed: RGB (h, w, 3), coverage (h, w), and its corner in the picture."""

    image: Image
    coverage: Field
    left: int
    top: int
    species: int


def draw_scene(rng: Generator, size_wh: tuple[int, int], config: SceneConfig = SPECIES_SCENES) -> Sample:
    """Draw one scene.

    Args:
        rng: The source of everything that varies.
        size_wh: Width and height of the picture.
        config: What scenes are made of.

    Returns:
        The picture with 0 to 6 boxes; labels are indices into `PLUMAGES`.
    """
    names, weights = zip(*config.habitats, strict=True)
    kind = str(rng.choice(names, p=np.array(weights) / sum(weights)))
    habitat = HABITATS[kind](rng, size_wh)
    image = habitat.image
    _add_distractors(rng, image, kind)
    layers: list[Layer] = []
    for _ in range(rng.choice(len(config.counts), p=np.array(config.counts) / sum(config.counts))):
        layer = _place_bird(rng, habitat, kind, config, layers)
        layers += [layer] if layer else []
    front, cover = _draw_front(rng, habitat, kind, layers)
    kept, boxes = visible_birds(layers, cover)
    for layer in kept:
        _ground(rng, image, layer, kind)
    for layer in kept:
        _lay(image, layer.image, layer.coverage, layer.left, layer.top)
    _lay(image, front, cover, 0, 0)
    night = kind in ("thicket", "ground", "rock") and rng.random() < config.night
    labels = np.array([layer.species for layer in kept], np.int64)
    return Sample(develop_scene(rng, image, night or kind == "thermal", flash=night), boxes, labels)


def _place_bird(rng: Generator, habitat: Habitat, kind: str, config: SceneConfig, others: list[Layer]) -> Layer | None:
    height, width = habitat.image.shape[:2]
    species = int(rng.integers(len(PLUMAGES)))
    flies = rng.random() < habitat.airborne
    longest = config.largest * min(width, height) * (0.5 if flies else 1.0)
    length = config.smallest * (max(longest, config.smallest) / config.smallest) ** rng.beta(1.0, 1.6 if flies else 1.1)
    if flies:
        bird, coverage = draw_flying_bird(rng, PLUMAGES[species], max(8, round(length * 1.7)))
    else:
        bird, coverage = draw_bird(rng, PLUMAGES[species], max(8, round(length * 1.75)))
    bird, coverage = _cut_out(*light_bird(rng, bird, coverage, kind, flies))
    if kind == "water" and not flies:
        coverage = _swimming(rng, coverage)
    high, wide = coverage.shape
    for _ in range(PLACES_TRIED):
        left = int(rng.uniform(-0.15 * wide, width - 0.85 * wide))
        foot = rng.uniform(0.9 * high, max(high, habitat.ceiling)) if flies else rng.uniform(*habitat.feet)
        layer = Layer(bird, coverage, left, int(foot) - high, species)
        if not any(_overlap(layer, other) > 0.3 for other in others):
            return layer
    return None


def _cut_out(bird: Image, coverage: Field) -> tuple[Image, Field]:
    box = _extent(coverage, 0.02)
    if box is None:
        return bird[:1, :1], coverage[:1, :1]
    left, top, right, bottom = box
    return bird[top:bottom, left:right], coverage[top:bottom, left:right]


def _swimming(rng: Generator, coverage: Field) -> Field:
    """Without what is under water: the legs and the keel, along a ragged line."""
    high, wide = coverage.shape
    line = high * rng.uniform(0.6, 0.8) + high * 0.04 * np.sin(np.arange(wide) / max(1.0, 0.05 * wide))
    above = (line[None, :] - np.arange(high)[:, None]).clip(0, 1)
    return (coverage * above).astype(np.float32)


def _draw_front(rng: Generator, habitat: Habitat, kind: str, layers: list[Layer]) -> tuple[Image, Field]:
    """What is in front of the birds: its colours (H, W, 3), and its coverage (H, W)."""
    height, width = habitat.image.shape[:2]
    front, mask = np.zeros_like(habitat.image), np.zeros_like(habitat.image)
    if kind in ("thicket", "ground", "water") and layers and rng.random() < 0.5:
        colours = GREENS[rng.integers(len(GREENS))]
        around = np.array(
            [[each.left + each.image.shape[1] / 2, each.top + each.image.shape[0] / 2] for each in layers]
        )
        front[:] = np.uint8(np.mean(colours))  # so that soft edges do not turn black
        if kind == "thicket":
            leaves = Foliage(colours, int(rng.integers(2, 25)), rng.uniform(0.01, 0.05), around)
            scatter_leaves(rng, front, leaves, mask)
        else:
            blades = Foliage(colours, int(rng.integers(3, 40)), rng.uniform(0.1, 0.3), around)
            draw_blades(rng, front, blades, mask)
        if rng.random() < 0.4:  # nearer than the camera is focused
            blur = width * rng.uniform(0.002, 0.01)
            front, mask = (np.asarray(cv2.GaussianBlur(each, (0, 0), blur), np.uint8) for each in (front, mask))
    cover = (mask[..., 0] / 255).astype(np.float32)
    if kind in ("thicket", "ground") and rng.random() < 0.15:  # a camera trap's banner
        high = max(6, round(height * rng.uniform(0.04, 0.07)))
        front[height - high :], cover[height - high :] = 0, 1
        text = f"{rng.integers(2012, 2027)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}  {rng.integers(-5, 35)}C"
        at, scale = (high // 2, height - high // 4), high / 34
        cv2.putText(front, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (235, 235, 235), max(1, high // 18), cv2.LINE_AA)
    return front, cover


def visible_birds(layers: list[Layer], cover: Field) -> tuple[list[Layer], NDArray[np.float32]]:
    """The birds of which enough can be seen, back to front, and the boxes (N, 4) of what can be seen of them."""
    free = 1 - cover
    height, width = cover.shape
    kept: list[Layer] = []
    boxes: list[tuple[float, float, float, float]] = []
    for layer in reversed(layers):
        high, wide = layer.coverage.shape
        y0, y1 = max(layer.top, 0), min(layer.top + high, height)
        x0, x1 = max(layer.left, 0), min(layer.left + wide, width)
        if y0 >= y1 or x0 >= x1:
            continue
        inside = layer.coverage[y0 - layer.top : y1 - layer.top, x0 - layer.left : x1 - layer.left]
        seen = inside * free[y0:y1, x0:x1]
        extent = _extent(seen, SEEN)
        if extent is None or seen.sum() < LEAST_VISIBLE * layer.coverage.sum():
            continue
        if max(extent[2] - extent[0], extent[3] - extent[1]) < SMALLEST_BOX:
            continue
        free[y0:y1, x0:x1] *= 1 - inside
        kept.insert(0, layer)
        boxes.insert(0, (x0 + extent[0], y0 + extent[1], x0 + extent[2], y0 + extent[3]))
    return kept, np.array(boxes, np.float32).reshape(-1, 4)


def _extent(field: Field, least: float) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of what is at least so much, or None."""
    found = field >= least
    ys, xs = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    return (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None


def _ground(rng: Generator, image: Image, layer: Layer, kind: str) -> None:
    """What ties a bird to its place: a branch under it, a shadow, a reflection; painted into the image."""
    high, wide = layer.coverage.shape
    middle, foot = layer.left + wide / 2, layer.top + high
    if kind == "thicket":
        draw_branch(rng, image, (middle, foot - 0.02 * high), thickness=high * rng.uniform(0.04, 0.12))
    elif kind in ("ground", "rock"):
        flat = max(3, round(0.14 * high))
        y, x = np.ogrid[-1 : 1 : flat * 1j, -1 : 1 : wide * 1j]
        shadow = np.asarray(0.6 * (1 - x**2 - y**2).clip(0, 1), np.float32)
        _lay(image, np.zeros((flat, wide, 3), np.uint8), shadow, layer.left, foot - flat // 2)
    elif kind == "water":
        _lay(image, layer.image[::-1], layer.coverage[::-1] * 0.3, layer.left, foot - round(0.45 * high))


def _add_distractors(rng: Generator, image: Image, kind: str) -> None:
    """Aircraft, mammals and loose leaves; painted into the image."""
    height, width = image.shape[:2]
    short = min(height, width)
    if kind in ("sky", "thermal") and rng.random() < 0.25:
        picture, coverage = draw_aircraft(rng, round(short * rng.uniform(0.06, 0.5)))
        if kind == "thermal":
            picture = np.full_like(picture, rng.integers(150, 256))
    elif kind in ("ground", "thicket", "rock") and rng.random() < 0.15:
        picture, coverage = draw_mammal(rng, round(short * rng.uniform(0.3, 1.2)))
        fur = 0.7 + 0.6 * fractal_noise(rng, (len(picture), len(picture)), (30, 15), octaves=2)
        picture = np.asarray((picture * fur[..., None]).clip(0, 255), np.uint8)
    elif kind != "thermal":
        leaves = Foliage(GREENS[rng.integers(len(GREENS))], int(rng.geometric(0.6)) - 1, 0.015)
        scatter_leaves(rng, image, leaves)
        return
    else:
        return
    left = int(rng.uniform(-0.3 * len(picture), width - 0.5 * len(picture)))
    _lay(image, picture, coverage, left, int(rng.uniform(0, height - 0.6 * len(picture))))


def _lay(image: Image, picture: Image, coverage: Field, left: int, top: int) -> None:
    """Paint a picture into the image; what hangs over its edge is cut off."""
    height, width = image.shape[:2]
    y0, y1 = max(top, 0), min(top + picture.shape[0], height)
    x0, x1 = max(left, 0), min(left + picture.shape[1], width)
    if y0 >= y1 or x0 >= x1 or not coverage.any():
        return
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    under = image[y0:y1, x0:x1]
    under[:] = under + (picture[part].astype(np.float32) - under) * coverage[part][..., None] + 0.5


def _overlap(layer: Layer, other: Layer) -> float:
    """The share of the smaller one's rectangle that both cover."""
    corner, other_corner = np.array([layer.left, layer.top]), np.array([other.left, other.top])
    size, other_size = layer.coverage.shape[::-1], other.coverage.shape[::-1]
    sides = np.minimum(corner + size, other_corner + other_size) - np.maximum(corner, other_corner)
    return float(sides.clip(0).prod()) / min(layer.coverage.size, other.coverage.size)
