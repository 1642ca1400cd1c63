"""Export files that are there whole or not at all, however long they take to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from backbones.errors import HoopoeError
from detector.store.files import UNFINISHED, refusing_full_disk


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """A path beside the given one to write to; it is renamed into place at the end, and removed after an error.

    Raises:
        DiskFullError: There is no room; what was at `path` is untouched.
        HoopoeError: Another program holds the file open, as Excel does on Windows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with refusing_full_disk(path.parent):
            yield unfinished
        try:
            os.replace(unfinished, path)
        except PermissionError as error:
            mend = "close the program that has it open, and export again"
            raise HoopoeError("the file cannot be replaced", where=path, mend=mend) from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_text(path: Path, *, bom: bool = False) -> Iterator[TextIO]:
    """A text file in UTF-8 to write to, without translated line ends; see `whole_path`.

    Args:
        path: Where the file is to be.
        bom: Begin it with a byte order mark, by which Excel knows UTF-8.
    """
    encoding = "utf-8-sig" if bom else "utf-8"
    # file names that are no Unicode come as lone surrogates, which UTF-8 cannot hold
    with (
        whole_path(path) as unfinished,
        unfinished.open("w", encoding=encoding, errors="backslashreplace", newline="") as out,
    ):
        yield out
