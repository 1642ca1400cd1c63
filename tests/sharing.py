"""What is made once and looked at by many, in all of pytest's workers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock  # comes with torch


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker makes and the others wait for; nobody may change what is in it.

    Args:
        factory: Of temporary folders.
        name: One for each thing that is made.
        make: Fills a new folder, which stays where it is.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of the workers' own folders
    folder, made = root / f"shared_{name}", root / f"shared_{name}.made"
    with FileLock(root / f"shared_{name}.lock"):
        if not made.exists():
            if folder.exists():  # of a worker that failed or died over it
                shutil.rmtree(folder)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
