"""YOLO labels to COCO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.base.files import read_text
from detector.base.yaml_text import read_yaml
from detector.boxes import xywh_to_xyxy
from detector.data.conventions import Boxes, to_xywh
from detector.data.convert.beside import LabelFolder, add_all, read_beside, refuse_misread
from detector.data.convert.building import CocoBuilder, LabelledBox, Problem, Size, UnusableError
from detector.data.convert.yolo_lines import Line, Lines, box_of, read_line, tell_lines

_NAMES_AMONG_LABELS = ("classes.txt", "labels.txt", "obj.names", "README.dataset.txt", "README.roboflow.txt")


@dataclass(frozen=True)
class YoloReading:
    """How label files are read.

    Args:
        lines: What their lines hold; None: told by all of them together.
        boxes: What the four numbers of a box are; None: centre, width and height as fractions, refused where all boxes
            together tell otherwise.
        keypoints: How many key points there are, and numbers of each: `kpt_shape` of data.yaml.
    """

    lines: Lines | None = None
    boxes: Boxes | None = None
    keypoints: tuple[int, int] | None = None


def yolo_to_coco(
    images: Path, labels: Path, names: Sequence[str], reading: YoloReading = YoloReading()
) -> tuple[dict[str, Any], list[Problem]]:
    """Convert YOLO labels: a file `x.txt` for `x.jpg`, with a line `class x_centre y_centre width height` a box.

    Coordinates are fractions of the upright picture, as Ultralytics reads them. A line `class x1 y1 x2 y2 x3 y3 ...` is
    a polygon (segmentation, oriented boxes) and becomes the box around it. A picture without a label file is a
    negative, unless there are label files without a picture: then it may be that of one of these, and is left out.

    Args:
        images: Folder of the pictures, searched with all its folders.
        labels: Folder of the label files, with the same folders inside.
        names: Category names by YOLO class number.
        reading: What the lines hold, where the user says so.

    Returns:
        The COCO document (category ids are class numbers + 1), and what was left out.

    Raises:
        ConfigError: If a folder is missing, or there is no picture.
        DataError: If all lines together tell that they hold something else.
    """
    builder = CocoBuilder()
    folder = LabelFolder(labels, ".txt", parallel=True, no_labels=_NAMES_AMONG_LABELS)
    pictures = read_beside(
        images, folder, builder, lambda path, scan: (scan.upright_wh or (0, 0), _read(path, len(names)))
    )
    kind = reading.lines or tell_lines([line for picture in pictures for line in picture.entries], reading.keypoints)
    if reading.boxes is None and kind != Lines.POLYGONS:
        rows = [
            (line.where, line.values[:4], picture.size_wh)
            for picture in pictures
            for line in picture.entries
            if len(line.values) == 4 or kind in (Lines.KEYPOINTS, Lines.TRACKS)
        ]
        refuse_misread(rows, Boxes.FRACTIONS_CXCYWH)
    add_all(builder, pictures, lambda line, picture: _labelled(line, names, picture.size_wh, kind, reading))
    return builder.document(names), builder.problems


def _read(path: Path, classes: int) -> list[Line]:
    try:
        texts = read_text(path, what="file of labels").splitlines()
    except DataError as error:
        raise UnusableError(path, f"cannot be read: {error}") from error
    lines = []
    for number, text in enumerate(texts, 1):
        if text.strip():
            try:
                lines.append(read_line(text, f"{path}:{number}", classes))
            except ValueError as error:
                raise UnusableError(f"{path}:{number}", str(error)) from error
    return lines


def _labelled(line: Line, names: Sequence[str], size_wh: Size, kind: Lines | None, reading: YoloReading) -> LabelledBox:
    try:
        box = box_of(line, kind)
        convention = reading.boxes or Boxes.FRACTIONS_CXCYWH
        if box is None or convention.unit == "fractions":
            values = line.values if box is None else box
            if not all(-1 <= value <= 2 for value in values):
                written = " ".join(f"{value:g}" for value in values)
                raise ValueError(f"'{written}' are not fractions of the picture: are they pixels?")
        if box is None:
            xs, ys = line.values[::2], line.values[1::2]
            x1, y1, x2, y2 = (
                side * value
                for side, value in zip((*size_wh, *size_wh), (min(xs), min(ys), max(xs), max(ys)), strict=True)
            )
        else:
            corners = xywh_to_xyxy(to_xywh(np.array([box]), np.array([size_wh]), convention))
            x1, y1, x2, y2 = corners[0].tolist()
        return LabelledBox(names[line.category], (x1, y1, x2, y2))
    except ValueError as error:
        raise UnusableError(line.where, str(error)) from error


def read_keypoint_shape(path: Path) -> tuple[int, int] | None:
    """`kpt_shape` of a YOLO `data.yaml`: how many key points, and numbers of each; None: it has none.

    Raises:
        ConfigError: It is no such pair.
    """
    settings = read_yaml(path) if path.suffix.lower() in (".yaml", ".yml") else None
    shape = settings.get("kpt_shape") if isinstance(settings, dict) else None
    if shape is None:
        return None
    if isinstance(shape, list) and len(shape) == 2 and shape[1] in (2, 3) and type(shape[0]) is int and shape[0] > 0:
        return shape[0], int(shape[1])
    raise ConfigError(f"kpt_shape {shape} is no [points, 2 or 3]", where=path, hint="correct or remove it")


def read_yolo_names(path: Path) -> list[str]:
    """Category names by class number, from a YOLO `data.yaml`, or from a text file with one name a line.

    Raises:
        ConfigError: If there are none, one is there twice, or the numbers have gaps.
    """
    hint = "a YOLO data.yaml with `names`, or a text file with one name a line, is needed"
    names: Any
    if path.suffix.lower() in (".yaml", ".yml"):
        settings = read_yaml(path)
        names = settings.get("names") if isinstance(settings, dict) else None
    else:
        lines = read_text(path, what="list of names", error=ConfigError).splitlines()
        names = [line.strip() for line in lines if line.strip()]
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ConfigError("`names` is neither a list nor a mapping of 0, 1, 2 ... to names", where=path, hint=hint)
    if len(set(map(str, names))) < len(names):
        raise ConfigError("a name is there twice", where=path, hint=hint)
    return list(map(str, names))
