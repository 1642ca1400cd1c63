"""JPEG files of which a part is lost although their end is there: libjpeg fills in grey, and says so on stderr alone.

Where a process may hear its decoders (`hear_decoders`), their messages name every damage that libjpeg notices.
Elsewhere (in threads, which share stderr, and on Windows) only the commonest is found: data that end too early.
"""

from __future__ import annotations

import os
import re
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

ENDS_EARLY = "a part of the picture is lost: its data end too early"
DAMAGED = "a part of the picture is lost: its data are damaged"
_GREY, _TOLERANCE = 128, 2  # what libjpeg shows where there are no data
_JUNK = bytes(range(1, 200)) * 2  # any bits will do; without 0xFF, which begins a marker
_START_OF_SCAN = b"\xda"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # that ends a scan: no stuffed byte, no restart
_HARMLESS_BYTES = 16  # between the data and the next marker: some cameras fill up
_LOSSES = re.compile(r"premature end of|bad Huffman code|instead of RST|(\d+) extraneous bytes before marker", re.I)

_heard: int | None = None


def hear_decoders() -> None:
    """Collect what C libraries write to stderr in this process from now on, in place of showing it.

    For processes in which one thread reads pictures; Python's own words still reach the console. Windows' builds of
    OpenCV do not write to this process's descriptors, so nothing changes there.
    """
    global _heard
    if os.name != "posix" or _heard is not None:
        return
    try:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    except OSError:  # it is closed
        return
    _heard, written = os.pipe()
    os.set_blocking(_heard, False)
    os.set_blocking(written, False)  # a decoder that says more than is collected must not wait
    os.dup2(written, 2)
    os.close(written)


def forget_words() -> None:
    """Drop messages from before the next picture is decoded."""
    _words()


def loss_of(data: bytes, pixels: NDArray[np.uint8]) -> str | None:
    """What is lost of a JPEG file that has just been decoded; None: nothing that is noticed.

    Args:
        data: The file, ending with an end marker.
        pixels: RGB (H, W, 3), as stored: not turned.
    """
    if _heard is None:
        return ENDS_EARLY if _ends_early(data, pixels) else None
    return loss_in(_words())


def _words() -> str:
    if _heard is None:
        return ""
    try:
        return os.read(_heard, 1 << 16).decode(errors="replace")
    except BlockingIOError:
        return ""


def loss_in(words: str) -> str | None:
    """What is lost, by what libjpeg has said; None: nothing that matters."""
    for loss in _LOSSES.finditer(words):
        if loss[1] is None:
            return ENDS_EARLY if "premature" in loss[0].lower() else DAMAGED
        if int(loss[1]) > _HARMLESS_BYTES:
            return DAMAGED
    return None


def _ends_early(data: bytes, pixels: NDArray[np.uint8]) -> bool:
    """Whether the last pixel is one that libjpeg made up: more data where they end would change it."""
    if np.abs(pixels[-1, -1].astype(int) - _GREY).max() > _TOLERANCE:
        return False
    end = _end_of_data(data)
    small = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION
    before, after = (
        cv2.imdecode(np.frombuffer(content, np.uint8), small) for content in (data, data[:end] + _JUNK + data[end:])
    )
    return before is not None and (after is None or not np.array_equal(before, after))


def _end_of_data(data: bytes) -> int:
    """Where the first scan of the picture itself is over, past the ones of thumbnails, which lie in other segments."""
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != _START_OF_SCAN:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    marker = _MARKER.search(data, place + 2)
    return marker.start() if marker else data.rindex(b"\xff\xd9")
