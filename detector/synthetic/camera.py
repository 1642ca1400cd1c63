"""What light and the camera do to a drawn scene and to the birds in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from detector.synthetic.brush import Field, Image


def light_bird(rng: Generator, bird: Image, coverage: Field, kind: str, flies: bool) -> tuple[Image, Field]:
    """A bird in the light of its place, and blurred if it moves or is out of focus.

    Args:
        rng: The source of everything that varies.
        bird: uint8 (h, w, 3), RGB.
        coverage: float32 (h, w), 0 to 1.
        kind: The habitat's name.
        flies: Whether the bird is in the air.

    Returns:
        Picture and coverage, larger by what the blur needs.
    """
    colour = bird.astype(np.float32)
    if kind == "thermal":
        warmth = colour.mean(axis=2, keepdims=True) / 255
        colour = np.repeat(rng.uniform(150, 255) * (0.85 + 0.15 * warmth), 3, axis=2)
        blur = rng.uniform(0.3, 1.0)
    else:
        backlight = rng.beta(1.2, 1.6) if kind == "sky" else rng.uniform(0.75, 1.1)
        colour = colour * backlight
        blur = rng.uniform(0.4, 1.0) if rng.random() < 0.3 else 0.0
    length = len(bird) * rng.uniform(0.02, 0.07) if rng.random() < (0.3 if flies else 0.1) else 0.0
    reach = int(np.ceil(3 * blur + length)) + 1
    alpha = coverage[..., None]
    both = np.concatenate([colour * alpha, alpha], axis=2)
    both = np.pad(both, ((reach, reach), (reach, reach), (0, 0))).astype(np.float32)
    if length >= 1:
        both = cv2.filter2D(both, -1, _streak(length, rng.uniform(0, np.pi))).astype(np.float32)
    if blur:
        both = cv2.GaussianBlur(both, (0, 0), blur).astype(np.float32)
    colour = both[..., :3] / np.maximum(both[..., 3:], 1e-3)
    return colour.clip(0, 255).astype(np.uint8), both[..., 3].clip(0, 1)


def _streak(length: float, angle: float) -> Field:
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, stop = (tuple(np.rint(side // 2 + sign * reach).astype(int).tolist()) for sign in (-1, 1))
    cv2.line(kernel, start, stop, 1.0, 1, cv2.LINE_AA)
    return kernel / kernel.sum()


def develop_scene(rng: Generator, image: Image, grey: bool, flash: bool) -> Image:
    """What light and camera add: exposure, colour cast, contrast, softness and noise.

    Args:
        rng: The source of everything that varies.
        image: uint8 (H, W, 3), RGB.
        grey: Make it grey.
        flash: Light it from the camera only, as at night.
    """
    height, width = image.shape[:2]
    if grey:
        image = np.repeat(cv2.transform(image, rng.dirichlet((2, 2, 1))[None])[..., None], 3, axis=2)
    steps = np.arange(256, dtype=np.float32)[:, None] / 255
    gain = rng.uniform(0.75, 1.2) * (1 if grey else rng.uniform(0.93, 1.07, (1, 3)))
    curve = 255 * (steps * gain).clip(0, 1) ** rng.uniform(0.8, 1.25)
    picture = cv2.LUT(image, np.broadcast_to(curve, (256, 3)).astype(np.uint8)[None])
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    light = picture.astype(np.float32)
    if flash:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        cone = rng.uniform(0.9, 1.4) * np.exp(-(x**2 + y**2) * rng.uniform(0.3, 1.4))
        light *= cone[..., None].astype(np.float32)
    grain = rng.standard_normal((height, width, 1 if grey else 3), dtype=np.float32)
    grain *= np.float32(rng.gamma(1.5, 2.0) + 3 * flash)
    return np.asarray((light + grain).clip(0, 255), np.uint8)
