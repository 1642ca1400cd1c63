"""The folder of decisions: new tables take the place of those before, whole."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
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


def decisions_id(tables: Path) -> str:
    """What tells the decisions in a folder from others: a hash of the tables, which equal decisions share."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(tables.iterdir()):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
