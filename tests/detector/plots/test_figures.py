"""Every figure is a PNG of its size with something on it, also when there is nothing to show."""

import numpy as np
import pytest
from PIL import Image

from detector.plots.confusion import plot_confusion_matrix
from detector.plots.error_breakdown import plot_error_breakdown
from detector.plots.figures import DPI, save_figure
from detector.plots.precision_recall import plot_precision_recall
from detector.plots.recall_by_size import plot_recall_by_size
from detector.plots.threshold_sweep import plot_threshold_sweep

STEPS = np.linspace(0, 1, 101)
NOTHING = np.full(101, np.nan)
EDGES = np.array([0, 8, 16, 32, np.inf])
ERRORS = ("classification", "localisation", "both", "duplicate", "background", "missed")


def precision_recall(categories):
    precision = np.clip(1.2 - STEPS * np.linspace(1, 2, categories)[:, None], 0, 1)
    return plot_precision_recall(
        STEPS, {0.5: precision, 0.75: precision**2}, [f"species {k}" for k in range(categories)]
    )


FIGURES = {
    "precision_recall_of_nothing": lambda: plot_precision_recall(STEPS, {0.5: NOTHING[None]}, ["bird"]),
    "precision_recall_of_one": lambda: precision_recall(1),
    "precision_recall_of_few": lambda: precision_recall(5),
    "precision_recall_of_550": lambda: precision_recall(550),
    "thresholds_of_nothing": lambda: plot_threshold_sweep(STEPS, NOTHING, NOTHING, np.zeros(101), 0.5, 0.0),
    "thresholds": lambda: plot_threshold_sweep(STEPS, STEPS, 1 - STEPS, 2 * STEPS * (1 - STEPS), 0.5, 0.5),
    "sizes_of_nothing": lambda: plot_recall_by_size(
        EDGES, np.zeros(4, int), np.full(4, np.nan), np.full(4, np.nan), 0.5
    ),
    "sizes": lambda: plot_recall_by_size(EDGES, np.arange(4), np.array([np.nan, 0.2, 0.5, 1]), np.full(4, 0.1), 0.5),
    "confusion_of_nothing": lambda: plot_confusion_matrix(np.zeros((2, 2), int), ["bird", "background"]),
    "confusion_of_many": lambda: plot_confusion_matrix(
        np.eye(41, dtype=int), [f"species {k}" * 4 for k in range(41)], 9
    ),
    "errors_of_nothing": lambda: plot_error_breakdown(dict.fromkeys(ERRORS, 0.0), dict.fromkeys(ERRORS, 0), None, 0, 0),
    "errors": lambda: plot_error_breakdown(dict.fromkeys(ERRORS, 0.1), dict.fromkeys(ERRORS, 7), 0.4, 0.2, 0.3),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_a_png_of_its_size_and_not_blank(name, tmp_path):
    figure = FIGURES[name]()
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.format == "PNG"
        assert image.size == tuple(int(inches * DPI) for inches in figure.get_size_inches())
        assert np.asarray(image.convert("L")).std() > 2


def test_curves_of_few_categories_are_named_and_those_of_many_are_not():
    labels = [text.get_text() for text in precision_recall(3).axes[0].get_legend().get_texts()]
    assert [label.rsplit(" ", 1)[0] for label in labels] == ["species 0", "species 1", "species 2", "mean of 3"]
    assert len(precision_recall(550).axes[0].get_legend().get_texts()) == 1


def test_a_confusion_matrix_of_few_shows_its_counts():
    figure = plot_confusion_matrix(np.array([[12, 3], [0, 0]]), ["bird", "background"])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["12", "3"]
