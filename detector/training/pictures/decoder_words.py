"""What libjpeg writes of damaged files to a process's stderr, kept from it: it says "Corrupt JPEG data" of no file.

Before training, pictures are read in threads, which share stderr. Where something was said, they are looked at again
by processes that know of which file, and it is told by name, once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from detector.base.reporting import warn
from detector.base.torn import loss_in
from detector.data.packed import Annotations
from detector.training.pictures.scanning import Scanner

STDERR = 2  # the number of its file, whatever Python writes to
DECODERS = ("Corrupt JPEG data", "Premature end of JPEG", "Invalid JPEG", "Warning: unknown JFIF")
SHOWN = 8  # names


@contextmanager
def decoders_heard() -> Iterator[list[str]]:
    """Keep libjpeg's lines from stderr, and pass on all others, for as long as it runs; yields the lines so far.

    Nothing is kept where Python's stderr is not the process's, as in a test that captures it.
    """
    lines: list[str] = []
    try:
        own = sys.stderr.fileno() == STDERR
    except (AttributeError, OSError):
        own = False
    if not own:
        yield lines
        return
    before, ours = sys.stderr, os.dup(STDERR)
    reading, writing = os.pipe()
    os.dup2(writing, STDERR)
    os.close(writing)
    reader = threading.Thread(target=_sort, args=(reading, ours, lines), daemon=True)
    reader.start()
    with os.fdopen(os.dup(ours), "w", encoding="utf-8", errors="backslashreplace", buffering=1) as sys.stderr:
        try:
            yield lines
        finally:
            os.dup2(ours, STDERR)  # which ends the pipe
            reader.join(timeout=1)  # a child that lives on keeps it open
            sys.stderr.flush()
            sys.stderr = before


def _sort(reading: int, ours: int, lines: list[str]) -> None:
    with os.fdopen(reading, "rb") as said, contextlib.suppress(OSError):
        for line in said:
            if (text := line.decode(errors="replace").strip()).startswith(DECODERS):
                lines.append(text)
            else:
                os.write(ours, line)


def damaged_pictures(sets: list[Annotations]) -> list[str]:
    """Names of the files of which a part is lost."""
    scanner = Scanner()
    names = []
    for each in sets:
        scans = scanner([each.path(row) for row in range(len(each))])
        names += [each.file_names[row] for row, scan in enumerate(scans) if scan.warning]
    return sorted(set(names))


def tell_damaged(words: list[str], sets: list[Annotations]) -> None:
    """Name the files of which a part is lost, where the decoders have said that there are some."""
    if not any(loss_in(line) for line in words):
        return
    names = damaged_pictures(sets)
    if names:
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        warn(f"damaged pictures, of which a part is lost (they are used all the same): {shown}")
