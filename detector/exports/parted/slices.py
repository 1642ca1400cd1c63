"""Slices of a decided store: media items that lie together in its tables, with their detections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backbones.errors import DataError
from detector.store.files import open_parquet
from detector.store.layout import decisions_folder
from detector.store.records import MediaRecord
from detector.store.records_reader import media_of_tables
from detector.store.schema import DETECTIONS, MEDIA

SLICE_FILES = 100_000  # at least: as many as are decided together
_BATCH_ROWS = 4_096
_MEND = "run `hoopoe decide` again"


@dataclass(frozen=True)
class Slice:
    """Some media items that lie together.

    Attributes:
        groups: Their row groups in the table of media: the first, and the one after the last.
        files: How many they are.
        first: The first row of their detections in the table of these.
        detections: How many rows these are.
    """

    groups: tuple[int, int]
    files: int
    first: int
    detections: int


def slices_of(folder: Path, fewest_files: int | None = None) -> list[Slice]:
    """The slices of a store, in the order of its tables; only ids are read.

    Args:
        folder: The store.
        fewest_files: Of each but the last; `SLICE_FILES` by default.

    Raises:
        DataError: A table is damaged, or they do not fit each other.
    """
    fewest = SLICE_FILES if fewest_files is None else fewest_files
    tables = decisions_folder(folder)
    slices: list[Slice] = []
    first = 0
    with (
        open_parquet(tables / "media.parquet", _MEND, MEDIA) as media,
        open_parquet(tables / "detections.parquet", _MEND, DETECTIONS) as detections,
    ):
        ids = _Ids(detections)
        for groups, files in _packed(media, fewest):
            here = media.read_row_groups(list(range(*groups)), ["media_id"])["media_id"].combine_chunks()
            count = ids.take_while_in(here)
            slices.append(Slice(groups, files, first, count))
            first += count
        if first != detections.metadata.num_rows:
            raise DataError("the tables of media and detections do not fit", where=tables, hint=_MEND)
    return slices


def read_slice(folder: Path, one: Slice) -> Iterator[MediaRecord]:
    """The records of a slice, in flat memory.

    Raises:
        DataError: A table is damaged.
    """
    tables = decisions_folder(folder)
    with (
        open_parquet(tables / "media.parquet", _MEND, MEDIA) as media,
        open_parquet(tables / "detections.parquet", _MEND, DETECTIONS) as detections,
    ):
        groups = list(range(*one.groups))
        batches = media.iter_batches(_BATCH_ROWS, row_groups=groups)
        yield from media_of_tables(map(_table, batches), _rows(detections, one.first, one.detections))


def _packed(media: pq.ParquetFile, fewest: int) -> Iterator[tuple[tuple[int, int], int]]:
    begin, files = 0, 0
    for group in range(media.num_row_groups):
        files += media.metadata.row_group(group).num_rows
        if files and (files >= fewest or group == media.num_row_groups - 1):
            yield (begin, group + 1), files
            begin, files = group + 1, 0


class _Ids:
    """The ids of the items to which detections belong, one after the other."""

    def __init__(self, detections: pq.ParquetFile) -> None:
        self._batches = detections.iter_batches(columns=["media_id"])
        self._left = pa.array([], pa.string())

    def take_while_in(self, items: pa.Array) -> int:
        """How many of the next ids are of these items; they are taken."""
        count = 0
        while True:
            if not len(self._left):
                batch = next(self._batches, None)
                if batch is None:
                    return count
                self._left = batch.column(0)
            others = np.flatnonzero(~pc.is_in(self._left, items).to_numpy(zero_copy_only=False))
            taken = int(others[0]) if len(others) else len(self._left)
            self._left = self._left.slice(taken)
            count += taken
            if len(others):
                return count


def _rows(table: pq.ParquetFile, first: int, count: int) -> Iterator[pa.Table]:
    """Some rows of a table, batch by batch."""
    sizes = np.array([table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)], np.int64)
    ends = np.cumsum(sizes)
    groups = np.flatnonzero((ends > first) & (ends - sizes < first + count)).tolist()
    if not count or not groups:
        return
    skip = first - int(ends[groups[0]] - sizes[groups[0]])
    for batch in table.iter_batches(_BATCH_ROWS, row_groups=groups):
        here = batch.slice(skip, count)
        skip = max(skip - batch.num_rows, 0)
        count -= here.num_rows
        if here.num_rows:
            yield _table(here)


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])
