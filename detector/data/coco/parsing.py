"""One COCO JSON into arrays, with every fault of its records named."""

from __future__ import annotations

import posixpath
import re
from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.base.json_text import JsonError, decode_json, infinite_as_null
from detector.data.box_faults import CODES, OVERHANGS, SOUND, check_boxes
from detector.data.coco.columns import BoxColumns, ImageColumns, ParsedCoco
from detector.data.coco.records import (
    AnnotationRecord,
    CategoryRecord,
    Id,
    ImageRecord,
    decode_records,
    other_spelling,
    record_name,
    split_file,
)
from detector.data.conventions import MOST_PERCENT, Boxes, misread, to_xywh
from detector.data.findings import Finding

NO_ANIMAL = ("empty", "blank")  # categories that say that a picture shows nothing
AREAS_END = 1e10  # square pixels: COCO measures no larger box, and pictures are smaller


class Category(NamedTuple):
    """A category of a file: its name, and that of its parent, if it is a text at all."""

    name: str
    supercategory: Any = None


def parse_coco(
    path: Path, attributes: Sequence[str] = (), *, images: Path | None = None, convention: Boxes | None = None
) -> ParsedCoco:
    """Read one COCO JSON.

    Args:
        path: The file.
        attributes: Further keys of image records to keep as texts.
        images: The folder of its pictures; needed to tell the encoding of a file that is not in UTF-8.
        convention: What the four numbers of a box mean, where the user says so; None: COCO's, and where all boxes
            together tell otherwise, that is a finding.

    Raises:
        DataError: If the file as a whole is not COCO: not JSON, another layout, one of the three lists missing.
    """
    return _Parser(path, attributes, images, convention).result()


def escapes(name: str) -> bool:
    """Whether a file name (forward slashes) leads out of the folder that it is relative to, or to no file at all."""
    if name and name[0] not in "/." and ".." not in name and ":" not in name and "\0" not in name:
        return False  # as nearly always, and asked for each of a million pictures
    if "\0" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return True
    return posixpath.normpath(name).split("/")[0] in ("..", ".")


class _Parser:
    """Carries the file's lists and the findings from one step to the next."""

    def __init__(self, path: Path, attributes: Sequence[str], folder: Path | None, convention: Boxes | None) -> None:
        self.path = path
        self.attributes = attributes
        self.file = split_file(path, folder)
        self.missing_ids = 0
        self.unlabelled: NDArray[np.int64] = np.zeros(0, np.int64)
        self.convention = convention
        self.findings: list[Finding] = []

    def result(self) -> ParsedCoco:
        categories = self.read_categories()
        row_of_id, images = self.read_images()
        columns = self.read_annotations(row_of_id, categories)
        boxes, unusable = self.check(columns, images.sizes_wh)
        for row in self.unlabelled.tolist():
            message = f"'{images.file_names[row]}' has no annotation, and others are labelled as empty"
            self.report("image_unlabelled", "images", int(images.places[row]), message)
        used = set(np.unique(columns.category_ids).tolist())
        names = {key: each.name for key, each in categories.items() if key in used or not _is_a_root(key, categories)}
        for name, ids in _repeated(names, used).items():
            message = f"'{name}' has the ids {', '.join(map(str, ids))}, which count as one category"
            self.findings.append(Finding("category_repeated", self.path, None, message))
        if self.missing_ids:
            count = f"{self.missing_ids} annotations have no id"
            self.findings.append(Finding("ids_missing", self.path, None, count))
        if self.file.code_page:
            message = f"the file is in {self.file.code_page}, by which its file names fit the pictures"
            self.findings.append(Finding("encoding", self.path, None, message))
        return ParsedCoco(self.path, names, images, boxes, unusable, self.unlabelled, self.findings)

    def report(self, code: str, table: str, place: int, message: str) -> None:
        name = record_name(table, getattr(self.file, table), place)
        self.findings.append(Finding(code, self.path, name, message, table, place))

    def read_categories(self) -> dict[int, Category]:
        categories: dict[int, Category] = {}
        bad = partial(self.report, "bad_record", "categories")
        for place, record in decode_records(self.file.categories, CategoryRecord, bad):
            category = Category(str(record.name), record.supercategory)
            if categories.setdefault(record.id, category).name != category.name:
                message = f"is '{categories[record.id].name}' and also '{category.name}'"
                self.report("duplicate_category_id", "categories", place, message)
        return categories

    def read_images(self) -> tuple[dict[Id, int], ImageColumns]:
        row_of_id: dict[Id, int] = {}
        first_of_name: dict[str, int] = {}
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
            first = first_of_name.setdefault(name.removeprefix("./"), len(names))
            if first != len(names):  # a bird of one would be background in the other
                first_name = record_name("images", self.file.images, places[first])
                self.report("duplicate_file", "images", place, f"'{name}' is also the file of {first_name}")
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

    def read_annotations(self, row_of_id: dict[Id, int], categories: dict[int, Category]) -> BoxColumns:
        """The annotations whose image and category exist; a bbox that is not four numbers becomes four NaN.

        Without a bbox, the box around the polygons of an annotation is its box. One of the category `empty` (COCO
        Camera Traps) says that there is no animal, and needs none; in a file that says so, a picture without any
        annotation is one that nobody has looked at.
        """
        places, images, category_ids, ids = array("q"), array("q"), array("q"), array("q")
        boxes, areas, crowds = array("d"), array("d"), bytearray()
        labelled, says_empty = bytearray(len(row_of_id)), False
        nothing = (np.nan,) * 4
        bad = partial(self.report, "bad_record", "annotations")
        for place, record in decode_records(self.file.annotations, AnnotationRecord, bad):
            image = row_of_id.get(record.image_id)
            if image is None:
                image = row_of_id.get(other_spelling(record.image_id))  # type: ignore[arg-type]
            if image is None:
                self.report("unknown_image", "annotations", place, f"image_id {record.image_id} does not exist")
                continue
            labelled[image] = True
            if record.category_id not in categories:
                message = f"category_id {record.category_id} does not exist"
                self.report("unknown_category", "annotations", place, message)
                continue
            box: Sequence[float | None] | None = record.bbox
            if not box:
                if categories[record.category_id].name.lower() in NO_ANIMAL:
                    says_empty = True
                    continue
                box = box_of_polygons(_all_of(self.file.annotations[place]).get("segmentation"))
            ignored = record.iscrowd or record.ignore
            if ignored and ignored != 1:
                bad(place, f"iscrowd or ignore is {ignored}, and neither 0 nor 1")
                continue
            crowds.append(bool(ignored))
            boxes.extend(box if box is not None and len(box) == 4 and None not in box else nothing)  # type: ignore[arg-type]
            places.append(place)
            images.append(image)
            category_ids.append(record.category_id)
            areas.append(record.area if type(record.area) is float else _area(record.area))
            key = record.id
            if key is None:
                self.missing_ids += 1
            elif _is_integer(key) and key > 0:  # type: ignore[operator]
                ids.append(int(key))
        self.unlabelled = np.flatnonzero(~_view(labelled, np.bool_)) if says_empty else np.zeros(0, np.int64)
        return BoxColumns(
            ids=_view(ids, np.int64) if len(ids) == len(places) else None,
            images=_view(images, np.int64),
            category_ids=_view(category_ids, np.int64),
            boxes_xywh=_view(boxes, np.float64).reshape(-1, 4),
            areas=_view(areas, np.float64),
            is_crowd=_view(crowds, np.bool_),
            places=_view(places, np.int64),
        )

    def check(self, columns: BoxColumns, sizes_wh: NDArray[np.int32]) -> tuple[BoxColumns, BoxColumns]:
        """Report faulty boxes and repeated ids, clip, and fill in areas: the usable boxes, and the unusable."""
        ids = columns.ids
        if self.convention is not None:
            frames = sizes_wh[columns.images]
            columns = replace(columns, boxes_xywh=to_xywh(columns.boxes_xywh, frames, self.convention))
        if ids is not None:
            repeated = repeats(ids)
            for row in repeated.tolist():
                message = "has the id of an annotation before it"
                self.report("duplicate_annotation_id", "annotations", int(columns.places[row]), message)
            ids = None if len(repeated) else ids

        boxes, faults = check_boxes(columns.boxes_xywh, sizes_wh, columns.images)
        if self.convention is None and self._are_misread(columns, sizes_wh, faults):
            faults = np.zeros_like(faults)  # each may look at fault, and none is for itself
        for row in np.flatnonzero(faults != SOUND).tolist():
            place = int(columns.places[row])
            width, height = sizes_wh[columns.images[row]].tolist()
            if width > 0:  # a record without a size has a finding of its own
                bbox = _all_of(self.file.annotations[place]).get("bbox")
                self.report(*_describe(CODES[faults[row]], place, bbox, width, height))

        box_areas = boxes[:, 2] * boxes[:, 3]
        areas = np.where((columns.areas > 0) & (columns.areas < AREAS_END), columns.areas, box_areas)
        areas = np.where(faults == OVERHANGS, np.minimum(areas, box_areas), areas)
        checked = replace(columns, ids=ids, boxes_xywh=boxes, areas=areas)
        usable = (faults == SOUND) | (faults == OVERHANGS)
        if usable.all():  # spares a large, sound file the copy
            return checked, checked.select(np.zeros(len(usable), np.bool_))
        return checked.select(usable), checked.select(~usable)

    def _are_misread(self, columns: BoxColumns, sizes_wh: NDArray[np.int32], faults: NDArray[np.uint8]) -> bool:
        """Report where all boxes together tell that they are no left, top, width and height in pixels."""
        boxes = columns.boxes_xywh
        if not len(boxes) or ((faults == SOUND).all() and boxes.max() > MOST_PERCENT):
            return False
        found = misread(boxes, sizes_wh[columns.images], areas=columns.areas)
        if found is not None:
            place = int(columns.places[found.row])
            self.report("boxes_convention", "annotations", place, found.problem(Boxes.XYWH))
        return found is not None


def box_of_polygons(segmentation: Any) -> list[float] | None:
    """Left, top, width and height around polygons `[[x, y, x, y ...] ...]`; None: they are none."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return None
        if not all(type(value) in (int, float) for value in polygon):
            return None
    xs = [x for polygon in segmentation for x in polygon[::2]]
    ys = [y for polygon in segmentation for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _area(value: Any) -> float:
    """An area as a number; NaN: it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _is_a_root(key: int, categories: dict[int, Category]) -> bool:
    """Whether a category without boxes is none: Roboflow's first, the parent of all others, and `empty`."""
    name = categories[key].name
    others = [each for other, each in categories.items() if other != key]
    return bool(others) and (name.lower() in NO_ANIMAL or all(each.supercategory == name for each in others))


def _repeated(names: dict[int, str], used: set[int]) -> dict[str, list[int]]:
    """Names with the ids that have boxes, where there are several."""
    ids_of: dict[str, list[int]] = {}
    for key in sorted(used):
        ids_of.setdefault(names[key], []).append(key)
    return {name: ids for name, ids in ids_of.items() if len(ids) > 1}


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
    if any(side is None or not 0 < side < 2**31 or side != int(side) for side in sides):  # NaN fails too
        return None
    return int(sides[0]), int(sides[1])  # type: ignore[arg-type]


def _is_integer(value: Id) -> bool:
    if type(value) is int:  # as nearly always, and asked for each of a million boxes
        return -(2**63) < value < 2**63
    return not isinstance(value, str) and value == int(value) and abs(value) < 2**63


def _integers(ids: list[Id]) -> NDArray[np.int64] | None:
    return np.fromiter(map(int, ids), np.int64, len(ids)) if all(map(_is_integer, ids)) else None


def _all_of(raw: msgspec.Raw) -> dict[str, Any]:
    """A record with all its keys; none where one that nobody reads is no JSON."""
    try:
        return decode_json(infinite_as_null(bytes(raw)), dict[str, Any])
    except JsonError:
        return {}
