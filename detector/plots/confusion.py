"""The confusion matrix as a picture, for 2 categories or the worst of 550."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import DARK, GREY, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CATEGORIES = 40  # rows that a page can name
COUNTS_UP_TO = 20  # rows whose cells have room for a number
LONGEST_NAME = 28


def plot_confusion_matrix(counts: NDArray[np.int64], names: Sequence[str], left_out: int = 0) -> Figure:
    """Draw counts (rows annotated, columns predicted), coloured by their share of the row.

    Args:
        counts: int (N, N), N <= MOST_CATEGORIES + 1.
        names: The N names of rows and columns.
        left_out: Categories that are not in `counts`, named in the title.
    """
    size = len(names)
    side = 2.8 + 0.36 * min(size, COUNTS_UP_TO) + 0.16 * max(size - COUNTS_UP_TO, 0)
    figure, (axes,) = new_figure(side + 0.8, side)
    rest = f"; {left_out} less confused left out" if left_out else ""
    name_axes(axes, f"Confusions{rest}", "predicted", "annotated")
    axes.grid(visible=False)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    short = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in names]
    axes.set_xticks(range(size), short, rotation=90 if size > 4 else 0, fontsize=8)
    axes.set_yticks(range(size), short, fontsize=8)
    if size <= COUNTS_UP_TO:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.6 else DARK
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label("share of the row", fontsize=8)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.outline.set_visible(False)
    return figure
