"""Loss and average precision over the steps of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from detector.plots.figures import BLUE, GREEN, GREY, ORANGE, name_axes, new_figure, say_empty

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_training_curves(
    steps: ArrayLike, losses: ArrayLike, evaluated_at: ArrayLike, ap: ArrayLike, ap50: ArrayLike
) -> Figure:
    """Draw a run.

    Args:
        steps: (S,), where the loss was noted.
        losses: (S,), the total loss.
        evaluated_at: (E,), steps of the evaluations.
        ap: (E,), NaN where undefined.
        ap50: (E,), likewise.
    """
    figure, (left, right) = new_figure(10, 4, columns=2)
    name_axes(left, "Training loss", "step", "")
    name_axes(right, "Validation", "step", "average precision")
    values = np.asarray(losses, np.float64)
    if len(values):
        left.plot(np.asarray(steps), values, color=BLUE, linewidth=1.5)
        left.set_ylim(0, 1.1 * float(np.quantile(values, 0.98)) or 1.0)  # the first losses would flatten the rest
    else:
        say_empty(left, "no steps yet")
    if len(np.asarray(evaluated_at)):
        right.plot(np.asarray(evaluated_at), np.asarray(ap, np.float64), "o-", color=GREEN, markersize=3, label="AP")
        right.plot(
            np.asarray(evaluated_at), np.asarray(ap50, np.float64), "o-", color=ORANGE, markersize=3, label="AP50"
        )
        right.set_ylim(0, 1)
        right.legend(fontsize=9, frameon=False, labelcolor=GREY)
    else:
        say_empty(right, "no evaluation")
    return figure
