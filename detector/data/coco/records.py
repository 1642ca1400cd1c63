"""A COCO JSON into typed records, one at a time.

The three lists are first split into undecoded records (views into the file's bytes), and these are decoded one by one
into structs. So a file of a million boxes never becomes a tree of dictionaries, masks are skipped without being parsed,
and one bad record costs neither the others nor its own name in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from backbones.errors import DataError
from detector.base.json_text import (
    JSON_FAULTS,
    JsonError,
    decode_json,
    infinite_as_null,
    nan_as_null,
    read_json_bytes,
)
from detector.data.coco.encoding import as_utf8

Id = int | float | str  # floats: pandas writes integers with gaps as 12.0
CategoryId = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
NOT_UTF8 = "is not in UTF-8: save the file as UTF-8"


class _Lists(msgspec.Struct):
    """The three lists, their records not decoded."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


class CocoFile(NamedTuple):
    """The three lists, and the code page of a file that is not in UTF-8."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    code_page: str | None = None


class ImageRecord(msgspec.Struct, gc=False):
    """What is read of an image."""

    id: Id
    file_name: str
    width: float | None = None
    height: float | None = None


class AnnotationRecord(msgspec.Struct, gc=False):
    """What is read of an annotation; masks, key points and other keys are passed over."""

    image_id: Id
    category_id: CategoryId
    id: Id | None = None
    bbox: list[float | None] | None = None
    area: Any = None  # only the box matters: an area that is no number is worked out
    iscrowd: int | bool | None = 0
    ignore: int | bool | None = 0  # mmdetection's and others' word for a region that is neither taught nor counted


class CategoryRecord(msgspec.Struct, gc=False):
    """What is read of a category."""

    id: CategoryId
    name: str | int | float
    supercategory: Any = None


def split_file(path: Path, images: Path | None = None) -> CocoFile:
    """Read a file and find its records.

    Args:
        path: The file.
        images: The folder of its pictures, whose names tell in what encoding a file is that is not in UTF-8.

    Raises:
        DataError: If it is not there, not JSON, or not an object with the three lists.
    """
    data, code_page = as_utf8(read_json_bytes(path, "COCO JSON"), images)
    try:
        lists = decode_json(nan_as_null(data), _Lists)
        return CocoFile(lists.images, lists.annotations, lists.categories, code_page)
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
    """The records that decode, each with its place in the list; `on_error(place, message)` is told of the others.

    Numbers that are written as texts ("7", "12.5", "0") are numbers, and infinite ones (`1e999`) are none.
    """
    decode = msgspec.json.Decoder(record_type).decode
    decode_texts = msgspec.json.Decoder(record_type, strict=False).decode
    for index, raw in enumerate(raws):
        try:
            record = decode(raw)
        except JSON_FAULTS as error:
            try:
                record = decode_texts(infinite_as_null(bytes(raw)))
            except JSON_FAULTS:
                on_error(index, NOT_UTF8 if _is_utf8_fault(error) else str(error))
                continue
        yield index, record


def _is_utf8_fault(error: Exception) -> bool:
    return isinstance(error, UnicodeError) or "utf-8" in str(error).lower()


def other_spelling(key: Id) -> Id | None:
    """The same id as a number where it is a text, and the other way round; None: it has no other spelling."""
    if isinstance(key, str):
        return int(key) if key.isascii() and key.isdigit() and (key == "0" or key[0] != "0") else None
    return str(int(key)) if key == key and abs(key) < 2**63 and key == int(key) else None


def record_name(table: str, raws: Sequence[msgspec.Raw], index: int) -> str:
    """A record in the user's words: `annotation 4711`, or `annotations[12]` where it has no id."""
    try:
        record = msgspec.json.decode(infinite_as_null(bytes(raws[index])))
        return f"{'category' if table == 'categories' else table.removesuffix('s')} {str(record['id'])[:80]}"
    except (*JSON_FAULTS, KeyError, TypeError):
        return f"{table}[{index}]"
