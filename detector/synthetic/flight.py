"""Draws birds of the invented species on the wing."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.synthetic.brush import Brush, Field, Image
from detector.synthetic.plumages import Plumage

FLIGHT_EXTENT = 4.0  # the side of the square picture in body lengths: room for both wings


def draw_flying_bird(rng: Generator, plumage: Plumage, size: int) -> tuple[Image, Field]:
    """Draw one individual on the wing: from the side, from below or coming up, at some point of its wingbeat.

    Args:
        rng: The source of everything that varies.
        plumage: The species.
        size: Side of the square picture in pixels.

    Returns:
        RGB picture (size, size, 3) and coverage (size, size), float32 from 0 to 1.
    """
    brush = Brush(rng, size, FLIGHT_EXTENT)
    heading = rng.normal(0, 0.35) + np.pi * (rng.random() < 0.5)
    if rng.random() < 0.3:  # seen from below, whichever way it goes
        heading = rng.uniform(0, 2 * np.pi)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    aside = np.array([-ahead[1], ahead[0]])
    girth = plumage.girth * rng.uniform(0.4, 0.55)

    reach = rng.uniform(1.0, 1.7)  # of a wing, in body lengths
    beat = rng.uniform(-0.3, 0.6, 2) if rng.random() < 0.5 else np.repeat(rng.uniform(-0.3, 0.6), 2)
    seen = rng.uniform(0.25, 1.0, 2)  # how much of each wing's length is turned to the viewer
    wings = [
        _wing(ahead, side * aside, reach * float(seen[index]), float(beat[index]), rng.uniform(0.2, 0.34))
        for index, side in enumerate((1, -1))
    ]
    tail = plumage.tail_length * rng.uniform(0.7, 1.0)
    fan = rng.uniform(0.06, 0.2)
    brush.polygon(wings[0], plumage.wing, 0.8)
    brush.polygon(
        [-0.3 * ahead + 0.07 * aside, -(0.45 + tail) * ahead + fan * aside, -(0.45 + tail) * ahead - fan * aside,
         -0.3 * ahead - 0.07 * aside],
        plumage.tail,
    )  # fmt: skip
    bill = 0.62 + plumage.bill_length
    brush.polygon([0.55 * ahead + 0.05 * aside, bill * ahead, 0.55 * ahead - 0.05 * aside], plumage.bill)
    brush.ellipse(np.zeros(2), (0.5, girth / 2), heading, plumage.back)
    brush.ellipse(0.05 * np.array([0, 1.0]), (0.42, girth / 2.6), heading, plumage.belly)
    brush.ellipse(0.46 * ahead, (0.19, 0.16), heading, plumage.head)
    brush.polygon(wings[1], plumage.wing)
    if plumage.wing_bar:
        root, wrist, tip = wings[1][0], wings[1][1], wings[1][2]
        brush.polygon([root * 0.6 + wrist * 0.4, wrist, wrist * 0.6 + tip * 0.4], plumage.wing_bar)
    return brush.finished(rng)


def _wing(ahead: NDArray, aside: NDArray, reach: float, beat: float, chord: float) -> list[NDArray]:
    """Outline of one wing: from the shoulder over the wrist to the tip, and back along the trailing edge."""
    wrist = 0.45 * reach * aside + (0.22 + 0.1 * beat) * ahead
    tip = reach * aside - beat * ahead
    return [
        0.22 * ahead,
        wrist,
        tip,
        0.6 * tip + 0.4 * wrist - 0.5 * chord * ahead,
        0.35 * reach * aside - chord * ahead,
        -0.22 * ahead,
    ]
