"""A folder with what the pages' commands need; each page gets a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.stand_ins import make_workshop
from tests.sharing import made_once


@pytest.fixture(scope="session")
def made_workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once; OUT is a card annotated in it."""
    return made_once(tmp_path_factory, "pages", with_a_store)


def with_a_store(folder: Path) -> None:
    from detector.cli.main import main

    make_workshop(folder)
    models = [f"{folder}/stand_ins/{name}.safetensors" for name in ("coco", "davit_tiny_il-all")]
    words = ["--output", f"{folder}/OUT", "--detector", models[0], "--species", models[1]]
    assert main(["annotate", f"{folder}/CARD", *words]) == 0
