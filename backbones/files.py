"""Files that are written whole or not at all, also through a power cut; and files that are read only if they are files.

A path that a user gives may name a FIFO, a device or a file of any size: what is read here never waits for a writer,
and never takes more memory than is allowed.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from backbones.errors import DataError, DiskFullError, HoopoeError

UNFINISHED = ".unfinished"
MAX_TEXT_BYTES = 256 << 20  # of a text file that is read at once; larger ones are no tables that people wrote
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME_CHARACTERS = 40  # of the target's name in the temporary's, which may be no longer than the system allows
_numbers = itertools.count()  # two threads never write one temporary


@contextlib.contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A path beside the given one to write to; brought onto the disk and renamed into place at the end.

    After an error it is removed, and what was at `path` is untouched. Folders above it are made.

    Args:
        path: Where the file is to be.
        durable: Wait until it is on the disk; pictures by the thousand, which can be made again, need not.

    Raises:
        DiskFullError: There is no room.
        HoopoeError: Something that is no file has this name, or another program holds it open, as Excel does.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "device or pipe"
        raise HoopoeError(f"there is a {kind} of this name", where=path, hint="give another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{os.getpid()}-{next(_numbers)}{UNFINISHED}")
    try:
        with refusing_full_disk(path.parent):
            yield unfinished
            if durable:
                _sync(unfinished, os.O_RDWR)  # Windows wants the right to write
        rename(unfinished, path, durable=durable)
    finally:
        unfinished.unlink(missing_ok=True)


def rename(source: Path, path: Path, *, durable: bool = True) -> None:
    """Give a file another name on its disk, in one step: one of that name is replaced.

    Args:
        source: The file.
        path: Its new name.
        durable: Wait until it is on the disk.

    Raises:
        HoopoeError: Another program holds the one of that name open.
    """
    try:
        os.replace(source, path)
    except PermissionError as error:
        hint = "close the program that has it open, and run the command again"
        raise HoopoeError("the file cannot be replaced", where=path, hint=hint) from error
    if durable and os.name == "posix":  # Windows journals a rename by itself, and cannot open folders
        with contextlib.suppress(OSError):  # some network disks cannot
            _sync(path.parent, os.O_RDONLY)


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb", **open_options: Any) -> Iterator[IO[Any]]:
    """A file to write, that is there whole or not at all; see `atomic_path`.

    Args:
        path: Where it is to be.
        mode: `wb`, or `w` for text, by default UTF-8.
        open_options: More for `open`: encoding, errors, newline.
    """
    if "b" not in mode:
        open_options.setdefault("encoding", "utf-8")
    with atomic_path(path) as unfinished, unfinished.open(mode, **open_options) as file:
        yield file


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all; see `atomic_path`."""
    with atomic_path(path, durable=durable) as unfinished:
        unfinished.write_bytes(content)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder; only for those who alone write there."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def refusing_full_disk(folder: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        hint = "make room and run the same command again; what was finished before is kept"
        raise DiskFullError("the disk is full", where=folder, hint=hint) from error


def regular_size(
    path: Path, *, max_bytes: int | None = None, what: str = "file", error: type[HoopoeError] = DataError
) -> int:
    """The size of a file in bytes, once it is sure that it is one: for readers that open paths by themselves.

    Args:
        path: The file.
        max_bytes: The largest that is read.
        what: What it should be, for the message.
        error: The class of what is raised.

    Raises:
        HoopoeError: There is no such file, it is a folder, FIFO or device, or too large.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as reason:  # ValueError: a name with a zero byte
        text = "there is no such file" if isinstance(reason, FileNotFoundError) else f"it cannot be opened ({reason})"
        raise error(text, where=path, hint="check the path") from reason
    if not stat.S_ISREG(found.st_mode):
        kind = "folder" if stat.S_ISDIR(found.st_mode) else "device or pipe"
        raise error(f"this is a {kind}, not a {what}", where=path, hint=f"check the path: a {what} is needed")
    if max_bytes is not None and found.st_size > max_bytes:
        problem = f"the {what} has {found.st_size:,} bytes, more than the {max_bytes:,} that are read"
        raise error(problem, where=path, hint=f"give a smaller {what}")
    return found.st_size


def open_regular(
    path: Path, *, max_bytes: int | None = None, what: str = "file", error: type[HoopoeError] = DataError
) -> BinaryIO:
    """Open a file for reading bytes; see `regular_size`."""
    regular_size(path, max_bytes=max_bytes, what=what, error=error)
    try:
        return path.open("rb")
    except OSError as reason:
        raise error(f"it cannot be opened ({reason})", where=path, hint="check the path and its rights") from reason


def read_bytes(
    path: Path, *, max_bytes: int | None = None, what: str = "file", error: type[HoopoeError] = DataError
) -> bytes:
    """The content of a file; see `regular_size`."""
    with open_regular(path, max_bytes=max_bytes, what=what, error=error) as file:
        try:
            return file.read()
        except OSError as reason:
            raise error(f"it cannot be read ({reason})", where=path, hint="look at the disk, and try again") from reason


def read_text(
    path: Path,
    *,
    max_bytes: int = MAX_TEXT_BYTES,
    what: str = "file",
    error: type[HoopoeError] = DataError,
) -> str:
    """The text of a file in UTF-8, with a byte order mark or without; see `regular_size`."""
    content = read_bytes(path, max_bytes=max_bytes, what=what, error=error)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        problem = f"this is not text in UTF-8 (byte {reason.start:,})"
        raise error(problem, where=path, hint="save it as UTF-8") from reason


def _sync(path: Path, flags: int) -> None:
    """Bring a file or folder onto the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
