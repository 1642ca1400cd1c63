"""A COCO JSON as a dictionary with every key, to be mended: read, and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError, DataError
from detector.base.files import write_bytes
from detector.base.json_text import JsonError, decode_json, infinite_as_null, nan_as_null, read_json_bytes
from detector.data.coco.encoding import as_utf8


def read_document(path: Path, images: Path | None = None) -> dict[str, Any]:
    """A COCO JSON as a dictionary, every key kept; `NaN`, 1e999 and their like become None.

    Args:
        path: The file.
        images: The folder of its pictures, whose names tell the encoding of a file that is not in UTF-8.

    Raises:
        DataError: It is not JSON, or in an encoding that nothing tells.
    """
    data, _ = as_utf8(read_json_bytes(path, "COCO JSON"), images)
    try:
        data = nan_as_null(data).decode("utf-8").encode()
    except UnicodeDecodeError as error:
        problem = f"the file is not in UTF-8 (byte {error.start}), and its file names do not tell in what else"
        raise DataError(problem, where=path, hint="save it as UTF-8") from error
    try:
        return decode_json(infinite_as_null(data), dict[str, Any])
    except JsonError as error:
        raise DataError(f"not JSON: {error}", where=path, hint="export or copy it again") from error


def refuse_original(path: Path, original: Path) -> None:
    """Raises: ConfigError: If writing to `path` would overwrite the file that is mended."""
    if path.exists() and original.exists() and path.samefile(original):
        raise ConfigError("--fix would overwrite the file it mends", where=path, hint="give another name")


def write_document(document: dict[str, Any], path: Path) -> None:
    """Write a COCO JSON whole or not at all."""
    # lone surrogates, of names that are no Unicode, stay as \\udc80
    write_bytes(path, json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"))
