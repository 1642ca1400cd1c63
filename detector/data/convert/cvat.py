"""CVAT's own XML ("CVAT for images 1.1") to COCO.

Source: docs.cvat.ai/docs/dataset_management/formats/format-cvat. Coordinates are pixels from the picture's top left
corner, without VOC's shift by one. CVAT's COCO export is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from backbones.errors import DataError
from detector.data.convert.building import Corners, LabelledBox, Problem, Size, UnusableError, stated_size
from detector.data.convert.listed import ListedPictures
from detector.data.convert.regions import around, around_ellipse, turned
from detector.data.convert.voc import read_xml
from detector.data.doctor.picture_scan import PictureScan

_IGNORED = frozenset({"ignore", "ignored", "iscrowd", "is_crowd", "crowd", "difficult"})  # names of attributes
_NO_BOX = frozenset({"tag"})  # of the whole picture


def cvat_to_coco(images: Path, annotations: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Convert CVAT for images 1.1: boxes (turned ones too), polygons, polylines and ellipses become boxes.

    A box with an attribute such as `ignore` or `difficult` that is true becomes an ignored region. Pictures in the file
    without a shape are negatives; pictures that are not in it are not used.

    Args:
        images: Folder of the pictures, searched with all its folders.
        annotations: annotations.xml.

    Returns:
        The COCO document (categories in alphabetical order), and what was left out.

    Raises:
        ConfigError: If the folder is missing, or there is no picture.
        DataError: If the file is no CVAT XML, or one of videos.
    """
    try:
        root = read_xml(annotations, "annotations")
    except UnusableError as error:
        hint = "export the task as `CVAT for images 1.1`, and give its annotations.xml by --labels"
        raise DataError(str(error), where=error.where, hint=hint) from error
    if root.find("track") is not None:
        raise DataError(
            "this is an export of a video, with tracks", where=annotations, hint="export it as `CVAT for images 1.1`"
        )
    pictures = ListedPictures(images)
    for element in root.iter("image"):
        name = element.get("name") or ""
        where = f"{annotations}: image {element.get('id')} '{name}'"
        pictures.add(where, [name], partial(_size_and_boxes, element))
    return pictures.builder.document(), pictures.builder.problems


def _size_and_boxes(element: Element, scan: PictureScan) -> tuple[Size, list[LabelledBox]]:
    size_wh = stated_size((element.get("width"), element.get("height")), scan)
    return size_wh, [_labelled(shape) for shape in element if shape.tag not in _NO_BOX]


def _labelled(shape: Element) -> LabelledBox:
    corners_of = _SHAPES.get(shape.tag)
    label = (shape.get("label") or "").strip()
    if corners_of is None or not label:
        raise ValueError(f"<{shape.tag}> of '{label}' is no box, and nothing tells the one around it")
    try:
        corners = corners_of(shape.attrib)
    except (KeyError, ValueError) as error:
        raise ValueError(f"<{shape.tag}> of '{label}': {error} is missing, or no number") from None
    flags = {(each.get("name") or "").strip().lower(): (each.text or "").strip().lower() for each in shape}
    ignored = any(flags.get(key) in ("true", "1", "yes") for key in _IGNORED)
    return LabelledBox(label, corners, ignored)


def _box(shape: Mapping[str, str]) -> Corners:
    x1, y1, x2, y2 = (float(shape[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    return turned((x1, y1, x2, y2), float(shape.get("rotation", 0)), ((x1 + x2) / 2, (y1 + y2) / 2))


def _points(shape: Mapping[str, str]) -> Corners:
    numbers = [float(value) for point in shape["points"].split(";") for value in point.split(",")]
    return around(numbers[::2], numbers[1::2])


def _ellipse(shape: Mapping[str, str]) -> Corners:
    x, y, rx, ry = (float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
    return around_ellipse((x, y), (rx, ry), float(shape.get("rotation", 0)))


def _mask(shape: Mapping[str, str]) -> Corners:
    left, top, width, height = (float(shape[key]) for key in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


_SHAPES: Mapping[str, Callable[[Mapping[str, str]], Corners]] = {
    "box": _box,
    "polygon": _points,
    "polyline": _points,
    "ellipse": _ellipse,
    "mask": _mask,
}
