"""TIDE's error types as bars: what AP50 would gain if each were mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from detector.plots.figures import BLUE, RED, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_error_breakdown(
    gains: Mapping[str, float],
    counts: Mapping[str, int],
    ap50: float | None,
    false_positive_gain: float,
    false_negative_gain: float,
) -> Figure:
    """Draw the gain of each error type, its count beside it, and the gains from no false positive and no miss."""
    figure, (types, sums) = new_figure(8.6, 3.6, 2)
    summary = {"false positives": false_positive_gain, "false negatives": false_negative_gain}
    limit = max([*gains.values(), *summary.values(), 0.05]) * 1.35
    standing = "no boxes to find" if ap50 is None else f"AP50 is {ap50:.3f}"
    _bars(types, gains, BLUE, limit, {name: f"  {gains[name]:.3f}  ({count})" for name, count in counts.items()})
    name_axes(types, f"What errors cost ({standing})", "gain of AP50 if mended (errors)", "")
    _bars(sums, summary, RED, limit, {name: f"  {gain:.3f}" for name, gain in summary.items()})
    name_axes(sums, "In sum", "gain of AP50 without any", "")
    return figure


def _bars(axes: Axes, values: Mapping[str, float], colour: str, limit: float, labels: Mapping[str, str]) -> None:
    bars = axes.barh(list(values), list(values.values()), color=colour, height=0.65)
    axes.bar_label(bars, [labels[name] for name in values], fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, limit)
