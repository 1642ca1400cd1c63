"""Regions of annotation tools to the boxes around them, in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from detector.data.convert.building import Corners


def around(xs: Sequence[float], ys: Sequence[float]) -> Corners:
    """Corners around points.

    Raises:
        ValueError: There are none, or not as many x as y.
    """
    if not xs or len(xs) != len(ys):
        raise ValueError("points")
    return min(xs), min(ys), max(xs), max(ys)


def turned(corners_xyxy: Corners, degrees: float, pivot_xy: tuple[float, float]) -> Corners:
    """Corners around a box that is turned clockwise about a pivot."""
    if degrees == 0:
        return corners_xyxy
    x1, y1, x2, y2 = corners_xyxy
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(x - pivot_xy[0], y - pivot_xy[1]) for x in (x1, x2) for y in (y1, y2)]
    return around(
        [pivot_xy[0] + x * cos - y * sin for x, y in offsets], [pivot_xy[1] + x * sin + y * cos for x, y in offsets]
    )


def around_ellipse(centre_xy: tuple[float, float], radii_xy: tuple[float, float], degrees: float) -> Corners:
    """Corners around an ellipse that is turned about its centre."""
    (x, y), (rx, ry), angle = centre_xy, radii_xy, math.radians(degrees)
    wide = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
    high = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
    return x - wide, y - high, x + wide, y + high
