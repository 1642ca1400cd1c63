"""Lists of photos and videos in place of listings: S3 Inventory's, CSV, Parquet, or a line a file."""

from __future__ import annotations

import csv
import gzip
import io
import posixpath
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from backbones.errors import DataError
from detector.base.json_text import JsonError, decode_json
from detector.base.objects.address import Address, Place, is_address, place_of
from detector.base.objects.fetching import local_copy, open_place

_NAMES = ("url", "uri", "key", "path", "file", "filepath", "file_name")  # of the column that says where a file is
_SIZES = ("size", "size_bytes", "bytes")
_VERSIONS = ("etag", "e_tag", "version")
MOST_LETTERS = 65_536  # of a cell: keys of S3 have 1,024 bytes
_MOST_DIGITS = 15  # of a size: what is longer is none
_FORMS = "give S3 Inventory's manifest.json, a CSV or Parquet file with a column url, key or path, a text, or -"


@dataclass(frozen=True)
class Listed:
    """A file that a list names.

    Attributes:
        name: An address, a path, or a key of `bucket`.
        bucket: Of a key; None: the name is relative to the card.
        size_bytes: Of the file; None: the list does not say.
        version: Its ETag; None: the list does not say.
    """

    name: str
    bucket: str | None = None
    size_bytes: int | None = None
    version: str | None = None

    def place(self, root: Place) -> Place:
        """Where the file is, of a card with this root."""
        if is_address(self.name):
            return place_of(self.name)
        if self.bucket is not None:
            return Address("s3", self.bucket, self.name)
        return root / self.name  # an absolute path stays one


class _InventoryFile(msgspec.Struct):
    key: str


class _Inventory(msgspec.Struct, rename="camel"):
    source_bucket: str
    destination_bucket: str
    file_format: str
    file_schema: str
    files: list[_InventoryFile]


def read_list(place: Place) -> Iterator[Listed]:
    """The files that a list names, in its order, in flat memory.

    Args:
        place: The list: its suffix says of which form it is, packed by gzip or not.

    Raises:
        DataError: It is of none of the forms, a column is missing, or it is cut off.
    """
    try:
        yield from _listed(place)
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        hint = "is the list whole? Copy or export it again"
        raise DataError(f"the list of files cannot be read to its end ({error})", where=place, hint=hint) from error


def _listed(place: Place) -> Iterator[Listed]:
    name = place.name.lower().removesuffix(".gz")
    if name.endswith(".json"):
        yield from _inventory(place)
    elif name.endswith(".parquet"):
        yield from _parquet(place)
    elif name.endswith((".csv", ".tsv")):
        with open_place(place, "list of files") as file:
            yield from _table(_lines(file), place, delimiter="\t" if name.endswith(".tsv") else ",")
    elif name.endswith(".txt"):
        with open_place(place, "list of files") as file:
            yield from (Listed(line.rstrip("\r\n")) for line in _lines(file) if line.strip())
    else:
        raise DataError("this is no list of files", where=place, hint=_FORMS)


def _lines(file: Any) -> Iterator[str]:
    buffered = file if hasattr(file, "peek") else io.BufferedReader(file)
    packed = buffered.peek(2)[:2] == b"\x1f\x8b"
    opened = gzip.GzipFile(fileobj=buffered) if packed else buffered
    return iter(io.TextIOWrapper(opened, "utf-8-sig", errors="surrogateescape", newline=""))


def _table(lines: Iterator[str], place: Place, delimiter: str) -> Iterator[Listed]:
    rows = _bounded(csv.reader(lines, delimiter=delimiter))
    columns = _Columns.of([name.strip().lower() for name in next(rows, [])], place)
    yield from columns.taken(rows)


def _bounded(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """The rows; a quotation mark never closed would make one of all, and any library may lift csv's own limit."""
    for row in rows:
        if max(map(len, row), default=0) > MOST_LETTERS:
            raise csv.Error(f"a cell of more than {MOST_LETTERS:,} letters")
        yield row


def _parquet(place: Place, bucket: str | None = None) -> Iterator[Listed]:
    with local_copy(place) as path:
        try:
            with pq.ParquetFile(path, memory_map=False) as file:
                columns = _Columns.of([name.lower() for name in file.schema_arrow.names], place, bucket)
                for batch in file.iter_batches(4096):
                    yield from columns.taken(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        except pa.ArrowException as error:
            raise DataError(f"this is no Parquet file ({error})", where=place, hint="export it again") from error


def _inventory(place: Place) -> Iterator[Listed]:
    """What an inventory of S3's names; its files lie in the bucket that its manifest names."""
    with open_place(place, "list of files") as file:
        data = file.read()
    try:
        manifest: _Inventory = decode_json(data, _Inventory)
    except JsonError as error:
        raise DataError(f"this is no manifest of S3 Inventory: {error}", where=place, hint=_FORMS) from error
    bucket = manifest.destination_bucket.removeprefix("arn:aws:s3:::")
    names = [name.strip().lower().replace(" ", "") for name in manifest.file_schema.split(",")]
    for part in manifest.files:
        where = Address("s3", bucket, part.key)
        if manifest.file_format == "CSV":
            columns = _Columns.of(names, place, manifest.source_bucket)
            with open_place(where, "part of the inventory") as file:
                for listed in columns.taken(csv.reader(_lines(file))):
                    yield replace(listed, name=unquote_plus(listed.name))
        elif manifest.file_format.lower() == "parquet":
            yield from _parquet(where, manifest.source_bucket)
        else:
            problem = f"an inventory in {manifest.file_format} is not read"
            raise DataError(problem, where=place, hint="have S3 write it as CSV or Parquet")


@dataclass(frozen=True)
class _Columns:
    """Where in a row stands what."""

    name: int
    size: int | None
    version: int | None
    flags: Mapping[str, int]
    bucket: str | None

    @classmethod
    def of(cls, names: Sequence[str], place: Place, bucket: str | None = None) -> _Columns:
        def find(wanted: Sequence[str]) -> int | None:
            return next((names.index(name) for name in wanted if name in names), None)

        name = find(_NAMES)
        if name is None:
            raise DataError("no column says where the files are", where=place, hint=_FORMS)
        plain = [each.replace("_", "") for each in names]  # `is_latest` in Parquet, `IsLatest` in CSV
        flags: dict[str, int] = {flag: plain.index(flag) for flag in ("islatest", "isdeletemarker") if flag in plain}
        return cls(name, find(_SIZES), find(_VERSIONS), flags, bucket)

    def taken(self, rows: Iterable[Sequence[Any]]) -> Iterator[Listed]:
        """What rows say that are of the versions of objects that are there now."""
        for row in filter(None, rows):
            latest, removed = (_said(row, self.flags.get(flag)).lower() for flag in ("islatest", "isdeletemarker"))
            if latest != "false" and removed != "true":
                yield self._listed(row)

    def _listed(self, row: Sequence[Any]) -> Listed:
        size, version = _said(row, self.size), _said(row, self.version)
        size_bytes = int(size) if len(size) <= _MOST_DIGITS and size.isdecimal() else None
        return Listed(_said(row, self.name), self.bucket, size_bytes, version or None)


def _said(row: Sequence[Any], column: int | None) -> str:
    """What stands in a column; empty where a row has none, or is too short."""
    value = None if column is None or column >= len(row) else row[column]
    return "" if value is None else str(value)


def normal_path(path: str) -> str | None:
    """A path under a card, with forward slashes, as lists write them; None: it leads out of the card."""
    normal = posixpath.normpath(path.replace("\\", "/"))
    return None if normal.startswith(("/", "..")) or normal == "." else normal
