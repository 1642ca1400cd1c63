"""YOLO labels to COCO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError, DataError
from detector.base.files import read_text
from detector.base.yaml_text import read_yaml
from detector.data.convert.building import CocoBuilder, Corners, Problem, find_pictures, need_folder


def yolo_to_coco(images: Path, labels: Path, names: Sequence[str]) -> tuple[dict[str, Any], list[Problem]]:
    """Convert YOLO labels: a file `x.txt` for `x.jpg`, with a line `class x_centre y_centre width height` a box.

    Coordinates are fractions of the upright picture, as Ultralytics reads them. A line `class x1 y1 x2 y2 x3 y3 ...` is
    a polygon (segmentation, oriented boxes) and becomes the box around it. A picture without a label file is a
    negative.

    Args:
        images: Folder of the pictures, searched with all its folders.
        labels: Folder of the label files, with the same folders inside.
        names: Category names by YOLO class number.

    Returns:
        The COCO document (category ids are class numbers + 1), and what was left out.

    Raises:
        ConfigError: If a folder is missing, or there is no picture.
    """
    need_folder(labels)
    builder = CocoBuilder()
    read: set[Path] = set()
    for name, picture in find_pictures(images, builder):
        path = (labels / name).with_suffix(".txt")
        read.add(path)
        try:
            lines = read_text(path, what="file of labels").splitlines() if os.path.exists(path) else []
        except DataError as error:  # without its boxes, the picture would pass for a negative
            builder.report(path, f"cannot be read, so its picture is left out: {error}")
            continue
        width, height = picture.upright_wh or (0, 0)
        builder.add_image(name, (width, height))
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    category, corners = parse_line(line, len(names), (width, height))
                except ValueError as error:
                    builder.report(f"{path}:{number}", str(error))
                else:
                    builder.add_box(names[category], corners)
    for path in sorted(set(labels.rglob("*.txt")) - read):
        if path.name != "classes.txt":  # the names, as labelImg leaves them beside the labels
            builder.report(path, "there is no picture for these labels")
    return builder.document(names), builder.problems


def parse_line(line: str, classes: int, size_wh: tuple[int, int]) -> tuple[int, Corners]:
    """Class number and corners, in pixels, of one line.

    Raises:
        ValueError: If it is no box.
    """
    words = line.split()
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        raise ValueError(f"{len(words)} numbers; `class x y width height` or a polygon is needed")
    try:
        category, *values = map(float, words)
    except ValueError:
        raise ValueError(f"'{line.strip()}' are not numbers") from None
    if not category.is_integer() or not 0 <= category < classes:
        raise ValueError(f"class {words[0]}, but the {classes} names are numbered 0 to {classes - 1}")
    if not all(-1 <= value <= 2 for value in values):  # NaN fails too
        raise ValueError(f"'{' '.join(words[1:])}' are not fractions of the picture: are they pixels?")
    if len(values) == 4:
        x, y, width, height = values
        x1, y1, x2, y2 = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        x1, y1, x2, y2 = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"the box has no area: width {x2 - x1:g}, height {y2 - y1:g}")
    width, height = size_wh
    return int(category), (x1 * width, y1 * height, x2 * width, y2 * height)


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
