"""A folder with what the pages' commands need; each page gets a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.stand_ins import make_workshop


@pytest.fixture(scope="session")
def made_workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once; OUT is a card annotated in it."""
    from detector.cli.main import main

    folder = tmp_path_factory.mktemp("workshop")
    make_workshop(folder)
    models = [
        "--detector",
        str(folder / "stand_ins/coco.safetensors"),
        "--species",
        str(folder / "stand_ins/davit_tiny_il-all.safetensors"),
    ]
    assert main(["annotate", str(folder / "CARD"), "--output", str(folder / "OUT"), *models]) == 0
    return folder
