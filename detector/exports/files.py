"""Text files of exports."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO, cast

from detector.base.files import atomic_write


def whole_text(path: Path, *, bom: bool = False) -> AbstractContextManager[TextIO]:
    """A text file in UTF-8 to write to, without translated line ends, there whole or not at all; see `atomic_path`.

    Args:
        path: Where the file is to be.
        bom: Begin it with a byte order mark, by which Excel knows UTF-8.
    """
    # file names that are no Unicode come as lone surrogates, which UTF-8 cannot hold
    encoding = "utf-8-sig" if bom else "utf-8"
    text = atomic_write(path, "w", encoding=encoding, errors="backslashreplace", newline="")
    return cast(AbstractContextManager[TextIO], text)
