"""What a species classifier learnt from, as its file says: nobody measures it on that."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path

NOTE = "hoopoe_species_run"  # key of the file's metadata
DIGITS = 16  # of a content's hash that are kept in a classifier's file


def packed(contents: Iterable[str]) -> str:
    """Hashes of files, as a classifier's file keeps them."""
    return base64.b64encode("".join(sorted({content[:DIGITS] for content in contents})).encode()).decode()


def learnt_from(source: str | None) -> frozenset[str] | None:
    """Beginnings of the hashes of the files that a classifier learnt from; None: it does not say."""
    from safetensors import SafetensorError, safe_open

    path = Path(source).expanduser() if source else None
    if path is None or path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            text = base64.b64decode(json.loads((file.metadata() or {})[NOTE])["learnt_from"]).decode()
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None
    return frozenset(text[start : start + DIGITS] for start in range(0, len(text), DIGITS))
