"""Recall by the size of the bird: birds are small, and this is where detectors fail."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import BLUE, ORANGE, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def plot_recall_by_size(
    edges_px: Floats, counts: NDArray[np.int64], recall: Floats, recall_at_threshold: Floats, score_threshold: float
) -> Figure:
    """Draw two bars a size: found by any detection, and by one of at least `score_threshold`.

    Args:
        edges_px: float (B + 1,), square root of the area, the last may be infinite.
        counts: int (B,), birds of each size.
        recall: float (B,), NaN where there is no bird.
        recall_at_threshold: float (B,), likewise.
        score_threshold: The one of `recall_at_threshold`.
    """
    figure, (axes,) = new_figure(6.4, 4.4)
    name_axes(axes, "Birds found by size (IoU 0.5)", "√area of the bird, pixels", "recall")
    axes.grid(visible=False, axis="x")
    places = np.arange(len(counts))
    for offset, values, colour, label in (
        (-0.2, recall, BLUE, "any score"),
        (0.2, recall_at_threshold, ORANGE, f"score ≥ {score_threshold:.2f}"),
    ):
        heights = np.nan_to_num(values)
        axes.bar(places + offset, heights, width=0.38, color=colour, label=label)
        for place, height, count in zip(places, heights, counts, strict=True):
            if count:
                axes.text(place + offset, height + 0.01, f"{height:.2f}", ha="center", fontsize=8)
    spans = [f"{low:g}–{high:g}" if np.isfinite(high) else f"{low:g}+" for low, high in pairwise(edges_px)]
    axes.set_xticks(places, [f"{span}\nn = {count}" for span, count in zip(spans, counts, strict=True)])
    axes.set_ylim(0, 1.1)
    axes.legend(fontsize=9, frameon=False, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.0))
    return figure
