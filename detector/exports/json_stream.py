"""JSON files that are larger than memory, written member by member and item by item."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from detector.base.closing import Closing

# ASCII only: readers on Windows that forget to say UTF-8 still read every name
_encode = json.JSONEncoder(allow_nan=False).encode


class Encoded(str):
    """A value that is JSON text already."""


def write_object(out: TextIO, members: Iterable[tuple[str, object]]) -> None:
    """Write a JSON object.

    Args:
        out: Where to.
        members: Name and value of each; asked for one after the other, so that a late member may depend on what an
            earlier one has written. A value that is an iterator becomes an array.

    Raises:
        ValueError: If a number is not finite.
    """
    out.write("{")
    for index, (name, value) in enumerate(members):
        out.write(f"{',' if index else ''}\n{_encode(name)}: ")
        if isinstance(value, Iterator):
            write_array(out, value)
        else:
            out.write(_encode(value))
    out.write("\n}\n")


def write_array(out: TextIO, items: Iterable[object]) -> None:
    """Write a JSON array, a line an item."""
    out.write("[\n")
    empty = not write_items(out, items)
    out.write("]" if empty else "\n]")


def write_items(out: TextIO, items: Iterable[object]) -> bool:
    """Write items, a line an item, with commas between them; whether there were any."""
    there = False
    for item in items:
        out.write((",\n" if there else "") + (item if isinstance(item, Encoded) else _encode(item)))
        there = True
    return there


class Spool(Closing):
    """Items of a later array, kept on the disk while an earlier one is written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile("w+", encoding="ascii", dir=folder)  # noqa: SIM115 (closed by close)

    def close(self) -> None:
        """Let the items go."""
        self._file.close()

    def add(self, item: object) -> None:
        """Keep an item."""
        self._file.write(_encode(item) + "\n")

    def items(self) -> Iterator[Encoded]:
        """All items in the order in which they came."""
        self._file.seek(0)
        for line in self._file:
            yield Encoded(line[:-1])
