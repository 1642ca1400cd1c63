"""Parquet files: written whole, and read with damage named."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from backbones.errors import DataError
from detector.base.files import atomic_write, regular_size

# pages of dictionaries have no checksum; statistics would repeat whole vectors
PARQUET: Any = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True, "write_statistics": False}


def write_table(path: Path, table: pa.Table, row_group_rows: int = 65_536) -> None:
    """Write a Parquet file whole: zstd, with checksums of its pages."""
    with atomic_write(path) as file:
        pq.write_table(table, file, row_group_size=row_group_rows, **PARQUET)


@contextlib.contextmanager
def open_parquet(
    path: Path, hint: str, schema: pa.Schema | None = None, optional: Collection[str] = ()
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; damage, when it is opened or while it is read, becomes an error that names it.

    Args:
        path: The file.
        hint: What the user can do about a damaged one.
        schema: The columns that it must have, with their types; others do no harm.
        optional: Those of them that files of a time before lack.

    Raises:
        DataError: It is no file, damaged, or of another form.
    """
    if path.exists():  # a FIFO would be waited for
        regular_size(path, what="Parquet file")
    try:
        # a memory map would end the process with a bus error where a disk goes away; a buffer would hold the whole file
        with pq.ParquetFile(path, memory_map=False, pre_buffer=False, page_checksum_verification=True) as file:
            _check_columns(file.schema_arrow, schema or pa.schema([]), optional, path, hint)
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise DataError(f"this file is damaged ({str(error).splitlines()[0]})", where=path, hint=hint) from error


def _check_columns(found: pa.Schema, needed: pa.Schema, optional: Collection[str], path: Path, hint: str) -> None:
    for field in needed:
        if field.name not in found.names:
            if field.name not in optional:
                raise DataError(f"it has no column '{field.name}'", where=path, hint=hint)
        elif len(found.get_all_field_indices(field.name)) > 1 or found.field(field.name).type != field.type:
            problem = f"its column '{field.name}' is not of the type {field.type}"
            raise DataError(problem[:300], where=path, hint=hint)
