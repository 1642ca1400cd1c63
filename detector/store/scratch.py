"""Folders for what is not finished, of one process each, which leave nothing behind, also where it is killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backbones.errors import HoopoeError
from detector.store.lock import FACTS_LOCK, StoreLock


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, gone at the end; those that killed processes left there go at the beginning of the next.

    Args:
        parent: Where it is made.
        prefix: Its name's beginning, by which those of others are found.
    """
    remove_left(parent, prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name).absolute()
        with StoreLock(folder):  # the system lets go of it when this process ends, however it ends
            yield folder


def remove_left(parent: Path, prefix: str) -> None:
    """Remove the folders whose processes have ended without doing so."""
    for folder in parent.glob(f"{prefix}*"):
        if _is_own(folder) and (folder / FACTS_LOCK).exists():  # else it is just being made, or is none of ours
            with suppress(HoopoeError, OSError), StoreLock(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether this user made a folder: others may leave links in a shared one, and a lock would be written through."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) and (not hasattr(os, "getuid") or state.st_uid == os.getuid())
