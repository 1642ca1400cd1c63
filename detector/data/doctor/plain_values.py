"""What a record says in another way than COCO's, where it has one meaning: `"7"` is 7, `7.0` is 7, `iscrowd: "0"` is 0.

Each function returns the keys to write anew; none for a record that is as COCO has it, or that cannot be read at all.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, TypeVar

import msgspec

from detector.data.coco.parsing import box_of_polygons
from detector.data.coco.records import AnnotationRecord, CategoryRecord, Id, ImageRecord, other_spelling

Record = TypeVar("Record", ImageRecord, AnnotationRecord, CategoryRecord)


def plain_image(raw: Any) -> dict[str, Any]:
    """Of an image: whole numbers for its id, width and height."""
    record = _read(raw, ImageRecord)
    if record is None:
        return {}
    sides = {"width": record.width, "height": record.height}
    whole = {key: _whole(side) for key, side in sides.items() if side is not None}
    return _changes(raw, {"id": _whole(record.id)} | whole)


def plain_category(raw: Any) -> dict[str, Any]:
    """Of a category: a whole number for its id, a text for its name."""
    record = _read(raw, CategoryRecord)
    return {} if record is None else _changes(raw, {"id": record.id, "name": str(record.name)})


def plain_annotation(raw: Any, image_ids: Container[Id]) -> dict[str, Any]:
    """Of an annotation: its ids as the images have them, numbers for its box and area, `iscrowd`, a box of polygons."""
    record = _read(raw, AnnotationRecord)
    if record is None:
        return {}
    values: dict[str, Any] = {"image_id": _whole(record.image_id), "category_id": record.category_id}
    other = other_spelling(record.image_id)
    if record.image_id not in image_ids and other in image_ids:
        values["image_id"] = other
    if record.id is not None:
        values["id"] = _whole(record.id)
    if isinstance(raw.get("area"), str):
        values["area"] = _number(raw["area"])
    if record.ignore or raw.get("iscrowd") is not None:
        values["iscrowd"] = int(bool(record.iscrowd or record.ignore))
    if not record.bbox:
        around = box_of_polygons(raw.get("segmentation"))
        values |= {"bbox": around} if around else {}
    elif any(isinstance(value, str) for value in raw["bbox"]):
        values["bbox"] = record.bbox
    return _changes(raw, values)


def _read(raw: Any, kind: type[Record]) -> Record | None:
    try:
        return msgspec.convert(raw, kind, strict=False)
    except (msgspec.ValidationError, OverflowError):
        return None


def _changes(raw: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that the record has otherwise, or as another type."""
    return {key: value for key, value in values.items() if (raw.get(key), type(raw.get(key))) != (value, type(value))}


def _whole(value: Id) -> Id:
    is_whole = isinstance(value, float) and abs(value) < 2**53 and value.is_integer()
    return int(value) if is_whole else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
