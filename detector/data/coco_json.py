"""A COCO JSON into typed records, one at a time.

The three lists are first split into undecoded records (views into the file's bytes), and these are decoded one by one
into structs. So a file of a million boxes never becomes a tree of dictionaries, masks are skipped without being parsed,
and one bad record costs neither the others nor its own name in the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from backbones.errors import DataError

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
        data = path.read_bytes()
    except OSError as error:
        raise DataError(error.strerror or str(error), where=path, mend="give the path of a COCO JSON") from error
    try:
        return _decode_file(data.removeprefix(b"\xef\xbb\xbf"))  # the byte-order mark of Windows editors
    except msgspec.ValidationError as error:
        raise DataError(
            f"not COCO annotations: {error}",
            where=path,
            mend="an object with the lists `images`, `annotations` and `categories` is needed"
            " (a bare list is a file of results)",
        ) from error
    except msgspec.DecodeError as error:
        raise DataError(f"not JSON: {error}", where=path, mend="is the file whole? Export or copy it again") from error


def nan_as_null(data: bytes) -> bytes:
    """JSON with Python's NaN, Infinity and -Infinity, which no standard knows, replaced by null outside strings."""
    string_or_word = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)')
    return string_or_word.sub(lambda match: match[0] if match[0].startswith(b'"') else b"null", data)


def _decode_file(data: bytes) -> CocoFile:
    try:
        return msgspec.json.decode(data, type=CocoFile)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in data and b"Infinity" not in data:
            raise
        return msgspec.json.decode(nan_as_null(data), type=CocoFile)


Record = TypeVar("Record", ImageRecord, AnnotationRecord, CategoryRecord)


def decode_records(
    raws: Sequence[msgspec.Raw], record_type: type[Record], on_error: Callable[[int, str], None]
) -> Iterator[tuple[int, Record]]:
    """The records that decode, each with its place in the list; `on_error(place, message)` is told of the others."""
    decode = msgspec.json.Decoder(record_type).decode
    for index, raw in enumerate(raws):
        try:
            record = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            on_error(index, str(error))
        else:
            yield index, record


def record_name(table: str, raws: Sequence[msgspec.Raw], index: int) -> str:
    """A record in the user's words: `annotation 4711`, or `annotations[12]` where it has no id."""
    try:
        record = msgspec.json.decode(raws[index])
        return f"{'category' if table == 'categories' else table.removesuffix('s')} {record['id']}"
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return f"{table}[{index}]"
