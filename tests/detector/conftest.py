"""Small stores, and a tiny drawn data set, for whoever reads one: exports, pages, the store's own tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.detector.small_stores import (
    make_box,
    make_detection,
    make_media,
    make_row,
    write_decided_store,
    write_facts,
)
from tests.detector.two_cameras import write_two_cameras


@pytest.fixture
def facts_maker() -> SimpleNamespace:
    """`.box(...)`, `.row(path, ...)` and `.write(folder, items, ...)`."""
    return SimpleNamespace(box=make_box, row=make_row, write=write_facts)


@pytest.fixture
def store_maker() -> SimpleNamespace:
    """`.detection(media_id, ...)`, `.media(path, ...)` and `.write(folder, media, events=..., ...)`."""
    return SimpleNamespace(detection=make_detection, media=make_media, write=write_decided_store)


@pytest.fixture
def decided_store(tmp_path: Path) -> Path:
    """A store of two cameras; see `two_cameras`."""
    return write_two_cameras(tmp_path / "store")


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 scenes of 128 x 128 to train on and 5 to evaluate on: images/, train.json, val.json."""
    from detector.synthetic.dataset import SceneSet, write_synthetic_dataset

    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_dataset(folder, 12, 5, SceneSet(size_wh=(128, 128)))
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium as the system has it, driven by playwright; skips where either is missing."""
    api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium, so nobody looked at the pages")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
