"""Where a store keeps what."""

from __future__ import annotations

import re
from pathlib import Path

_PART = re.compile(r"part-\d{6,}\.parquet")


def facts_folder(folder: Path) -> Path:
    """Of what the models saw."""
    return Path(folder) / "facts"


def overlay_folder(folder: Path, name: str) -> Path:
    """Of the logits of a classifier that came later."""
    return Path(folder) / "species" / name


def decisions_folder(folder: Path) -> Path:
    """Of the tables that are made of the facts."""
    return Path(folder) / "decisions"


def reviews_folder(folder: Path) -> Path:
    """Of what people said."""
    return Path(folder) / "reviews"


def parts(folder: Path) -> list[Path]:
    """The finished parts in a folder, in the order of their numbers; empty where there is no folder."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _PART.fullmatch(path.name)]
    return sorted(found, key=lambda path: (len(path.name), path.name))
