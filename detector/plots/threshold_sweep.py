"""Precision, recall and F1 over the score threshold: where to cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import BLUE, GREEN, GREY, ORANGE, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def plot_threshold_sweep(
    thresholds: Floats, precision: Floats, recall: Floats, f1: Floats, best_threshold: float, best_f1: float
) -> Figure:
    """Draw the three curves (S,) over thresholds (S,) and mark the best F1; NaN is a gap."""
    figure, (axes,) = new_figure(6.4, 4.4)
    name_axes(axes, "What a score threshold keeps (IoU 0.5)", "score threshold", "")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    if np.isnan(precision).all() and np.isnan(recall).all():
        say_empty(axes, "no boxes to find and no detections")
        return figure
    axes.plot(thresholds, precision, color=BLUE, linewidth=2, label="precision")
    axes.plot(thresholds, recall, color=ORANGE, linewidth=2, label="recall")
    axes.plot(thresholds, f1, color=GREEN, linewidth=2, label="F1")
    if best_f1 > 0:
        axes.axvline(best_threshold, color=GREY, linewidth=1, linestyle="--")
        axes.plot([best_threshold], [best_f1], "o", color=GREEN, label=f"best F1 {best_f1:.2f} at {best_threshold:.2f}")
    axes.legend(fontsize=9, frameon=False, loc="best")
    return figure
