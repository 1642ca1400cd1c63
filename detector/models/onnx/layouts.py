"""Where boxes and scores stand in the outputs of a network: told from names and shapes, and read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.models.onnx.description import Conventions

Form = Literal["rows", "columns", "objectness", "grid", "ready", "two", "three"]
Array = NDArray[np.float32]
Outputs = Mapping[str, Array]
Shapes = Mapping[str, tuple[int, ...]]

YOLOX_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_BOXES, _LOGITS = ("dets", "pred_boxes", "boxes"), ("labels", "pred_logits", "logits")


@dataclass(frozen=True)
class Layout:
    """Where boxes and scores stand.

    Attributes:
        form: rows: (B, N, 4 + C); columns: (B, 4 + C, N); objectness: (B, N, 5 + C); grid: the same, boxes relative to
            cells; ready: (B, N, 6) of box, score, category; two: boxes (B, N, 4) and scores (B, N, C); three:
            boxes (B, N, 4), scores (B, N) and categories (B, N).
        outputs: Names, boxes first.
        classes: C; None: only the categories that were found are told.
    """

    form: Form
    outputs: tuple[str, ...]
    classes: int | None


SEVERAL = {"two": 2, "three": 3}  # outputs, by form; the others have one
BY_NUMBER: tuple[Form, ...] = ("ready", "three")  # of which only the categories that were found are told


@dataclass(frozen=True, eq=False)
class Raw:
    """What a network says of one picture.

    Attributes:
        boxes: (N, 4), as the network gives them.
        scores: (N, C) of the classes.
    """

    boxes: Array
    scores: Array


def labelled(outputs: Outputs) -> frozenset[str]:
    """The outputs (B, N, 6) whose last column holds whole numbers, as those of categories are."""
    return frozenset(
        name
        for name, values in outputs.items()
        if values.ndim == 3 and values.shape[2] == 6 and (values[..., 5] == values[..., 5].round()).all()
    )


def family_of(shapes: Shapes, classes: int | None, description: str, ready: Collection[str]) -> str | None:
    """The family of a network; None where names and shapes fit several.

    Args:
        shapes: Of the outputs by name.
        classes: How many the file names; None: none.
        description: The file's own, in small letters.
        ready: Outputs that give a score and a category a box; see `labelled`.
    """
    if {"dets", "labels"} <= shapes.keys():
        return "rfdetr"
    if _named_pair(shapes) or _trio(shapes) or ("rtdetr" in description and _main(shapes)):
        return "rtdetr"
    main = _main(shapes)
    if main is None or classes is None:
        return None
    rows, values = shapes[main][1:]
    if main in ready:
        return "yolov10"
    fits = {"yolov8": rows == 4 + classes and values > rows, "yolov5": values == 5 + classes and rows > values}
    families = [family for family, holds in fits.items() if holds]
    return families[0] if len(families) == 1 else None


def layout_of(family: str, shapes: Shapes, ready: Collection[str], size_wh: tuple[int, int]) -> Layout | None:
    """Where boxes and scores stand in the outputs of a family's network; None: these are not its outputs.

    Args:
        family: See `description.FAMILIES`.
        shapes: Of the outputs by name.
        ready: Outputs that give a score and a category a box; see `labelled`.
        size_wh: Of the input for which these are the shapes.
    """
    pair, trio, main = _named_pair(shapes) or _pair(shapes), _trio(shapes), _main(shapes)
    if family in ("rtdetr", "rfdetr"):
        if trio:
            return Layout("three", trio, None)
        if pair:
            return Layout("two", pair, shapes[pair[1]][2])
    if main is None:
        return None
    rows, values = shapes[main][1:]
    if main in ready and family in ("yolov10", "rtdetr"):
        return Layout("ready", (main,), None)
    if family == "yolov10":
        return None
    if family == "yolov8":
        if rows > 4 and (values > rows or values <= 4):
            return Layout("columns", (main,), rows - 4)
        return Layout("rows", (main,), values - 4) if values > 4 else None
    if values <= (4 if family == "rtdetr" else 5):
        return None
    if family == "rtdetr":
        return Layout("rows", (main,), values - 4)
    if family == "yolox" and _grid(rows, size_wh) is None:
        return None
    return Layout("grid" if family == "yolox" else "objectness", (main,), values - 5)


def _main(shapes: Shapes) -> str | None:
    """The one output (B, ..., ...) that holds boxes and scores; YOLOv5 may give its single scales beside it."""
    of_three = [name for name, shape in shapes.items() if len(shape) == 3 and min(shape[1:]) >= 1]
    return of_three[0] if len(of_three) == 1 or (of_three and of_three[0] in ("output", "output0")) else None


def _named_pair(shapes: Shapes) -> tuple[str, str] | None:
    """Boxes (B, N, 4) and logits (B, N, C) by their names: with four classes shapes do not tell them apart."""
    boxes = next((name for name in _BOXES if len(shapes.get(name, ())) == 3 and shapes[name][2] == 4), None)
    logits = next((name for name in _LOGITS if len(shapes.get(name, ())) == 3), None)
    return (boxes, logits) if boxes and logits else None


def _pair(shapes: Shapes) -> tuple[str, str] | None:
    """The same, under whatever names; they may be another kind of network's, so that a person must say so."""
    of_three = {name: shape for name, shape in shapes.items() if len(shape) == 3}
    fours = [name for name, shape in of_three.items() if shape[2] == 4]
    if len(of_three) == 2 and len(fours) == 1 and len({shape[1] for shape in of_three.values()}) == 1:
        return fours[0], next(name for name in of_three if name != fours[0])
    return None


def _trio(shapes: Shapes) -> tuple[str, str, str] | None:
    known = [len(shapes.get(name, ())) for name in ("boxes", "scores", "labels")]
    return ("boxes", "scores", "labels") if known == [3, 2, 2] else None


def fits(layout: Layout, outputs: Outputs, pictures: int, size_wh: tuple[int, int]) -> bool:
    """Whether outputs for so many pictures have the shapes that `read_raw` takes for granted.

    A file may give others for another picture than the one it was looked at with, and an export may say anything.
    """
    shapes = [outputs[name].shape for name in layout.outputs]
    if any(len(shape) < 2 or shape[0] != pictures or shape[1] != shapes[0][1] for shape in shapes):
        return False
    if layout.form == "three":
        return shapes[0][2:] == (4,) and [len(shape) for shape in shapes[1:]] == [2, 2]
    if layout.form == "two":
        return shapes[0][2:] == (4,) and shapes[1][2:] == (layout.classes,)
    if layout.form == "ready":
        return shapes[0][2:] == (6,)
    beside = 4 if layout.form in ("rows", "columns") else 5
    values = shapes[0][1] if layout.form == "columns" else shapes[0][-1]
    known = len(shapes[0]) == 3 and values - beside == layout.classes
    return known and (layout.form != "grid" or _grid(shapes[0][1], size_wh) is not None)


def read_raw(layout: Layout, outputs: Outputs, picture: int, classes: int, size_wh: tuple[int, int]) -> Raw:
    """What the network says of one picture of a batch.

    Args:
        layout: Where it stands.
        outputs: By name.
        picture: Its place in the batch.
        classes: Named ones; categories that are told by number are among them.
        size_wh: Of the input.
    """
    first = outputs[layout.outputs[0]][picture]
    if layout.form == "columns":
        return Raw(first[:4].T, first[4:].T)
    if layout.form == "rows":
        return Raw(first[:, :4], first[:, 4:])
    if layout.form == "objectness":
        return Raw(first[:, :4], first[:, 4:5] * first[:, 5:])
    if layout.form == "grid":
        return Raw(_off_grid(first[:, :4], size_wh), first[:, 4:5] * first[:, 5:])
    if layout.form == "two":
        return Raw(first, outputs[layout.outputs[1]][picture])
    if layout.form == "ready":
        return Raw(first[:, :4], _by_class(first[:, 4], first[:, 5], classes))
    scores, numbers = (outputs[name][picture] for name in layout.outputs[1:])
    return Raw(first, _by_class(scores, numbers, classes))


def _by_class(scores: Array, numbers: Array, classes: int) -> Array:
    """Scores (N, C) of boxes (N,) of which each has one; numbers that name no class have none."""
    table = np.zeros((len(scores), classes), np.float32)
    named = np.isfinite(numbers) & (numbers >= 0) & (numbers < classes)
    table[named, numbers[named].astype(np.int64)] = scores[named]
    return table


def _grid(rows: int, size_wh: tuple[int, int]) -> tuple[Array, Array] | None:
    """Corners (N, 2) and sides (N,) in pixels of YOLOX's cells, finest first; None: there are not so many."""
    for strides in YOLOX_STRIDES:
        sides = [(size_wh[0] // stride, size_wh[1] // stride) for stride in strides]
        if sum(width * height for width, height in sides) != rows:
            continue
        cells = [np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2) for width, height in sides]
        corners = [cell.reshape(-1, 2) * stride for cell, stride in zip(cells, strides, strict=True)]
        lengths = [np.full(len(each), stride) for each, stride in zip(corners, strides, strict=True)]
        return np.concatenate(corners).astype(np.float32), np.concatenate(lengths).astype(np.float32)
    return None


def _off_grid(boxes: Array, size_wh: tuple[int, int]) -> Array:
    """YOLOX's boxes (N, 4), relative to cells, in pixels; a file that was exported decoded gives pixels itself."""
    grid = _grid(len(boxes), size_wh)
    assert grid is not None
    corners, sides = grid
    if (boxes[:, 2:] > _LARGEST_LOGARITHM).any():  # e^8 cells: these are widths in pixels
        return boxes
    return np.concatenate([boxes[:, :2] * sides[:, None] + corners, np.exp(boxes[:, 2:]) * sides[:, None]], axis=1)


_LARGEST_LOGARITHM = 8.0


def corners_in_pixels(boxes: Array, how: Conventions, size_wh: tuple[int, int]) -> Array:
    """Boxes (N, 4) as a network gives them as corners in pixels of its input."""
    if how.unit == "shares":
        boxes = boxes * np.array(size_wh * 2, np.float32)
    if how.boxes == "cxcywh":
        half = boxes[:, 2:] / 2
        boxes = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return boxes
