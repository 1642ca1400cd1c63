"""A brush for things with plain outlines: polygons and ellipses with smooth edges, however small."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float32]  # (H, W)
Image = NDArray[np.uint8]  # (H, W, 3), RGB
RGB = tuple[int, int, int]

SHARPEST = 96  # pixels; smaller pictures are painted at this size and reduced, so that thin wings fade as they should
_SUBPIXELS = 4  # bits of OpenCV's coordinates behind the point


class Brush:
    """Paints shapes around the middle of a square picture.

    Args:
        rng: Decides the shade of all colours.
        size: Side of the finished picture in pixels.
        extent: The same side in the unit of the shapes.
    """

    def __init__(self, rng: Generator, size: int, extent: float) -> None:
        self.size = size
        side = max(size, SHARPEST)
        self.scale = side / extent
        self.image = np.zeros((side, side, 3), np.uint8)
        self.mask = np.zeros((side, side), np.uint8)
        self.tone = rng.uniform(0.94, 1.06, 3)

    def polygon(self, points: list[NDArray], rgb: RGB, light: float = 1.0) -> None:
        """Paint a polygon, its corners given as points (2,)."""
        self._fill(np.array(points), rgb, light)

    def ellipse(self, at: NDArray, radii: tuple[float, float], turn: float, rgb: RGB) -> None:
        """Paint an ellipse with its first radius turned by `turn` radians."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
        cos, sin = np.cos(turn), np.sin(turn)
        self._fill(np.stack([x * cos - y * sin, x * sin + y * cos], axis=1) + at, rgb, 1.0)

    def finished(self, rng: Generator) -> tuple[Image, Field]:
        """Lit from above, at the size asked for."""
        side = len(self.mask)
        light = np.linspace(rng.uniform(1.0, 1.2), rng.uniform(0.6, 0.9), side, dtype=np.float32)[:, None]
        coverage = self.mask.astype(np.float32) / np.float32(255)
        premultiplied = self.image.astype(np.float32) * (light * coverage)[..., None]
        if side != self.size:
            box = (self.size, self.size)
            coverage = cv2.resize(coverage, box, interpolation=cv2.INTER_AREA).astype(np.float32)
            premultiplied = cv2.resize(premultiplied, box, interpolation=cv2.INTER_AREA).astype(np.float32)
        colour = premultiplied / np.maximum(coverage, 1e-3)[..., None]
        return colour.clip(0, 255).astype(np.uint8), coverage

    def _fill(self, points: NDArray, rgb: RGB, light: float) -> None:
        place = np.rint((points * self.scale + len(self.mask) / 2) * 2**_SUBPIXELS).astype(np.int32)
        colour = (np.asarray(rgb) * light * self.tone).clip(0, 255).tolist()
        cv2.fillPoly(self.image, [place], colour, cv2.LINE_8, _SUBPIXELS)
        cv2.fillPoly(self.mask, [place], 255, cv2.LINE_AA, _SUBPIXELS)
