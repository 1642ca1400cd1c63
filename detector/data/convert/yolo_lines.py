"""Lines of YOLO's label files, whose meaning is told by all lines of all files together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backbones.errors import DataError

_FITTING = 0.98  # of the lines whose points must lie in their box, to be its key points
_SLACK = 0.01  # of the picture


class Lines(StrEnum):
    """What a line holds after its class number."""

    BOXES = "boxes"  # four numbers
    POLYGONS = "polygons"  # points: segmentation, or the corners of an oriented box
    KEYPOINTS = "keypoints"  # a box, then points of pose, each of two or three numbers
    TRACKS = "tracks"  # a box, then a number of a track


@dataclass(frozen=True)
class Line:
    """A line of numbers: its class, and the values after it (fractions)."""

    where: str
    category: int
    values: tuple[float, ...]


def read_line(text: str, where: str, classes: int) -> Line:
    """A line of a label file.

    Raises:
        ValueError: Its words are no numbers, or its class is none of the names.
    """
    words = text.split()
    try:
        category, *values = map(float, words)
    except ValueError:
        raise ValueError(f"'{text.strip()}' are not numbers") from None
    if not category.is_integer() or not 0 <= category < classes:
        raise ValueError(f"class {words[0]}, but the {classes} names are numbered 0 to {classes - 1}")
    if not np.isfinite(values).all():
        raise ValueError(f"'{text.strip()}' are not fractions of the picture")
    if len(values) < 4:
        raise ValueError(f"{len(words)} numbers; `class x y width height` or a polygon is needed")
    return Line(where, int(category), tuple(values))


def tell_lines(lines: Sequence[Line], keypoints: tuple[int, int] | None) -> Lines | None:
    """What all lines hold; None: boxes and polygons, each told by itself.

    Args:
        lines: Those of all files.
        keypoints: `kpt_shape` of data.yaml: how many points, and numbers of each.

    Raises:
        DataError: It is one of two things, or none of any.
    """
    if keypoints is not None:
        wanted = 4 + keypoints[0] * keypoints[1]
        odd = next((line for line in lines if len(line.values) != wanted), None)
        if odd is not None:
            count = f"{len(odd.values)} numbers after the class, but kpt_shape {list(keypoints)} makes {wanted}"
            raise DataError(count, where=odd.where, hint="correct kpt_shape in data.yaml, or the labels")
        return Lines.KEYPOINTS
    counts = {len(line.values) for line in lines}
    if counts == {5}:
        return _tracks(lines)
    if len(counts) == 1 and min(counts) > 5 and _are_keypoints(lines):
        if min(counts) % 2:
            return Lines.KEYPOINTS  # no polygon has an odd number of coordinates
        problem = f"all {len(lines)} lines have {min(counts)} numbers, of a box with key points or of a polygon"
        hint = "say which by --lines keypoints or --lines polygons, or give a data.yaml with kpt_shape by --names"
        raise DataError(problem, where=lines[0].where, hint=hint)
    return None


def box_of(line: Line, lines: Lines | None) -> tuple[float, float, float, float] | None:
    """Centre, width and height of a line with a box; None: it is a polygon.

    Raises:
        ValueError: It is neither.
    """
    count = len(line.values)
    if lines in (Lines.KEYPOINTS, Lines.TRACKS) or (count == 4 and lines != Lines.POLYGONS):
        x, y, width, height = line.values[:4]
        return x, y, width, height
    if count < 6 or count % 2 or lines == Lines.BOXES:
        raise ValueError(f"{count + 1} numbers; `class x y width height` or a polygon is needed")
    return None


def _tracks(lines: Sequence[Line]) -> Lines:
    fifth = np.array([line.values[4] for line in lines])
    if (fifth == np.floor(fifth)).all() and (fifth >= 0).all() and fifth.max() > 1:
        return Lines.TRACKS
    problem = f"all {len(lines)} lines have a sixth number, which is no number of a track: a score, or an angle?"
    hint = (
        "predictions are no labels: look through them first, and leave out those that are wrong; then --lines tracks"
        " reads the boxes without that number"
    )
    raise DataError(problem, where=lines[0].where, hint=hint)


def _are_keypoints(lines: Sequence[Line]) -> bool:
    """Whether what follows four numbers are points of the box that these are, or zeros where they are not seen."""
    values = np.array([line.values for line in lines])
    points = values[:, 4:]
    return any(
        points.shape[1] % numbers == 0 and _lie_within(values[:, :4], points.reshape(len(lines), -1, numbers))
        for numbers in (2, 3)
    )


def _lie_within(boxes: np.ndarray, points: np.ndarray) -> bool:
    if points.shape[2] == 3 and not np.isin(points[:, :, 2], (0, 1, 2)).all():
        return False
    offset = np.abs(points[:, :, :2] - boxes[:, None, :2])
    inside = (offset <= boxes[:, None, 2:4] / 2 + _SLACK).all(axis=2)
    unseen = (points[:, :, :2] == 0).all(axis=2)
    return bool((inside | unseen).all(axis=1).mean() >= _FITTING)
