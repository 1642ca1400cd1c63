"""The folder of decisions: new tables take the place of those before, whole."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from detector.base.files import refusing_full_disk
from detector.store.layout import decisions_folder


@contextlib.contextmanager
def replacing_decisions(folder: Path) -> Iterator[Path]:
    """A folder to write tables into, which becomes the store's decisions when all went well.

    Raises:
        DiskFullError: There is no room; the decisions before stay.
    """
    target = decisions_folder(folder)
    unfinished, old = target.with_name("decisions.unfinished"), target.with_name("decisions.old")
    for left in (unfinished, old):
        shutil.rmtree(left, ignore_errors=True)  # of a killed run
    unfinished.mkdir(parents=True)
    try:
        with refusing_full_disk(folder):
            yield unfinished
        if target.exists():
            target.rename(old)
        unfinished.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A folder for what is not in the tables yet, gone before they are counted."""
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=target, ignore_cleanup_errors=True) as name:
        yield Path(name)
