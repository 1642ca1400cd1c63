"""A COCO JSON into typed records, one at a time.

The three lists are first split into undecoded records (views into the file's bytes), and these are decoded one by one
into structs. So a file of a million boxes never becomes a tree of dictionaries, masks are skipped without being parsed,
and one bad record costs neither the others nor its own name in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from backbones.errors import DataError
from detector.base.json_text import JSON_FAULTS, JsonError, decode_json, nan_as_null, read_json_bytes

Id = int | float | str  # floats: pandas writes integers with gaps as 12.0


class CocoFile(msgspec.Struct):
    """The three lists, their records not decoded."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


class ImageRecord(msgspec.Struct, gc=False):
    """What is read of an image."""

    id: Id
    file_name: str
    width: float | None = None
    height: float | None = None


class AnnotationRecord(msgspec.Struct, gc=False):
    """What is read of an annotation; masks, key points and other keys are passed over."""

    id: Id
    image_id: Id
    category_id: int
    bbox: list[float | None] | None = None
    area: float | None = None
    iscrowd: int | bool | None = 0


class CategoryRecord(msgspec.Struct, gc=False):
    """What is read of a category."""

    id: int
    name: str


def split_file(path: Path) -> CocoFile:
    """Read a file and find its records.

    Raises:
        DataError: If it is not there, not JSON, or not an object with the three lists.
    """
    try:
        return decode_json(nan_as_null(read_json_bytes(path, "COCO JSON")), CocoFile)
    except JsonError as error:
        if not error.is_json:
            hint = "is the file whole? Export or copy it again"
            raise DataError(f"not JSON: {error}", where=path, hint=hint) from error
        raise DataError(
            f"not COCO annotations: {error}",
            where=path,
            hint="an object with the lists `images`, `annotations` and `categories` is needed"
            " (a bare list is a file of results)",
        ) from error


Record = TypeVar("Record", ImageRecord, AnnotationRecord, CategoryRecord)


def decode_records(
    raws: Sequence[msgspec.Raw], record_type: type[Record], on_error: Callable[[int, str], None]
) -> Iterator[tuple[int, Record]]:
    """The records that decode, each with its place in the list; `on_error(place, message)` is told of the others."""
    decode = msgspec.json.Decoder(record_type).decode
    for index, raw in enumerate(raws):
        try:
            record = decode(raw)
        except JSON_FAULTS as error:
            on_error(index, str(error))
        else:
            yield index, record


def record_name(table: str, raws: Sequence[msgspec.Raw], index: int) -> str:
    """A record in the user's words: `annotation 4711`, or `annotations[12]` where it has no id."""
    try:
        record = msgspec.json.decode(raws[index])
        return f"{'category' if table == 'categories' else table.removesuffix('s')} {str(record['id'])[:80]}"
    except (*JSON_FAULTS, KeyError, TypeError):
        return f"{table}[{index}]"
