"""Loss and figures of evaluations over the steps of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from detector.plots.figures import BLUE, GREEN, GREY, ORANGE, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_training_curves(
    steps: ArrayLike, losses: ArrayLike, evaluated_at: ArrayLike, figures: Mapping[str, ArrayLike]
) -> Figure:
    """Draw a run.

    Args:
        steps: (S,), where the loss was noted.
        losses: (S,), the total loss.
        evaluated_at: (E,), steps of the evaluations.
        figures: Up to three figures in 0..1 by their names: (E,), NaN where undefined.
    """
    figure, (left, right) = new_figure(10, 4, columns=2)
    name_axes(left, "Training loss", "step", "")
    name_axes(right, "Validation", "step", "")
    values = np.asarray(losses, np.float64)
    if len(values):
        left.plot(np.asarray(steps), values, color=BLUE, linewidth=1.5)
        left.set_ylim(0, 1.1 * float(np.quantile(values, 0.98)) or 1.0)  # the first losses would flatten the rest
    else:
        say_empty(left, "no steps yet")
    if len(np.asarray(evaluated_at)):
        for (name, shares), colour in zip(figures.items(), (GREEN, ORANGE, BLUE), strict=False):
            line = np.asarray(shares, np.float64)
            right.plot(np.asarray(evaluated_at), line, "o-", color=colour, markersize=3, label=name)
        right.set_ylim(0, 1)
        right.legend(fontsize=9, frameon=False, labelcolor=GREY)
    else:
        say_empty(right, "no evaluation")
    return figure
