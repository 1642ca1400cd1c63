"""Boxes with names drawn on a picture, readable on a thumbnail and on a 40-megapixel photo."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

TRUTH_COLOUR: Colour = (64, 220, 80)
# bright on grass, sky and night-IR alike and under black letters; no green among them: that is the ground truth's
COLOURS: tuple[Colour, ...] = (
    (255, 140, 26),
    (64, 196, 255),
    (255, 92, 168),
    (255, 221, 51),
    (178, 132, 255),
    (255, 82, 82),
    (38, 222, 208),
    (240, 240, 240),
)


def draw_detections(
    image_rgb: NDArray[np.uint8],
    boxes_xyxy: ArrayLike,
    labels: Sequence[str] | None = None,
    scores: ArrayLike | None = None,
    *,
    truth_xyxy: ArrayLike | None = None,
    truth_labels: Sequence[str] | None = None,
) -> NDArray[np.uint8]:
    """Draw boxes on a copy of a picture; a label keeps its colour from picture to picture.

    Lines lie around the box, not on the bird, and grow with the picture. The surest box is drawn last, on top.

    Args:
        image_rgb: uint8 (H, W, 3).
        boxes_xyxy: (N, 4), pixels.
        labels: N names; without them, boxes have one colour.
        scores: (N,), written behind the name.
        truth_xyxy: (M, 4), annotated boxes, in green.
        truth_labels: M names of those, written below the boxes, where they hide no detection's name.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: If labels or scores are not one for each box.
    """
    from PIL import Image, ImageDraw

    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    truth = np.asarray([] if truth_xyxy is None else truth_xyxy, dtype=np.float64).reshape(-1, 4)
    values = None if scores is None else np.asarray(scores, dtype=np.float64)
    for what, given, wanted in (
        ("labels", labels, boxes),
        ("scores", values, boxes),
        ("truth_labels", truth_labels, truth),
    ):
        if given is not None and len(given) != len(wanted):
            raise ValueError(f"{len(wanted)} boxes with {len(given)} {what}")

    picture = Image.fromarray(image_rgb)
    pen = ImageDraw.Draw(picture)
    for row, box in enumerate(truth):
        _draw_box(pen, box, truth_labels[row] if truth_labels is not None else "", TRUTH_COLOUR, above=False)
    for row in range(len(boxes)) if values is None else np.argsort(values, kind="stable").tolist():
        name = labels[row] if labels is not None else ""
        text = name if values is None else f"{name} {values[row]:.2f}".strip()
        _draw_box(pen, boxes[row], text, _colour(name))
    return np.array(picture)


def _colour(name: str) -> Colour:
    # these bits of the hash keep bird, other animal, person and vehicle apart
    return COLOURS[(zlib.crc32(name.encode()) >> 7) % len(COLOURS)]


def _draw_box(pen: ImageDraw, box_xyxy: NDArray[np.float64], text: str, colour: Colour, above: bool = True) -> None:
    width, height = pen.im.size
    line = max(1, round(max(width, height) / 450))
    left, top = (float(value) - line for value in box_xyxy[:2])
    right, bottom = (float(value) + line - 1 for value in box_xyxy[2:])  # Pillow draws the last pixel, too
    if right < 0 or bottom < 0 or left > width or top > height:
        return  # out of the picture, and so is its name
    pen.rectangle((left, top, max(right, left), max(bottom, top)), outline=colour, width=line)
    if not text:
        return
    font = load_font(max(11, round(max(width, height) / 55)))
    x0, y0, x1, y1 = pen.textbbox((0, 0), text, font=font)
    margin = max(1, line)
    wide, high = x1 - x0 + 2 * margin, y1 - y0 + 2 * margin
    # outside of the box, but inside it where the picture ends, and never over the picture's sides
    at_x = min(max(left, 0.0), max(width - wide, 0.0))
    outside, inside = (top - high, top) if above else (bottom, bottom - high)
    at_y = outside if 0 <= outside <= height - high else min(max(inside, 0.0), max(height - high, 0.0))
    pen.rectangle((at_x, at_y, at_x + wide, at_y + high), fill=colour)
    pen.text((at_x + margin - x0, at_y + margin - y0), text, font=font, fill="black")


@lru_cache(maxsize=16)
def load_font(size_px: int) -> FreeTypeFont:
    """DejaVu Sans, which has Hebrew, Greek and Cyrillic letters and comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size_px)
