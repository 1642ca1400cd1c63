"""The parts of a store's reviews: read once by a program that keeps them open, and joined when they are many."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from detector.store.files import open_parquet, write_table
from detector.store.layout import decisions_folder, reviews_folder
from detector.store.reviews.review import Review
from detector.store.reviews.words import Words, latest_words
from detector.store.schema import REVIEWS

MANY_PARTS = 100  # a click is one; reading it takes some milliseconds
_MEND = "restore it from a copy, or delete it: what it says is lost then"
_FIELDS = frozenset(each.name for each in fields(Review))
_TRIES = 5  # while another process joins parts
_STAMP = "%Y%m%dT%H%M%S%f"  # with which the names of parts begin, so that they stand in the order of their making
_STAMP_LENGTH = len("20260101T000000000000")


class GrowingReviews:
    """What was said, by whoever says it and in whatever process.

    Args:
        folder: The store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = reviews_folder(folder)
        self._parts: dict[str, list[Review]] = {}

    def read(self) -> list[Review]:
        """All that was said, oldest first; at the same moment in the order in which it was added.

        Raises:
            DataError: A part is damaged.
        """
        for attempt in range(_TRIES):
            try:
                paths = sorted(self._folder.glob("*.parquet"))
                self._parts = {path.name: self._parts.get(path.name) or _read_part(path) for path in paths}
                break
            except FileNotFoundError:
                if attempt == _TRIES - 1:
                    raise
        return sorted((each for part in self._parts.values() for each in part), key=lambda each: each.reviewed_at)

    def words(self) -> Words:
        """As `read_words`."""
        return latest_words(self.read())


def said_now(folder: Path) -> datetime:
    """The time of what is said now, UTC: later than all that was said or decided before, whatever the clock says.

    A clock that was set back would else let an earlier word win over a later one.
    """
    stamps = [datetime.now(UTC)]
    names = (path.name for path in reviews_folder(folder).glob("*.parquet"))
    with suppress(ValueError):  # of an empty sequence, or of a name that none of our parts has
        newest = datetime.strptime(max(names)[:_STAMP_LENGTH], _STAMP).replace(tzinfo=UTC)
        stamps.append(newest + timedelta(milliseconds=1))
    with suppress(OSError):
        decided_s = (decisions_folder(folder) / "detections.parquet").stat().st_mtime
        stamps.append(datetime.fromtimestamp(decided_s, UTC) + timedelta(milliseconds=1))
    return max(stamps)


def add_part(folder: Path, table: pa.Table, newest: datetime) -> None:
    """Write one more part.

    Args:
        folder: The store.
        table: `schema.REVIEWS`.
        newest: The latest time in it, UTC.
    """
    moment = max(said_now(folder), newest.replace(tzinfo=UTC))
    path = reviews_folder(folder) / f"{moment:{_STAMP}}-{secrets.token_hex(4)}.parquet"
    write_table(path, table)
    if moment.timestamp() > path.stat().st_mtime:  # by which it is told whether decisions are older
        os.utime(path, (moment.timestamp(), moment.timestamp()))


def join_parts(folder: Path) -> None:
    """Join the parts of a store's reviews where they are many: all words stay. For one process at a time.

    A kill in between leaves words that are there twice, which say no more than once.

    Raises:
        DataError: A part is damaged.
        DiskFullError: There is no room; the parts stay.
    """
    paths = sorted(reviews_folder(folder).glob("*.parquet"))
    if len(paths) < MANY_PARTS:
        return
    tables = [_read_table(path) for path in paths]
    changed_ns = max(path.stat().st_mtime_ns for path in paths)
    joined = paths[-1].with_name(f"{paths[-1].stem.partition('-joined')[0]}-joined-{secrets.token_hex(4)}.parquet")
    write_table(joined, pa.concat_tables(tables))
    os.utime(joined, ns=(changed_ns, changed_ns))  # what was said is no younger for it
    for path in paths:
        if path != joined:
            path.unlink(missing_ok=True)


def _read_table(path: Path) -> pa.Table:
    """A part, of whatever version wrote it, as `schema.REVIEWS`."""
    with open_parquet(path, _MEND) as file:
        table = file.read()
    missing = [each for each in REVIEWS if each.name not in table.column_names]
    for each in missing:
        table = table.append_column(each, pa.nulls(len(table), each.type))
    return table.select(REVIEWS.names).cast(REVIEWS)


def _read_part(path: Path) -> list[Review]:
    with open_parquet(path, _MEND) as file:
        return [_review(row) for row in file.read().to_pylist()]


def _review(row: dict[str, Any]) -> Review:
    """A row of a part, of whatever version wrote it."""
    sides = [row.pop(side, None) for side in "xywh"]
    known = {name: value for name, value in row.items() if name in _FIELDS}
    return Review(**known, xywh=None if sides[0] is None else tuple(sides))
