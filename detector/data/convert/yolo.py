"""YOLO labels to COCO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.base.files import read_text
from detector.base.yaml_text import read_yaml
from detector.boxes import xywh_to_xyxy
from detector.data.conventions import Boxes, misread, to_xywh
from detector.data.convert.building import (
    CocoBuilder,
    LabelledBox,
    Problem,
    Size,
    UnusableError,
    files_with,
    find_pictures,
    label_files,
    need_folder,
)
from detector.data.convert.yolo_lines import Line, Lines, box_of, read_line, tell_lines

_NAMES_AMONG_LABELS = ("classes.txt", "labels.txt", "obj.names")  # as labelImg and CVAT leave them beside the labels


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
    need_folder(labels)
    builder = CocoBuilder()
    pictures: list[tuple[str, Size, Path, list[Line]]] = []
    for name, picture in find_pictures(images, builder):
        path = (labels / name).with_suffix(".txt")
        try:
            pictures.append((name, picture.upright_wh or (0, 0), path, _read(path, len(names))))
        except UnusableError as error:
            builder.leave_out(error.where, str(error))
    known = {labels / path for path in label_files(images, ".txt")}
    strays = [path for path in sorted(files_with(labels, ".txt") - known) if path.name not in _NAMES_AMONG_LABELS]
    for path in strays:
        builder.report(path, "there is no picture for these labels")

    all_lines = [line for _, _, _, lines in pictures for line in lines]
    kind = reading.lines or tell_lines(all_lines, reading.keypoints)
    _refuse_misread(pictures, kind, reading)
    for name, size_wh, path, lines in pictures:
        if strays and not os.path.exists(path):
            builder.leave_out(images / name, "has no labels, and there are labels without a picture")
            continue
        try:
            builder.add(name, size_wh, [_labelled(line, names, size_wh, kind, reading) for line in lines])
        except UnusableError as error:
            builder.leave_out(error.where, str(error))
    return builder.document(names), builder.problems


def _read(path: Path, classes: int) -> list[Line]:
    if not os.path.exists(path):
        return []
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


def _refuse_misread(
    pictures: Sequence[tuple[str, Size, Path, list[Line]]], kind: Lines | None, reading: YoloReading
) -> None:
    if reading.boxes is not None or kind == Lines.POLYGONS:
        return
    boxed = [
        (line, size)
        for _, size, _, lines in pictures
        for line in lines
        if len(line.values) == 4 or kind in (Lines.KEYPOINTS, Lines.TRACKS)
    ]
    boxes = np.array([line.values[:4] for line, _ in boxed]).reshape(-1, 4)
    frames = np.array([size for _, size in boxed], np.int64).reshape(-1, 2)
    found = misread(boxes, frames, Boxes.FRACTIONS_CXCYWH)
    if found is not None:
        hint = f"read them so by --boxes {found.meant[0]}, or by --boxes {Boxes.FRACTIONS_CXCYWH} as they are"
        raise DataError(found.problem(Boxes.FRACTIONS_CXCYWH), where=boxed[found.row][0].where, hint=hint)


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
        if x2 <= x1 or y2 <= y1:
            raise ValueError(f"the box has no area: width {x2 - x1:g}, height {y2 - y1:g}")
    except ValueError as error:
        raise UnusableError(line.where, str(error)) from error
    return LabelledBox(names[line.category], (x1, y1, x2, y2))


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
