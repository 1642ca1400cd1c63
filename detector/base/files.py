"""Files: one atomic writer, and reading that is bounded. The classifiers need them too, so they are written there."""

from __future__ import annotations

from backbones.files import (
    MAX_TEXT_BYTES,
    UNFINISHED,
    atomic_path,
    atomic_write,
    open_regular,
    read_bytes,
    read_text,
    refusing_full_disk,
    regular_size,
    remove_unfinished,
    rename,
    write_bytes,
)

__all__ = [
    "MAX_TEXT_BYTES",
    "UNFINISHED",
    "atomic_path",
    "atomic_write",
    "open_regular",
    "read_bytes",
    "read_text",
    "refusing_full_disk",
    "regular_size",
    "remove_unfinished",
    "rename",
    "write_bytes",
]
