"""Confidence against how often names were right: where the bars meet the diagonal, 0.8 means four times in five."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import BLUE, DARK, GREY, RED, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def plot_reliability(
    edges: Floats,
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    confidence: tuple[Floats, Floats],
    accuracy: tuple[Floats, Floats],
    ece: tuple[float, float],
    temperature: float,
) -> Figure:
    """Draw reliability before and after calibration, side by side.

    Args:
        edges: (B + 1,), of the bins of confidence, 0..1.
        counts: (B,) each, names in every bin.
        confidence: (B,) each, their mean confidence; NaN where there are none.
        accuracy: (B,) each, the share that was right; NaN where there are none.
        ece: Expected calibration error of each.
        temperature: What the logits were divided by.
    """
    figure, panels = new_figure(9.0, 4.4, columns=2)
    titles = ("before", f"after (T = {temperature:.2f})")
    for axes, title, *values in zip(panels, titles, counts, confidence, accuracy, ece, strict=True):
        _draw(axes, title, edges, *values)
    return figure


def _draw(
    axes: Axes,
    title: str,
    edges: Floats,
    counts: NDArray[np.int64],
    confidence: Floats,
    accuracy: Floats,
    ece: float,
) -> None:
    name_axes(axes, f"{title}: calibration error {ece:.3f}", "confidence of the name", "share that was right")
    axes.set(xlim=(0, 1), ylim=(0, 1.08))
    filled = counts > 0
    if not filled.any():
        say_empty(axes, "no names")
        return
    axes.bar(edges[:-1][filled], accuracy[filled], np.diff(edges)[filled], align="edge", color=BLUE, edgecolor="white")
    axes.plot([0, 1], [0, 1], color=DARK, linewidth=1, linestyle="--")
    axes.plot(confidence[filled], accuracy[filled], "o", color=RED, markersize=4)
    for left, width, count, height in zip(edges, np.diff(edges), counts.tolist(), accuracy.tolist(), strict=False):
        if count:
            axes.text(left + width / 2, height + 0.015, str(count), ha="center", fontsize=8, color=GREY)
