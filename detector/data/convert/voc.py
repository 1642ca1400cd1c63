"""Pascal VOC annotations to COCO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backbones.errors import DataError
from detector.base.files import MAX_TEXT_BYTES, read_bytes
from detector.data.conventions import Boxes, to_xywh
from detector.data.convert.beside import LabelFolder, add_all, read_beside, refuse_misread
from detector.data.convert.building import (
    CocoBuilder,
    Corners,
    LabelledBox,
    Problem,
    Size,
    UnusableError,
    stated_size,
)
from detector.data.doctor.picture_scan import PictureScan

MOST_PIXELS = 1e6  # of a coordinate
_FLAGS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True)
class VocReading:
    """How XML files are read.

    Args:
        zero_based: Corners count from 0 and exclude the last pixel, as several tools write them: used as they are.
        boxes: What the four numbers of a bndbox are; None: corners in pixels, refused where all boxes together tell
            otherwise.
    """

    zero_based: bool = False
    boxes: Boxes | None = None


def voc_to_coco(
    images: Path, annotations: Path, reading: VocReading = VocReading()
) -> tuple[dict[str, Any], list[Problem]]:
    """Convert Pascal VOC: an XML a picture, with a `bndbox` in pixels an object.

    VOC counts pixels from 1 and includes the last one: xmin 1, xmax W is the whole width, and becomes x 0, width W
    (detectron2 reads it so). Objects marked `difficult` become ignored regions, neither taught nor counted as missed. A
    picture without an XML is a negative, unless there are XML files without a picture: then it is left out.

    Args:
        images: Folder of the pictures, searched with all its folders.
        annotations: Folder of the XML files, with the same folders inside, or flat.
        reading: What the corners are.

    Returns:
        The COCO document (categories in alphabetical order), and what was left out.

    Raises:
        ConfigError: If a folder is missing, or there is no picture.
        DataError: If all boxes together tell that they are no corners in pixels.
    """
    builder = CocoBuilder()
    pictures = read_beside(images, LabelFolder(annotations, ".xml", flat=True), builder, _read)
    if reading.boxes is None:
        rows = [
            (f"{picture.path}: object {entry.number}", entry.numbers, picture.size_wh)
            for picture in pictures
            for entry in picture.entries
        ]
        refuse_misread(rows, Boxes.XYXY)
    add_all(builder, pictures, lambda entry, picture: _labelled(entry, picture.size_wh, picture.path, reading))
    return builder.document(), builder.problems


class _Object(NamedTuple):
    name: str
    numbers: Corners  # as the file has them
    ignored: bool
    number: int


def read_xml(path: Path, root_tag: str) -> Element:
    """The root of an XML from elsewhere, which must not expand entities or read files.

    Raises:
        UnusableError: It cannot be read, or has another root.
    """
    try:
        root = fromstring(read_bytes(path, max_bytes=MAX_TEXT_BYTES, what="XML file"), forbid_dtd=True)
    except ParseError as error:
        raise UnusableError(f"{path}:{error.position[0]}", f"not XML: {error}") from error
    except DataError as error:
        raise UnusableError(path, f"cannot be read: {error.problem}") from error
    except (DefusedXmlException, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise UnusableError(path, f"cannot be read: {error}") from error
    if root is None or root.tag != root_tag:
        raise UnusableError(path, f"its root is no <{root_tag}>")
    return root


def _read(path: Path, scan: PictureScan) -> tuple[Size, list[_Object]]:
    root = read_xml(path, "annotation")
    try:
        size_wh = stated_size((root.findtext("size/width"), root.findtext("size/height")), scan)
    except ValueError as error:
        raise UnusableError(path, str(error)) from error
    objects = []
    for number, element in enumerate(root.iter("object"), 1):
        try:
            objects.append(_parse_object(element, number))
        except ValueError as error:
            raise UnusableError(path, f"object {number}: {error}") from error
    return size_wh, objects


def _parse_object(element: Element, number: int) -> _Object:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("has no name")
    texts = [element.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x1, y1, x2, y2 = (float(text or "") for text in texts)
    except ValueError:
        raise ValueError(f"'{name}': bndbox {texts} are not four numbers") from None
    if not max(map(abs, (x1, y1, x2, y2))) < MOST_PIXELS:
        raise ValueError(f"'{name}': bndbox {texts} lies outside any picture")
    difficult = (element.findtext("difficult") or "0").strip().lower()
    if difficult not in _FLAGS:
        raise ValueError(f"'{name}': difficult is '{difficult}', and neither 0 nor 1")
    return _Object(name, (x1, y1, x2, y2), _FLAGS[difficult], number)


def _labelled(each: _Object, size_wh: Size, path: Path, reading: VocReading) -> LabelledBox:
    if reading.boxes is None or reading.boxes == Boxes.XYXY:
        x1, y1, x2, y2 = each.numbers
        corners = each.numbers if reading.zero_based else (x1 - 1, y1 - 1, x2, y2)
    else:
        boxes = to_xywh(np.array([each.numbers]), np.array([size_wh]), reading.boxes)
        x, y, width, height = boxes[0].tolist()
        corners = (x, y, x + width, y + height)
    try:
        return LabelledBox(each.name, corners, each.ignored)
    except ValueError as error:
        raise UnusableError(path, f"object {each.number}: {error}") from error
