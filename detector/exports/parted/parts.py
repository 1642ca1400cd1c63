"""What a format must do to be written slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from detector.exports.source import ExportOptions, ExportSource

_COPY_CHARACTERS = 1 << 20


@dataclass(frozen=True, eq=False)
class WrittenSlice:
    """What a worker wrote of a slice.

    Attributes:
        files: Name of a text -> the file in which it is.
        state: What the format must know of it when it joins.
    """

    files: Mapping[str, Path]
    state: Any = None

    def copy(self, name: str, out: TextIO) -> None:
        """Copy a text, and remove it."""
        for text in self.pieces(name):
            out.write(text)

    def pieces(self, name: str) -> Iterator[str]:
        """A text in pieces that end where a line does, and remove it."""
        with self.files[name].open(encoding="utf-8", newline="") as text:
            while piece := text.read(_COPY_CHARACTERS):
                yield piece + text.readline()
        self.files[name].unlink()


class Parts(Protocol):
    """A format in slices. What is joined equals what the format's function writes, byte for byte."""

    texts: tuple[str, ...]

    def write(self, source: ExportSource, options: ExportOptions, out: Mapping[str, TextIO]) -> Any:
        """Write the texts of a slice, in a worker.

        Args:
            source: Whose media are those of the slice.
            options: What the user wishes.
            out: Where each text goes.

        Returns:
            What `join` must know; it is sent to another process.
        """

    def join(
        self, source: ExportSource, folder: Path, options: ExportOptions, written: Iterator[WrittenSlice]
    ) -> list[Path]:
        """Write the format into a folder, and return the files to look at.

        Args:
            source: The store's.
            folder: Where to.
            options: What the user wishes.
            written: The slices in order, which come as they are done.
        """
