"""COCO files that are not in UTF-8, as older Windows tools write them: read by what their file names prove."""

from __future__ import annotations

import codecs
import json
import os
import re
from pathlib import Path

from detector.base.names import Spelling

CODE_PAGES = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1257", "mac_roman")
_NAMES_TRIED = 200  # with letters beyond ASCII
_CHUNK = 1 << 24
_FILE_NAME = re.compile(r'"file_name"\s*:\s*("(?:[^"\\]|\\.)*+")')


def as_utf8(data: bytes, images: Path | None) -> tuple[bytes, str | None]:
    """A JSON text in UTF-8, and the code page that it was in.

    A text in a code page is read only by proof: there is one reading by which all its file names beyond ASCII are
    pictures in the folder.

    Args:
        data: The text.
        images: The folder of the pictures.

    Returns:
        The text and None where it is UTF-8 already, or where nothing is proven.
    """
    if data.isascii() or images is None or _is_utf8(data):
        return data, None
    fitting: dict[str, str] = {}
    for page in CODE_PAGES:
        try:
            text = data.decode(page)
        except UnicodeDecodeError:
            continue
        if _names_fit(text, images):
            fitting.setdefault(text, page)
    if len(fitting) != 1:
        return data, None
    ((text, page),) = fitting.items()
    return text.encode(), page


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(view[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _names_fit(text: str, images: Path) -> bool:
    names = []
    for match in _FILE_NAME.finditer(text):
        if not match[1].isascii():
            try:
                names.append(json.loads(match[1]).replace("\\", "/"))
            except ValueError:
                return False
        if len(names) >= _NAMES_TRIED:
            break
    spelling = Spelling(images)
    return bool(names) and all(os.path.exists(images / name) or spelling.of(name) is not None for name in names)
