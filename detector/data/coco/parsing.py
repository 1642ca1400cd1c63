"""One COCO JSON into arrays, with every fault of its records named."""

from __future__ import annotations

import posixpath
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.base.json_text import JsonError, decode_json
from detector.data.box_faults import CODES, OVERHANGS, SOUND, check_boxes
from detector.data.coco.records import (
    AnnotationRecord,
    CategoryRecord,
    Id,
    ImageRecord,
    decode_records,
    record_name,
    split_file,
)
from detector.data.findings import Finding


@dataclass(frozen=True, eq=False)
class ImageColumns:
    """I images in the file's order.

    Args:
        record_ids: I ids as the file has them.
        ids: int64 (I,), or None when they are not all integers.
        file_names: I names with forward slashes.
        sizes_wh: int32 (I, 2), pixels; (0, 0) where the record states none.
        places: Where the file lists them: int64 (I,).
        attributes: Texts by image, for each key asked for.
    """

    record_ids: list[Id]
    ids: NDArray[np.int64] | None
    file_names: list[str]
    sizes_wh: NDArray[np.int32]
    places: NDArray[np.int64]
    attributes: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class BoxColumns:
    """N usable boxes in the file's order: the faulty are left out or clipped.

    Args:
        ids: int64 (N,), or None when the file's ids are not distinct integers above 0.
        images: int64 (N,), the row of each box's image in `ImageColumns`.
        category_ids: int64 (N,).
        boxes_xywh: float64 (N, 4), pixels.
        areas: float64 (N,), square pixels.
        is_crowd: bool (N,).
        places: Where the file lists them: int64 (N,).
    """

    ids: NDArray[np.int64] | None
    images: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    places: NDArray[np.int64]

    def select(self, rows: NDArray[np.bool_]) -> BoxColumns:
        """The boxes where a mask (N,) is true."""
        columns: dict[str, Any] = {
            name: None if column is None else column[rows] for name, column in vars(self).items()
        }
        return BoxColumns(**columns)


@dataclass(frozen=True, eq=False)
class ParsedCoco:
    """The records of one file that can be used, and the faults of all."""

    path: Path
    categories: dict[int, str]
    images: ImageColumns
    boxes: BoxColumns
    findings: list[Finding]

    def image_name(self, row: int) -> str:
        """An image in the user's words: `image 17`."""
        return f"image {self.images.record_ids[row]}"


def parse_coco(path: Path, attributes: Sequence[str] = ()) -> ParsedCoco:
    """Read one COCO JSON.

    Args:
        path: The file.
        attributes: Further keys of image records to keep as texts.

    Raises:
        DataError: If the file as a whole is not COCO: not JSON, another layout, one of the three lists missing.
    """
    return _Parser(path, attributes).result()


def escapes(name: str) -> bool:
    """Whether a file name (forward slashes) leads out of the folder that it is relative to, or to no file at all."""
    if "\0" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return True
    return posixpath.normpath(name).split("/")[0] in ("..", ".")


class _Parser:
    """Carries the file's lists and the findings from one step to the next."""

    def __init__(self, path: Path, attributes: Sequence[str]) -> None:
        self.path = path
        self.attributes = attributes
        self.file = split_file(path)
        self.findings: list[Finding] = []

    def result(self) -> ParsedCoco:
        categories = self.read_categories()
        row_of_id, images = self.read_images()
        boxes = self.check(self.read_annotations(row_of_id, categories), images.sizes_wh)
        return ParsedCoco(self.path, categories, images, boxes, self.findings)

    def report(self, code: str, table: str, place: int, message: str) -> None:
        name = record_name(table, getattr(self.file, table), place)
        self.findings.append(Finding(code, self.path, name, message, table, place))

    def read_categories(self) -> dict[int, str]:
        categories: dict[int, str] = {}
        bad = partial(self.report, "bad_record", "categories")
        for place, record in decode_records(self.file.categories, CategoryRecord, bad):
            if categories.setdefault(record.id, record.name) != record.name:
                message = f"is '{categories[record.id]}' and also '{record.name}'"
                self.report("duplicate_category_id", "categories", place, message)
        return categories

    def read_images(self) -> tuple[dict[Id, int], ImageColumns]:
        row_of_id: dict[Id, int] = {}
        names: list[str] = []
        sizes, places = array("i"), array("q")
        texts: dict[str, list[str]] = {key: [] for key in self.attributes}
        bad = partial(self.report, "bad_record", "images")
        for place, record in decode_records(self.file.images, ImageRecord, bad):
            if record.id in row_of_id:
                message = f"'{record.file_name}' has the id of '{names[row_of_id[record.id]]}'"
                self.report("duplicate_image_id", "images", place, message)
                continue
            name = record.file_name.replace("\\", "/")  # written on Windows
            if escapes(name):
                self.report("path_escapes", "images", place, f"'{record.file_name}' leads out of the image folder")
            size = _whole_size(record)
            if size is None:
                message = f"width {record.width}, height {record.height}; whole pixels above 0 are needed"
                self.report("size_missing", "images", place, message)
            row_of_id[record.id] = len(names)
            names.append(name)
            sizes.extend(size or (0, 0))
            places.append(place)
            if texts:
                extra = _all_of(self.file.images[place])
                for key, values in texts.items():
                    values.append("" if extra.get(key) is None else str(extra[key]))
        sizes_wh = np.array(sizes, np.int32).reshape(-1, 2)
        ids = list(row_of_id)
        return row_of_id, ImageColumns(ids, _integers(ids), names, sizes_wh, np.array(places, np.int64), texts)

    def read_annotations(self, row_of_id: dict[Id, int], categories: dict[int, str]) -> BoxColumns:
        """The annotations whose image and category exist; a bbox that is not four numbers becomes four NaN."""
        places, images, category_ids, ids = array("q"), array("q"), array("q"), array("q")
        boxes, areas, crowds = array("d"), array("d"), bytearray()
        nothing = (np.nan,) * 4
        bad = partial(self.report, "bad_record", "annotations")
        for place, record in decode_records(self.file.annotations, AnnotationRecord, bad):
            image = row_of_id.get(record.image_id)
            if image is None:
                self.report("unknown_image", "annotations", place, f"image_id {record.image_id} does not exist")
            elif record.category_id not in categories:
                message = f"category_id {record.category_id} does not exist"
                self.report("unknown_category", "annotations", place, message)
            else:
                box = record.bbox
                boxes.extend(box if box is not None and len(box) == 4 and None not in box else nothing)  # type: ignore[arg-type]
                places.append(place)
                images.append(image)
                category_ids.append(record.category_id)
                areas.append(np.nan if record.area is None else record.area)
                crowds.append(bool(record.iscrowd))
                if _is_integer(record.id) and record.id > 0:  # type: ignore[operator]
                    ids.append(int(record.id))
        return BoxColumns(
            ids=_view(ids, np.int64) if len(ids) == len(places) else None,
            images=_view(images, np.int64),
            category_ids=_view(category_ids, np.int64),
            boxes_xywh=_view(boxes, np.float64).reshape(-1, 4),
            areas=_view(areas, np.float64),
            is_crowd=_view(crowds, np.bool_),
            places=_view(places, np.int64),
        )

    def check(self, columns: BoxColumns, sizes_wh: NDArray[np.int32]) -> BoxColumns:
        """Report faulty boxes and repeated ids; clip or leave out, and fill in areas."""
        ids = columns.ids
        if ids is not None:
            repeated = repeats(ids)
            for row in repeated.tolist():
                message = "has the id of an annotation before it"
                self.report("duplicate_annotation_id", "annotations", int(columns.places[row]), message)
            ids = None if len(repeated) else ids

        boxes, faults = check_boxes(columns.boxes_xywh, sizes_wh, columns.images)
        for row in np.flatnonzero(faults != SOUND).tolist():
            place = int(columns.places[row])
            width, height = sizes_wh[columns.images[row]].tolist()
            if width > 0:  # a record without a size has a finding of its own
                bbox = _all_of(self.file.annotations[place]).get("bbox")
                self.report(*_describe(CODES[faults[row]], place, bbox, width, height))

        box_areas = boxes[:, 2] * boxes[:, 3]
        areas = np.where(columns.areas > 0, columns.areas, box_areas)
        areas = np.where(faults == OVERHANGS, np.minimum(areas, box_areas), areas)
        checked = replace(columns, ids=ids, boxes_xywh=boxes, areas=areas)
        usable = (faults == SOUND) | (faults == OVERHANGS)
        return checked if usable.all() else checked.select(usable)  # spares a large, sound file the copy


def repeats(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows whose value another row before them has, in order."""
    order = np.argsort(values, kind="stable")
    in_order = values[order]
    return np.sort(order[1:][in_order[1:] == in_order[:-1]])


def _describe(
    code: str, place: int, bbox: list[float | None] | None, width: int, height: int
) -> tuple[str, str, int, str]:
    if not bbox:
        code, message = "box_missing", "has no bbox"
    elif len(bbox) != 4:
        message = f"bbox {bbox} has {len(bbox)} numbers, not 4"
    elif code == "box_degenerate":
        message = f"bbox width {bbox[2]}, height {bbox[3]}"
    elif code == "box_not_finite":
        message = f"bbox {bbox} is not finite"
    else:
        verb = "is outside" if code == "box_outside" else "hangs over"
        message = f"bbox {bbox} {verb} the frame of {width} x {height}"
    return code, "annotations", place, message


def _view(buffer: array | bytearray, dtype: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype) if buffer else np.zeros(0, dtype)


def _whole_size(record: ImageRecord) -> tuple[int, int] | None:
    sides = (record.width, record.height)
    if any(side is None or side != int(side) or not 0 < side < 2**31 for side in sides):
        return None
    return int(sides[0]), int(sides[1])  # type: ignore[arg-type]


def _is_integer(value: Id) -> bool:
    return not isinstance(value, str) and value == int(value) and abs(value) < 2**63


def _integers(ids: list[Id]) -> NDArray[np.int64] | None:
    return np.fromiter(map(int, ids), np.int64, len(ids)) if all(map(_is_integer, ids)) else None


def _all_of(raw: msgspec.Raw) -> dict[str, Any]:
    """A record with all its keys; none where one that nobody reads is no JSON."""
    try:
        return decode_json(raw, dict[str, Any])
    except JsonError:
        return {}
