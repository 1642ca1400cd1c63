"""Draws birds: pictures of known content, for the demo and the tests. Every function is pure in its generator.

A bird is drawn in a frame of its own: unit = body length, x towards the bill, y down, origin at the body's centre.
Shapes are distance fields, so that edges are smooth at any size.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.synthetic.plumages import BLACK, RGB, WHITE, Plumage

Field = NDArray[np.float32]  # (H, W)
Image = NDArray[np.uint8]  # (H, W, 3), RGB

BIRD_EXTENT = 2.7  # the side of a bird's square picture, in body lengths: room for tail, bill and raised wing


def draw_bird(rng: Generator, plumage: Plumage, size: int) -> tuple[Image, Field]:
    """Draw one individual: its own pose, proportions, shade of colours and light.

    Args:
        rng: The source of everything that varies.
        plumage: The species.
        size: Side of the square picture in pixels.

    Returns:
        RGB picture (size, size, 3), black where there is no bird, and coverage (size, size), float32 from 0 to 1.
    """
    canvas = _Canvas.of_pose(rng, size)
    girth = plumage.girth * rng.uniform(0.9, 1.1)
    shade = rng.uniform(0.94, 1.06, 3)  # individuals differ a little in colour
    body = canvas.ellipse((0.0, 0.0), (0.5, girth / 2))
    head_at = np.array([0.42 + rng.uniform(-0.05, 0.06), -0.30 - girth * 0.1 + rng.uniform(-0.06, 0.08)])
    head = canvas.ellipse(head_at, (0.215, 0.2))
    forehead = head_at + (0.17, 0.03)

    for x in (-0.02, 0.08):
        foot = (x + rng.uniform(-0.06, 0.06), girth * 0.42 + plumage.leg_length)
        canvas.paint(canvas.limb((x, girth * 0.35), foot, 0.022, 0.016), plumage.legs)
    canvas.paint(
        canvas.limb((-0.32, 0.02), (-0.42 - plumage.tail_length, rng.uniform(-0.02, 0.16)), 0.13, 0.07), plumage.tail
    )
    if rng.random() < 0.2:  # the far wing, raised
        canvas.paint(canvas.limb((0.05, -0.1), (-0.35, -0.85), 0.16, 0.05), plumage.wing)
    for angle in np.linspace(2.0, 3.3, 5) if plumage.crest else ():
        tip = head_at + np.array([np.cos(angle), -np.sin(angle)]) * (0.15 + plumage.crest)
        canvas.paint(canvas.limb(head_at, tip, 0.05, 0.035), plumage.head)
        canvas.paint(canvas.limb(head_at + (tip - head_at) * 0.85, tip, 0.035, 0.035), BLACK)
    bill_tip = forehead + (plumage.bill_length, plumage.bill_curve)
    bill_middle = forehead + (plumage.bill_length * 0.55, plumage.bill_curve * 0.25)
    canvas.paint(canvas.limb(forehead - (0.06, 0.0), bill_middle, 0.055, 0.036), plumage.bill)
    canvas.paint(canvas.limb(bill_middle, bill_tip, 0.036, 0.01), plumage.bill)

    canvas.paint(body, plumage.back)
    canvas.paint(head, plumage.head)
    neck = canvas.limb((0.2, -0.08), head_at, 0.24, 0.17)
    canvas.paint(neck, plumage.head)
    under = body * canvas.below(-0.04, slope=0.25)
    canvas.paint(under, plumage.belly)
    canvas.paint(under * canvas.marks(rng, plumage.pattern), plumage.pattern_rgb)
    if plumage.band:
        canvas.paint(np.maximum(body, neck) * canvas.limb((0.22, 0.3), (0.46, -0.06), 0.07, 0.07), plumage.band)
    if plumage.cap:
        canvas.paint(head * canvas.limb(head_at + (-0.2, -0.12), head_at + (0.2, -0.16), 0.11, 0.09), plumage.cap)
    if plumage.mask:
        canvas.paint(head * canvas.limb(head_at + (-0.2, 0.02), forehead, 0.05, 0.06), plumage.mask)
    wing = canvas.ellipse((-0.12, -0.03), (0.42, girth * 0.27), turn=0.12)
    canvas.paint(wing, plumage.wing)
    if plumage.wing_bar:
        for x in (-0.22, 0.02):
            canvas.paint(wing * canvas.limb((x - 0.06, -0.25), (x + 0.05, 0.25), 0.03, 0.03), plumage.wing_bar)
    eye_at = head_at + (0.07, -0.03)
    canvas.paint(canvas.ellipse(eye_at, (0.042, 0.042)), BLACK)
    canvas.paint(canvas.ellipse(eye_at + (0.012, -0.014), (0.013, 0.013)), WHITE)
    return canvas.lit(rng, shade)


def paste(picture: Image, bird: Image, coverage: Field, left: int, top: int) -> Image:
    """Lay a drawn bird over a picture; what hangs over the edge is cut off. Returns a new picture."""
    height, width = picture.shape[:2]
    y0, y1 = max(top, 0), min(top + bird.shape[0], height)
    x0, x1 = max(left, 0), min(left + bird.shape[1], width)
    if y0 >= y1 or x0 >= x1:
        return picture.copy()
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = coverage[part][..., None]
    out = picture.copy()
    out[y0:y1, x0:x1] = np.rint(out[y0:y1, x0:x1] * (1 - alpha) + bird[part] * alpha)
    return out


@dataclass
class _Canvas:
    """A square picture seen from the bird's own frame; what is painted later lies above."""

    x: Field  # (size, size), of each pixel in the bird's frame
    y: Field
    pixel: float  # body lengths a pixel
    colour: NDArray[np.float32]  # (size, size, 3), 0-255, times coverage
    coverage: Field

    @classmethod
    def of_pose(cls, rng: Generator, size: int) -> "_Canvas":
        pixel = BIRD_EXTENT / size
        steps = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(pixel) - np.float32(BIRD_EXTENT / 2)
        across, down = np.meshgrid(steps, steps)
        if rng.random() < 0.5:  # faces left
            across = -across
        across = across / np.float32(rng.uniform(0.75, 1.0))  # turned away from the camera a little
        # upright, level, or pecking
        tilt = rng.choice([-0.45, -0.1, 0.5], p=[0.5, 0.35, 0.15]) + rng.normal(0, 0.12)
        cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        x, y = across * cos + down * sin, down * cos - across * sin
        return cls(x, y, pixel, np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32))

    def ellipse(self, at: tuple[float, float] | NDArray, radii: tuple[float, float], turn: float = 0.0) -> Field:
        dx, dy = self.x - np.float32(at[0]), self.y - np.float32(at[1])
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        radius = np.hypot((dx * cos + dy * sin) / np.float32(radii[0]), (dy * cos - dx * sin) / np.float32(radii[1]))
        return self._cover((radius - 1) * np.float32(min(radii)))

    def limb(
        self, start: tuple[float, float] | NDArray, stop: tuple[float, float] | NDArray, r0: float, r1: float
    ) -> Field:
        """A round-ended stroke whose radius goes from r0 to r1."""
        (ax, ay), (bx, by) = np.asarray(start, np.float32), np.asarray(stop, np.float32)
        along = ((self.x - ax) * (bx - ax) + (self.y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
        along = along.clip(0, 1)
        distance = np.hypot(self.x - ax - along * (bx - ax), self.y - ay - along * (by - ay))
        return self._cover(distance - np.float32(r0) - along * np.float32(r1 - r0))

    def below(self, height: float, slope: float) -> Field:
        return self._cover(np.float32(height) + np.float32(slope) * self.x - self.y)

    def marks(self, rng: Generator, pattern: str) -> Field:
        """Where the plumage's marks are: 0-1, over the whole canvas."""
        phase_x, phase_y = rng.uniform(0, 2 * np.pi, 2)
        if pattern == "plain":
            return np.zeros_like(self.x)
        if pattern == "bars":
            wave = np.sin(62 * self.y + 12 * self.x + phase_y)
        elif pattern == "streaks":
            wave = np.sin(58 * self.x + 8 * np.sin(9 * self.y) + phase_x)
        else:
            row = np.floor((44 * self.y + phase_y) / (2 * np.pi))
            wave = np.cos(44 * self.x + phase_x + np.pi * row) * -np.cos(44 * self.y + phase_y) * 2 - 0.9
        return (0.5 + 2 * wave).clip(0, 1).astype(np.float32)

    def paint(self, cover: Field, rgb: RGB) -> None:
        self.colour += cover[..., None] * (np.asarray(rgb, np.float32) - self.colour)
        self.coverage += cover * (1 - self.coverage)

    def lit(self, rng: Generator, shade: NDArray) -> tuple[Image, Field]:
        """The finished picture: individual colour, light from above and one side, and the texture of feathers."""
        size = len(self.x)
        side = rng.uniform(-0.25, 0.25)
        light = 1.0 - 0.45 * self.y + side * self.x + 0.16 * (_noise(rng, size, size, 40, 40) - 0.5)
        colour = self.colour / np.maximum(self.coverage, 1e-3)[..., None]
        lit = colour * light.clip(0.45, 1.4)[..., None] * shade.astype(np.float32)
        return lit.clip(0, 255).astype(np.uint8), self.coverage

    def _cover(self, distance: Field) -> Field:
        return (0.5 - distance / np.float32(self.pixel)).clip(0, 1)


def _noise(rng: Generator, height: int, width: int, grain_y: int, grain_x: int) -> Field:
    """Smooth noise (height, width) from 0 to 1 with about `grain` blobs along each side, and finer ones in them."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        cells = rng.random((grain_y * 2**octave, grain_x * 2**octave), dtype=np.float32)
        total += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return ((total - 0.875) / 1.75 * 1.6 + 0.5).clip(0, 1)
