"""The dates in an AVI file's header, of which FFmpeg reads two forms of the many that cameras write."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from backbones.errors import HoopoeError
from detector.base.files import open_regular

_DATES = (b"IDIT", b"ICRD")  # the recorder's, and the one of the list of information
_LISTS = (b"hdrl", b"INFO", b"exif")  # that hold them
_MOST_CHUNKS, _LONGEST = 4096, 64  # a header has dozens, and a date 24 bytes


def avi_dates(file: Path) -> dict[str, str]:
    """The dates of an AVI file by the names of their chunks in lower case; nothing for other files and damaged ones.

    Only the heads of chunks are read, whatever size they claim.
    """
    try:
        with open_regular(file, what="video") as opened:
            head = opened.read(12)
            return _dates(opened) if head[:4] == b"RIFF" and head[8:] == b"AVI " else {}
    except (HoopoeError, OSError):  # which shows, with its reason, when the video is read
        return {}


def _dates(opened: BinaryIO) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(_MOST_CHUNKS):
        head = opened.read(8)
        if len(head) < 8:
            break
        name, size = struct.unpack("<4sI", head)
        if name == b"LIST" and opened.read(4) in _LISTS:
            continue  # its chunks come next
        if name in _DATES:
            text = opened.read(min(size, _LONGEST))
            found.setdefault(name.decode().lower(), text.decode("latin-1"))
            opened.seek(-len(text), 1)
        opened.seek(size + size % 2 - (4 if name == b"LIST" else 0), 1)
    return found
