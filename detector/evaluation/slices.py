"""Figures of a model card: of the whole set, and by size, light, camera and class, each with its interval."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backbones.errors import HoopoeError
from detector.base.pictures import decode_picture
from detector.base.reporting import track
from detector.data.packed import Annotations
from detector.evaluation.bootstrap import (
    Counts,
    Estimate,
    average_precision,
    draw,
    mean_of_categories,
    rankings,
    recall,
)
from detector.evaluation.coco import IOU_THRESHOLDS
from detector.evaluation.evaluation import Evaluation
from detector.evaluation.inputs import Floats, Mask, rows_by_group
from detector.evaluation.matching import match
from detector.footage.light import LONG_SIDE, is_night_ir

LOCATION = "location"  # of the image records, in COCO Camera Traps
SIZES = {
    "small (below 32 x 32 pixels)": (0.0, 32.0**2),
    "medium (to 96 x 96)": (32.0**2, 96.0**2),
    "large": (96.0**2, np.inf),
}
DAY, NIGHT, UNREAD = "day (colour)", "night (no colour)", "picture not read"
NAMELESS = "(none named)"


@dataclass(frozen=True)
class Slice:
    """A part of the set.

    Args:
        name: Of the size, light, camera or class.
        images: Pictures of the part; those with such a bird, for sizes and classes.
        birds: Annotated birds to find.
        ap50: AP at an IoU of 0.5.
        recall: Share of the birds found at the best threshold.
    """

    name: str
    images: int
    birds: int
    ap50: Estimate
    recall: Estimate


@dataclass(frozen=True)
class CardFigures:
    """All figures of a card.

    Args:
        whole: AP, AP50, AR and recall at the best threshold, of the whole set.
        slices: size, light, camera, class -> its parts; no camera where the set names none.
        images: Pictures.
        birds: Annotated birds to find.
        threshold: The score of best F1.
        cameras: Number of cameras; 0 where the set names none.
        by_camera: Whether cameras were drawn for the intervals of the whole set, or pictures.
    """

    whole: Mapping[str, Estimate]
    slices: Mapping[str, Sequence[Slice]]
    images: int
    birds: int
    threshold: float
    cameras: int
    by_camera: bool


def cameras_of(annotations: Annotations) -> list[str]:
    """The camera of each image: its `location`, where that was read, else the first folder of its name; "" for none."""
    several = len({source.images for source in annotations.sources}) > 1
    locations = annotations.attributes.get(LOCATION)
    names = []
    for place in range(len(annotations)):
        folder, slash, _ = annotations.file_names[place].partition("/")
        name = (locations[place] if locations is not None else "") or (folder if slash else "")
        root = annotations.sources[annotations.source_index[place]].images.name
        names.append(f"{root}/{name}" if several and name else name)
    return names


def lights_of(annotations: Annotations) -> list[str]:
    """By what light each picture was taken, by the picture."""

    def light(path: Path) -> str:
        try:
            return NIGHT if is_night_ir(decode_picture(path, min_side=LONG_SIDE).image) else DAY
        except (HoopoeError, OSError):
            return UNREAD

    paths = [annotations.path(place) for place in range(len(annotations))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(light, paths), "telling day from night", "pictures", len(paths)))


def card_figures(evaluation: Evaluation, annotations: Annotations) -> CardFigures:
    """Measure the parts of a set.

    Args:
        evaluation: Of these annotations.
        annotations: The set, with the attribute `location` where there is one.
    """
    ordered = annotations.select(np.argsort(annotations.image_ids))  # as the evaluation has them
    return _Measured(evaluation, cameras_of(ordered)).figures(lights_of(ordered))


class _Measured:
    """An evaluation cut into parts, its birds matched once."""

    def __init__(self, evaluation: Evaluation, cameras: Sequence[str]) -> None:
        self.evaluation, self.inputs, self.truth = evaluation, evaluation.inputs, evaluation.inputs.truth
        self.cameras = np.array(cameras, dtype=object)
        self.names = sorted(set(cameras) - {""})
        # a picture of no camera stands for itself
        numbers = {name: number for number, name in enumerate(self.names)}
        self.groups = np.array([numbers.get(name, len(numbers) + i) for i, name in enumerate(cameras)], dtype=np.int64)
        self.everywhere = np.ones(len(cameras), dtype=bool)
        self.birds = ~self.truth.crowd
        self.found = evaluation.matches.found_score >= evaluation.sweep.best_threshold
        self.rankings = rankings(self.inputs, evaluation.matches)
        self.draws_of_all: dict[bool, Counts] = {}

    def figures(self, lights: Sequence[str]) -> CardFigures:
        """Everything."""
        light = np.array(lights, dtype=object)
        seen = (DAY, NIGHT, *((UNREAD,) if UNREAD in lights else ()))
        slices = {
            "size": [self._by_size(name, limits) for name, limits in SIZES.items()],
            "light": [self._of_images(name, light == name) for name in seen],
            "camera": [self._of_images(name or NAMELESS, self.cameras == name) for name in sorted(set(self.cameras))],
            "class": [self._by_class(label) for label in range(len(self.inputs.category_names))],
        }
        if not self.names:
            del slices["camera"]
        return CardFigures(
            whole=self._whole(),
            slices=slices,
            images=len(self.everywhere),
            birds=int(self.birds.sum()),
            threshold=self.evaluation.sweep.best_threshold,
            cameras=len(self.names),
            by_camera=self._by_camera(self.birds),
        )

    def _whole(self) -> dict[str, Estimate]:
        weights, limit = self._draws(self.birds), self.evaluation.max_detections
        precisions, recalls = [], []
        for iou in IOU_THRESHOLDS.tolist():
            matches = match(self.inputs, iou, max_detections=limit)
            ranked = rankings(self.inputs, matches)
            precisions.append(mean_of_categories([average_precision(each, weights) for each in ranked]))
            found = matches.prediction_of_truth >= 0
            labels = rows_by_group(np.where(self.birds, self.truth.categories, -1))
            shares = [recall(found[rows], self.truth.images[rows], weights) for k, rows in labels.items() if k >= 0]
            recalls.append(mean_of_categories(shares or [np.full(len(weights), np.nan)]))
        figures = {
            "AP": np.mean(precisions, axis=0),
            "AP50": precisions[0],
            "AR": np.mean(recalls, axis=0),
            "recall": recall(self.found[self.birds], self.truth.images[self.birds], weights),
        }
        drawn = self._are_drawn(self.birds)
        return {name: Estimate.of(values, drawn=drawn) for name, values in figures.items()}

    def _of_images(self, name: str, part: Mask) -> Slice:
        birds = self.birds & part[self.truth.images]
        weights = self._draws(birds, part)
        precision = [average_precision(each.within(part), weights) for each in self.rankings]
        return replace(self._slice(name, birds, mean_of_categories(precision), weights), images=int(part.sum()))

    def _by_size(self, name: str, limits: tuple[float, float]) -> Slice:
        birds = self.birds & (self.truth.areas >= limits[0]) & (self.truth.areas < limits[1])
        weights = self._draws(birds)
        ranked = rankings(self.inputs, self.evaluation.matches, limits)
        precision = mean_of_categories([average_precision(each, weights) for each in ranked])
        return self._slice(name, birds, precision, weights)

    def _by_class(self, label: int) -> Slice:
        birds = self.birds & (self.truth.categories == label)
        weights = self._draws(birds)
        precision = average_precision(self.rankings[label], weights)
        return self._slice(self.inputs.category_names[label], birds, precision, weights)

    def _slice(self, name: str, birds: Mask, precision: Floats, weights: Counts) -> Slice:
        drawn, images = self._are_drawn(birds), self.truth.images[birds]
        return Slice(
            name,
            images=len(np.unique(images)),
            birds=len(images),
            ap50=Estimate.of(precision, drawn=drawn),
            recall=Estimate.of(recall(self.found[birds], images, weights), drawn=drawn),
        )

    def _by_camera(self, birds: Mask) -> bool:
        """Whether cameras are drawn: there is more than one that these birds (G,) were seen by."""
        return bool(self.names) and len(np.unique(self.groups[self.truth.images[birds]])) > 1

    def _are_drawn(self, birds: Mask) -> bool:
        """Whether there is anything to draw: birds in more than one picture."""
        return len(np.unique(self.truth.images[birds])) > 1

    def _draws(self, birds: Mask, part: Mask | None = None) -> Counts:
        """How often each image counts in each draw (1 + draws, I): of all, or within a part (I,) and 0 outside."""
        by_camera = self._by_camera(birds)
        groups = self.groups if by_camera else np.arange(len(self.groups))
        if part is None:
            if by_camera not in self.draws_of_all:
                self.draws_of_all[by_camera] = draw(groups)
            return self.draws_of_all[by_camera]
        some = draw(groups[part])
        weights = np.zeros((len(some), len(part)), dtype=np.int32)
        weights[:, part] = some
        return weights
