"""Confidence against how often names were right: where the bars meet the diagonal, 0.8 means four times in five."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import BLUE, DARK, GREY, RED, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


class Bins(Protocol):
    """Names by their confidence, in B bins; `species.reliability.Reliability` is it."""

    @property
    def edges(self) -> Floats:
        """(B + 1,), 0..1."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """(B,), names in every bin."""

    @property
    def accuracy(self) -> Floats:
        """(B,), the share that was right; NaN where there are none."""

    @property
    def confidence(self) -> Floats:
        """(B,), their mean confidence; NaN where there are none."""

    @property
    def ece(self) -> float:
        """Expected calibration error."""


def plot_reliability(before: Bins, after: Bins, temperature: float) -> Figure:
    """Draw reliability before and after calibration, side by side.

    Args:
        before: Names by the logits as they are.
        after: Names by the calibrated ones.
        temperature: What the logits were divided by.
    """
    figure, panels = new_figure(9.0, 4.4, columns=2)
    titles = ("before", f"after (T = {temperature:.2f})")
    for axes, title, bins in zip(panels, titles, (before, after), strict=True):
        _draw(axes, title, bins)
    return figure


def _draw(axes: Axes, title: str, bins: Bins) -> None:
    name_axes(axes, f"{title}: calibration error {bins.ece:.3f}", "confidence of the name", "share that was right")
    axes.set(xlim=(0, 1), ylim=(0, 1.08))
    filled = bins.counts > 0
    if not filled.any():
        say_empty(axes, "no names")
        return
    left, width, height = bins.edges[:-1], np.diff(bins.edges), bins.accuracy
    axes.bar(left[filled], height[filled], width[filled], align="edge", color=BLUE, edgecolor="white")
    axes.plot([0, 1], [0, 1], color=DARK, linewidth=1, linestyle="--")
    axes.plot(bins.confidence[filled], height[filled], "o", color=RED, markersize=4)
    for bin_ in np.flatnonzero(filled):
        middle, top = left[bin_] + width[bin_] / 2, height[bin_] + 0.015
        axes.text(middle, top, str(bins.counts[bin_]), ha="center", fontsize=8, color=GREY)
