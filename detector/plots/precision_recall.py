"""Precision over recall, by category and in the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detector.plots.figures import BLUE, DARK, GREY, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED_CURVES = 10  # beyond, curves are a grey bundle: twenty colours cannot be told apart


def plot_precision_recall(
    recall: NDArray[np.float64], precision_by_iou: Mapping[float, NDArray[np.float64]], names: Sequence[str]
) -> Figure:
    """Draw a panel for each IoU: thin curves of the categories, a thick one for their mean.

    Args:
        recall: float (R,), 0..1.
        precision_by_iou: IoU -> precision float (K, R), NaN rows for categories without a box to find.
        names: The K category names.
    """
    figure, panels = new_figure(5.2 * max(len(precision_by_iou), 1), 4.4, max(len(precision_by_iou), 1))
    for axes, (iou, precision) in zip(panels, precision_by_iou.items(), strict=True):
        name_axes(axes, f"Precision and recall at IoU {iou:g}", "recall", "precision")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        known = np.flatnonzero(~np.isnan(precision).any(axis=1)).tolist()
        if not known:
            say_empty(axes, "no boxes to find")
            continue
        if len(known) > 1:
            few = len(known) <= NAMED_CURVES
            for row in sorted(known, key=lambda row: -precision[row].mean()):
                label = f"{names[row]} {precision[row].mean():.3f}" if few else None
                axes.plot(
                    recall,
                    precision[row],
                    linewidth=1,
                    color=None if few else GREY,
                    alpha=0.9 if few else 0.25,
                    label=label,
                )
        mean = precision[known].mean(axis=0)
        what = names[known[0]] if len(known) == 1 else f"mean of {len(known)}"
        axes.plot(
            recall, mean, color=BLUE if len(known) == 1 else DARK, linewidth=2.5, label=f"{what} {mean.mean():.3f}"
        )
        axes.legend(title="AP", fontsize=8, title_fontsize=8, frameon=False, loc="best")
    return figure
