"""A bucket in this process's memory."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from detector.base.objects.address import Address


@pytest.fixture
def bucket() -> Iterator[Address]:
    """An empty bucket of memory://."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield Address("memory", "bucket")
    files.store.clear()
