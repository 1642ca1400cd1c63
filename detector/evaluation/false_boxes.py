"""What a detector finds where nothing is: its false boxes on pictures without birds, at the score of best F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.evaluation.detecting import DetectedSet
from detector.evaluation.inputs import EvaluationInputs
from detector.plots.contact_sheet import closeup, contact_sheet
from detector.plots.detections import draw_detections

WORST = 24  # a sheet
TILE_PX = 240

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FalseBox:
    """A box where nothing is.

    Args:
        name: Of the picture, relative to its folder.
        path: Its file.
        size_wh: Its size in pixels.
        box_xyxy: In pixels.
        category: What it was taken for.
        score: Its score.
    """

    name: str
    path: Path
    size_wh: tuple[int, int]
    box_xyxy: tuple[float, ...]
    category: str
    score: float


@dataclass(frozen=True)
class FalseBoxes:
    """Boxes on pictures without birds.

    Args:
        images: Pictures.
        images_with: Those with a false box.
        boxes: False boxes.
        score: The score from which on boxes count.
        worst: The surest ones, of different pictures, the surest first; empty where only counts are known.
    """

    images: int
    images_with: int
    boxes: int
    score: float
    worst: Sequence[FalseBox] = ()

    @property
    def per_image(self) -> float:
        """False boxes a picture."""
        return self.boxes / self.images

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "images": self.images,
            "images_with_boxes": self.images_with,
            "boxes": self.boxes,
            "boxes_per_image": self.per_image,
            "score": self.score,
            "worst": [{"file_name": each.name, "score": each.score} for each in self.worst],
        }

    def __str__(self) -> str:
        return (
            f"{self.per_image:.2f} a picture from {self.score:.2f} up: {self.boxes} in {self.images_with} of "
            f"{self.images} pictures"
        )


def annotated_categories(inputs: EvaluationInputs) -> set[str]:
    """The categories whose boxes are false where nothing is: those with birds in the set, else all.

    A detector may know persons and cars too, which a picture without birds may well show.
    """
    used = np.unique(inputs.truth.categories[~inputs.truth.crowd]).tolist()
    return {inputs.category_names[k] for k in used} or set(inputs.category_names)


def own_false_boxes(inputs: EvaluationInputs, score: float) -> FalseBoxes | None:
    """Those on the pictures of a set that have no box; None: it has no such picture."""
    is_blank = np.ones(len(inputs.image_ids), np.bool_)
    is_blank[inputs.truth.images] = False
    if not is_blank.any():
        return None
    names, found = annotated_categories(inputs), inputs.predictions
    counted = np.array([name in names for name in inputs.category_names], np.bool_)
    rows = is_blank[found.images] & counted[found.categories] & (found.scores >= score)
    return FalseBoxes(int(is_blank.sum()), len(np.unique(found.images[rows])), int(rows.sum()), score)


def false_boxes(negatives: Annotations, found: DetectedSet, names: set[str], score: float) -> FalseBoxes:
    """Those on other pictures without birds.

    Args:
        negatives: The pictures.
        found: What was found there.
        names: The categories that count.
        score: From which on boxes count.
    """
    boxes, worst = 0, []
    for place, image in enumerate(negatives.image_ids.tolist()):
        each = found.detections[image].above(score)
        kinds = [each.category_names[label] for label in each.labels.tolist()]
        rows = [row for row, name in enumerate(kinds) if name in names]  # the surest first
        boxes += len(rows)
        if rows:
            record, first = negatives[place], rows[0]
            worst.append(
                FalseBox(
                    str(negatives.file_names[place]),
                    record.path,
                    (record.width, record.height),
                    tuple(each.boxes_xyxy[first].tolist()),
                    kinds[first],
                    float(each.scores[first]),
                )
            )
    surest = sorted(worst, key=lambda box: -box.score)[:WORST]
    return FalseBoxes(len(negatives), len(worst), boxes, score, tuple(surest))


def sheet_of(boxes: Sequence[FalseBox]) -> Pixels:
    """The surroundings of boxes, uint8 (H, W, 3); a picture that cannot be read leaves its frame empty."""

    def tile(box: FalseBox) -> Pixels | None:
        try:
            view = closeup(read_image(box.path, box.size_wh), box.box_xyxy, TILE_PX)
        except (HoopoeError, OSError):
            return None
        return draw_detections(view.image_rgb, view.place(np.array([box.box_xyxy])), [""], np.array([box.score]))

    captions = [f"{box.path.name}: {box.category} {box.score:.2f}" for box in boxes]
    return contact_sheet([tile(box) for box in boxes], captions, TILE_PX)
