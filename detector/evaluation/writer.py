"""The files of an evaluation: metrics.json, predictions.json, figures, and pictures of the worst mistakes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError
from detector.base.files import write_bytes
from detector.boxes import box_iou, xywh_to_xyxy
from detector.evaluation.coco import RECALL_STEPS
from detector.evaluation.error_breakdown import BACKGROUND_IOU
from detector.evaluation.evaluation import Evaluation
from detector.evaluation.false_boxes import sheet_of
from detector.evaluation.worst import FalseAlarm, Miss
from detector.plots.confusion import MOST_CATEGORIES, plot_confusion_matrix
from detector.plots.contact_sheet import closeup, contact_sheet
from detector.plots.detections import draw_detections
from detector.plots.error_breakdown import plot_error_breakdown
from detector.plots.figures import save_figure
from detector.plots.files import save_image
from detector.plots.precision_recall import plot_precision_recall
from detector.plots.recall_by_size import plot_recall_by_size
from detector.plots.threshold_sweep import plot_threshold_sweep

TILE_PX = 240

ReadImage = Callable[[int], NDArray[np.uint8]]


def write_evaluation(output: Path, evaluation: Evaluation, read_image: ReadImage | None = None) -> None:
    """Write everything that an evaluation has, each file whole or not at all.

    Its figures are computed from its results as they are written: another tool gets the same AP from predictions.json.

    Args:
        output: Folder; made if it is not there.
        evaluation: See `evaluate` and `evaluate_detections`.
        read_image: Image id -> RGB, uint8 (H, W, 3), in the annotations' orientation; without it there are no pictures.
    """
    metrics = json.dumps(evaluation.as_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(output / "predictions.json", json.dumps(list(evaluation.results), allow_nan=False).encode())
    write_bytes(output / "metrics.json", metrics.encode())
    _write_figures(output, evaluation)
    if read_image is not None:
        _write_pictures(output, evaluation, read_image)
    if evaluation.false_on_negatives is not None:
        save_image(sheet_of(evaluation.false_on_negatives.worst), output / "false_on_negatives.png")


def _write_figures(output: Path, evaluation: Evaluation) -> None:
    sweep, sizes, errors = evaluation.sweep, evaluation.sizes, evaluation.errors
    names = evaluation.inputs.category_names
    precision = {iou: evaluation.curves.curves(iou) for iou in (0.5, 0.75)}
    save_figure(plot_precision_recall(RECALL_STEPS, precision, names), output / "precision_recall.png")
    save_figure(
        plot_threshold_sweep(
            sweep.thresholds, sweep.precision, sweep.recall, sweep.f1, sweep.best_threshold, sweep.best_f1
        ),
        output / "by_threshold.png",
    )
    save_figure(
        plot_recall_by_size(
            sizes.edges_px, sizes.counts, sizes.recall, sizes.recall_at_threshold, sizes.score_threshold
        ),
        output / "recall_by_size.png",
    )
    save_figure(
        plot_error_breakdown(
            errors.gains, errors.counts, errors.ap50, errors.false_positive_gain, errors.false_negative_gain
        ),
        output / "errors.png",
    )
    if evaluation.confusion is not None:
        shown = evaluation.confusion.most_confused(MOST_CATEGORIES)
        left_out = len(evaluation.confusion.names) - len(shown.names)
        save_figure(plot_confusion_matrix(shown.counts, shown.names, left_out), output / "confusion_matrix.png")


def _write_pictures(output: Path, evaluation: Evaluation, read_image: ReadImage) -> None:
    """Contact sheets: annotated boxes in green, detections from the best threshold up (and the false alarm itself)."""

    def shown(mistake: Miss | FalseAlarm) -> str:
        image = evaluation.images[mistake.image_id]
        return PurePath(image.file_name).name or f"image {image.id}"

    misses = [f"{shown(miss)}: {miss.category}, {_said(miss)}" for miss in evaluation.misses]
    alarms = [f"{shown(alarm)}: {alarm.error}, {alarm.score:.2f}" for alarm in evaluation.false_alarms]
    for name, mistakes, captions in (
        ("misses", evaluation.misses, misses),
        ("false_alarms", evaluation.false_alarms, alarms),
    ):
        tiles = _closeups(evaluation, mistakes, read_image)
        save_image(contact_sheet(tiles, captions, TILE_PX), output / f"{name}.png")


def _said(miss: Miss) -> str:
    return "not seen" if miss.score is None else f"seen at {miss.score:.2f}"


def _closeups(
    evaluation: Evaluation, mistakes: Sequence[Miss | FalseAlarm], read_image: ReadImage
) -> list[NDArray[np.uint8] | None]:
    """A tile for each mistake, reading each image once; None where it cannot be read."""
    rows_of_image: dict[int, list[int]] = defaultdict(list)
    for row, mistake in enumerate(mistakes):
        rows_of_image[mistake.image_id].append(row)
    tiles: list[NDArray[np.uint8] | None] = [None] * len(mistakes)
    for image_id, rows in rows_of_image.items():
        try:
            image = read_image(image_id)
        except (HoopoeError, OSError):
            continue  # one bad file does not cost the sheet; its tile says so
        for row in rows:
            tiles[row] = _closeup_of_mistake(evaluation, mistakes[row], image)
    return tiles


def _closeup_of_mistake(
    evaluation: Evaluation, mistake: Miss | FalseAlarm, image: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The surroundings of a mistake; only detections that have to do with it are named."""
    inputs, threshold = evaluation.inputs, evaluation.sweep.best_threshold
    names, several = inputs.category_names, len(inputs.category_names) > 1
    position = int(np.searchsorted(inputs.image_ids, mistake.image_id))
    truth = inputs.truth[inputs.truth.images == position]
    least = min(mistake.score, threshold) if isinstance(mistake, FalseAlarm) else threshold
    found = inputs.predictions[(inputs.predictions.images == position) & (inputs.predictions.scores >= least)]
    box_xyxy = xywh_to_xyxy(np.array([mistake.box_xywh]))
    found_xyxy = xywh_to_xyxy(found.boxes_xywh)
    near = box_iou(found_xyxy, box_xyxy)[:, 0] > BACKGROUND_IOU

    view = closeup(image, box_xyxy[0], TILE_PX)
    others = draw_detections(
        view.image_rgb,
        view.place(found_xyxy[~near]),
        truth_xyxy=view.place(xywh_to_xyxy(truth.boxes_xywh)),
        truth_labels=[names[k] for k in truth.categories] if several else None,
    )
    labels = [names[k] if several else "" for k in found.categories[near]]
    return draw_detections(others, view.place(found_xyxy[near]), labels, found.scores[near])
