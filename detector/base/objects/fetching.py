"""Files for code that reads files: those on a disk as they are, objects as temporary copies, gone afterwards.

An object comes whole, in one request. So do videos: the frames of a video are listed from all of its packets before one
is decoded, so that reading it by ranges would ask for every byte too, in many requests, and twice.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from backbones.errors import DataError, DiskFullError
from detector.base.files import open_regular, refusing_full_disk
from detector.base.objects.address import Address, Place
from detector.base.objects.errors import ObjectMissingError, ServiceError
from detector.base.objects.service import asking, filesystem, find, fs_path, read_object

IN_MEMORY_BYTES = 64 << 20  # an object that is larger is copied chunk by chunk
BLOCK_BYTES = 8 << 20  # of a file that is read from its beginning to its end
SIGN_OF_LIFE_S, LONGEST_FETCH_S = 20.0, 4 * 3600.0
_KEPT_CHARACTERS = 120  # of a name and its folder's, which may tell a time
Sign = TypeVar("Sign")
_FORBIDDEN = str.maketrans(dict.fromkeys('\\:*?"<>|\0\r\n\t', "_"))


@contextmanager
def local_copy(place: Place, size_bytes: int = 0) -> Iterator[Path]:
    """A path under which a file can be read for a while; its name and its folder's are kept, as both may tell a time.

    Args:
        place: A path, which is given back, or an address.
        size_bytes: Of the object, where that is known.

    Raises:
        ObjectMissingError, AccessError, ServiceError: See `asking`.
        DiskFullError: There is no room for temporary files.
    """
    if not isinstance(place, Address):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="hoopoe-", ignore_cleanup_errors=True) as folder:
        if not size_bytes and (found := find(place)) is not None:
            size_bytes = found.size_bytes
        _check_room(Path(folder), size_bytes)
        path = Path(folder) / _plain(place.parent.name) / _plain(place.name)
        path.parent.mkdir()
        with refusing_full_disk(Path(folder)):
            fetch(place, path, size_bytes)
        yield path


def arriving(copies: ExitStack, place: Place, size_bytes: int = 0, *, sign: Sign) -> Generator[Sign, None, Path]:
    """Make a `local_copy`, and give a sign of life now and then: a large object, or a slow service, takes minutes.

    Args:
        copies: Holds the copy, which goes away with it.
        place: See `local_copy`.
        size_bytes: See `local_copy`.
        sign: What is yielded while the copy is on its way.

    Returns:
        The copy's path.

    Raises:
        ServiceError: It is on its way for hours; and see `local_copy`.
    """
    pool, began = ThreadPoolExecutor(1), time.monotonic()
    coming = pool.submit(copies.enter_context, local_copy(place, size_bytes))
    pool.shutdown(wait=False)
    while not wait([coming], SIGN_OF_LIFE_S).done:
        if time.monotonic() - began > LONGEST_FETCH_S:
            hint = "run the same command again when the service is well: it goes on from here"
            raise ServiceError(f"it has not come within {LONGEST_FETCH_S / 3600:.0f} hours", where=place, hint=hint)
        yield sign
    return coming.result()


@contextmanager
def open_place(place: Place, what: str = "file") -> Iterator[BinaryIO]:
    """A file to read from its beginning to its end, once, whatever its size.

    Args:
        place: A path, or an address, of which blocks are asked for as they are needed.
        what: What it should be, for messages.

    Raises:
        DataError: There is no such file.
        ObjectMissingError, AccessError, ServiceError: See `asking`.
    """
    if isinstance(place, Address):
        yield io.BufferedReader(_Blocks(place), BLOCK_BYTES)
        return
    with open_regular(place, what=what) as file:
        yield file


class _Blocks(io.RawIOBase):
    """An object as a file, read block by block; each is asked for again where the service is sick."""

    def __init__(self, address: Address) -> None:
        found = find(address)
        if found is None:
            raise ObjectMissingError("the object is not there", where=address, hint="check the address")
        self._address, self._size, self._version, self._place = address, found.size_bytes, found.version, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._place + len(buffer), self._size)
        content = b"" if self._place == end else read_object(self._address, self._place, end)
        if not content:
            self._refuse_other_version()
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _refuse_other_version(self) -> None:
        found = find(self._address)
        if found is None or found.version != self._version:
            raise DataError("the object was replaced while it was read", where=self._address, hint="begin anew")


def fetch(address: Address, path: Path, size_bytes: int = 0) -> None:
    """Copy an object to a path, whole.

    Raises:
        ObjectMissingError, AccessError, ServiceError: See `asking`.
    """
    if size_bytes <= IN_MEMORY_BYTES:
        content = read_object(address)
        if size_bytes and len(content) != size_bytes:
            content = _as_it_is_now(address, len(content))
        path.write_bytes(content)
        return
    files = filesystem(address.protocol)

    def copy() -> None:
        files.get_file(fs_path(address), str(path))
        found = find(address)
        if found is not None and path.stat().st_size != found.size_bytes:
            raise ConnectionError("the connection broke off")

    asking(address, copy)


def _as_it_is_now(address: Address, read_bytes: int) -> bytes:
    """An object that has another size than it was listed with: replaced meanwhile, or cut off on its way."""

    def read() -> bytes:
        found = find(address)
        content = read_object(address)
        if found is not None and len(content) != found.size_bytes:
            raise ConnectionError(f"{len(content)} of {found.size_bytes} bytes came, {read_bytes} before")
        return content

    return asking(address, read)


def _plain(name: str) -> str:
    """A part of a key as the name of a temporary file, whatever the system: its end is kept, for the suffix."""
    name = name.translate(_FORBIDDEN)[-_KEPT_CHARACTERS:]
    return name if name.strip(". ") else f"_{name}"


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        problem = f"there is no room for a temporary file of {size_bytes:,} bytes, {free:,} are free"
        hint = "let TMPDIR name a folder with more room, or give fewer --workers"
        raise DiskFullError(problem, where=folder, hint=hint)
