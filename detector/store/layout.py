"""Where a store keeps what."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from detector.store.joining.journal import read_joining

_PART = re.compile(r"part-\d{6,}\.parquet")


def facts_folder(folder: Path) -> Path:
    """Of what the models saw."""
    return Path(folder) / "facts"


def overlay_folder(folder: Path, name: str) -> Path:
    """Of the logits of a classifier that came later."""
    return Path(folder) / "species" / name


def overlay_folders(folder: Path) -> list[Path]:
    """Those of all classifiers that came later, by their names."""
    species = Path(folder) / "species"
    return sorted(path for path in species.iterdir() if path.is_dir()) if species.is_dir() else []


def fast_folder(folder: Path, model: str) -> Path:
    """Of the export that `--speed fast` made of a model: detector, species or first_pass."""
    return Path(folder) / "fast" / model


def decisions_folder(folder: Path) -> Path:
    """Of the tables that are made of the facts."""
    return Path(folder) / "decisions"


def reviews_folder(folder: Path) -> Path:
    """Of what people said."""
    return Path(folder) / "reviews"


def parts(folder: Path) -> list[Path]:
    """The finished parts in a folder, in the order of their numbers; empty where there is no folder."""
    joining = read_joining(folder)
    found = _all_parts(folder)
    while (now := read_joining(folder)) != joining:  # parts were joined meanwhile: the list may lack some, or have both
        joining, found = now, _all_parts(folder)
    hidden = frozenset[str]() if joining is None else joining.hidden
    return [path for path in found if path.name not in hidden]


def _all_parts(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _PART.fullmatch(path.name)]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def part_name(number: int) -> str:
    """The file name of the part with this number."""
    return f"part-{number:06d}.parquet"


def last_number(folder: Path) -> int:
    """The highest number of a part in a folder; -1 where there is none."""
    return max((int(path.stem.removeprefix("part-")) for path in _all_parts(folder)), default=-1)


def decisions_id(tables: Path) -> str:
    """What tells the decisions in a folder from others: a hash of the tables, which equal decisions share."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(tables.iterdir()):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
