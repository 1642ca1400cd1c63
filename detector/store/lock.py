"""One writer a store: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from backbones.errors import HoopoeError
from detector.base.closing import Closing

FACTS_LOCK, DECISIONS_LOCK = ".lock", ".decisions.lock"  # decisions may be made while facts are added
RUN_LOCK = ".run.lock"  # both change run.json, each for a moment
PATIENCE_S = 30.0  # for which one waits for a lock that is held for moments
_NOT_SUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_FAR = 1 << 30  # Windows keeps others from reading what is locked: lock a byte that holds no text

_held: set[Path] = set()  # POSIX record locks do not keep a process from itself


class StoreLock(Closing):
    """Keeps a second writer out of a store, as a context manager or until `close`.

    A record lock, not the presence of the file, is what counts: nothing stale is left by a killed process, and child
    processes do not inherit it. On the rare network disk without locks there is no protection.

    Raises:
        HoopoeError: Another process, or this one, writes to the store already.
    """

    def __init__(self, folder: Path, name: str = FACTS_LOCK) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder.resolve() / name
        if self.path in _held:
            raise _taken(folder, os.getpid())
        self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(self._descriptor):
            owner = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise _taken(folder, owner)
        _held.add(self.path)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    @classmethod
    def waiting(cls, folder: Path, name: str) -> StoreLock:
        """The same, after waiting for another writer that is done in a moment."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return cls(folder, name)
            except HoopoeError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def close(self) -> None:
        """Let others write; a second call does nothing."""
        if self._descriptor is None:
            return
        _unlock(self._descriptor)
        os.close(self._descriptor)  # the file stays: removing it would race with the next writer
        self._descriptor = None
        _held.discard(self.path)


def _taken(folder: Path, owner: object) -> HoopoeError:
    return HoopoeError(
        f"another process (number {owner}) is writing to this store",
        where=folder,
        hint="wait until it is done, or end it; or choose another output folder",
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in _NOT_SUPPORTED
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
