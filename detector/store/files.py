"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from backbones.errors import DataError, HoopoeError

UNFINISHED = ".unfinished"
# pages of dictionaries have no checksum; statistics would repeat whole vectors
PARQUET: Any = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True, "write_statistics": False}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(HoopoeError):
    """There is no room left to write to."""


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, bring it onto the disk, and rename it into its place; parents are made.

    Args:
        path: Where the file goes; one that is there is replaced.
        write: Writes the content into the open file.

    Raises:
        DiskFullError: There is no room; what was at `path` is untouched, and the unfinished file is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with refusing_full_disk(path.parent), unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        _sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def refusing_full_disk(folder: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            "the disk is full",
            where=folder,
            mend="make room and run the same command again; what was finished before is kept",
        ) from error


def write_table(path: Path, table: pa.Table, row_group_rows: int = 65_536) -> None:
    """Write a Parquet file whole: zstd, with checksums of its pages."""
    write_whole(path, lambda file: pq.write_table(table, file, row_group_size=row_group_rows, **PARQUET))


@contextlib.contextmanager
def open_parquet(path: Path, mend: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; damage, when it is opened or while it is read, becomes an error that names it.

    Args:
        path: The file.
        mend: What the user can do about a damaged one.

    Raises:
        DataError: It is damaged.
    """
    try:
        # a memory map would end the process with a bus error where a disk goes away; a buffer would hold the whole file
        with pq.ParquetFile(path, memory_map=False, pre_buffer=False, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise DataError(f"this file is damaged ({str(error).splitlines()[0]})", where=path, mend=mend) from error


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder; only for those who hold the store's lock."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows journals a rename by itself, and cannot open folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
