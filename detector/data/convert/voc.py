"""Pascal VOC annotations to COCO."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backbones.errors import DataError
from detector.base.files import MAX_TEXT_BYTES, read_bytes
from detector.data.convert.building import CocoBuilder, Corners, Problem, find_pictures, need_folder
from detector.data.doctor.picture_scan import PictureScan

MOST_PIXELS = 1e6  # of a coordinate


def voc_to_coco(images: Path, annotations: Path, zero_based: bool = False) -> tuple[dict[str, Any], list[Problem]]:
    """Convert Pascal VOC: an XML a picture, with a `bndbox` in pixels an object.

    VOC counts pixels from 1 and includes the last one: xmin 1, xmax W is the whole width, and becomes x 0, width W
    (detectron2 reads it so). Objects marked `difficult` become crowds, which are neither taught nor counted as missed.
    A picture without an XML is a negative.

    Args:
        images: Folder of the pictures, searched with all its folders.
        annotations: Folder of the XML files, with the same folders inside, or flat.
        zero_based: Corners count from 0 and exclude the last pixel, as several tools write them: used as they are.

    Returns:
        The COCO document (categories in alphabetical order), and what was left out.

    Raises:
        ConfigError: If a folder is missing, or there is no picture.
    """
    need_folder(annotations)
    builder = CocoBuilder()
    read: set[Path] = set()
    for name, picture in find_pictures(images, builder):
        beside = (annotations / name).with_suffix(".xml")
        path = beside if os.path.exists(beside) else annotations / beside.name
        read.add(path)
        try:
            root = _read(path)
            size_wh = _size(root, path, picture)
        except _UnusableError as error:  # without its boxes, the picture would pass for a negative
            builder.report(error.where, f"{error}; its picture is left out")
            continue
        builder.add_image(name, size_wh)
        for number, element in enumerate(root.iter("object"), 1):
            try:
                category, corners, difficult = _parse_object(element, zero_based)
            except ValueError as error:
                builder.report(path, f"object {number}: {error}")
            else:
                builder.add_box(category, corners, crowd=difficult)
    for path in sorted(set(annotations.rglob("*.xml")) - read):
        builder.report(path, "there is no picture for this file")
    return builder.document(builder.category_names), builder.problems


class _UnusableError(Exception):
    def __init__(self, where: object, problem: str) -> None:
        super().__init__(problem)
        self.where = where


def _read(path: Path) -> Element:
    """The root of an XML; an empty one where there is no file."""
    if not os.path.exists(path):
        return Element("annotation")
    try:
        # an XML from elsewhere must not expand entities or read files
        root = fromstring(read_bytes(path, max_bytes=MAX_TEXT_BYTES, what="VOC file"), forbid_dtd=True)
    except ParseError as error:
        raise _UnusableError(f"{path}:{error.position[0]}", f"not XML: {error}") from error
    except DataError as error:
        raise _UnusableError(path, f"cannot be read: {error.problem}") from error
    except (DefusedXmlException, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise _UnusableError(path, f"cannot be read: {error}") from error
    if root is None or root.tag != "annotation":
        raise _UnusableError(path, "not a VOC file: its root is no <annotation>")
    return root


def _size(root: Element, path: Path, picture: PictureScan) -> tuple[int, int]:
    """The size that the XML states, which says whether its boxes fit the stored or the upright picture."""
    upright = picture.upright_wh or (0, 0)
    stated = (root.findtext("size/width"), root.findtext("size/height"))
    if not all(stated) or stated == ("0", "0"):
        return upright
    for size in (upright, picture.stored_wh):
        if size and stated == (str(size[0]), str(size[1])):
            return size
    raise _UnusableError(path, f"says {stated[0]} x {stated[1]}, the picture is {upright[0]} x {upright[1]}")


def _parse_object(element: Element, zero_based: bool) -> tuple[str, Corners, bool]:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("has no name")
    texts = [element.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = (float(text or "") for text in texts)
    except ValueError:
        raise ValueError(f"'{name}': bndbox {texts} are not four numbers") from None
    if not zero_based:
        x1, y1 = x1 - 1, y1 - 1
    if max(map(abs, (x1, y1, x2, y2))) >= MOST_PIXELS:
        raise ValueError(f"'{name}': bndbox {texts} lies outside any picture")
    if not (x2 > x1 and y2 > y1):
        raise ValueError(f"'{name}': bndbox {texts} has no area")
    return name, (x1, y1, x2, y2), (element.findtext("difficult") or "0").strip() == "1"
