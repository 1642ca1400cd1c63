"""How media files are called in exports, and names that every file system takes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detector.base.names import name_key
from detector.store.file_names import common_prefixes
from detector.store.records import MediaRecord, RepeatRecord
from detector.store.run_file import CardEntry

LONGEST_NAME_BYTES = 80  # of a part of a path: leaves room for suffixes below the 255 of most file systems
# what Windows forbids, what a shell or a path could misread, and what a terminal would obey
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class FileNames:
    """Names of media files as other programs find them, with forward slashes; see `store.file_names`.

    Args:
        cards: Of the store, by id.
    """

    def __init__(self, cards: Mapping[str, CardEntry]) -> None:
        inferred = common_prefixes({card: entry.root for card, entry in cards.items()})
        prefixes = {card: inferred[card] if entry.prefix is None else entry.prefix for card, entry in cards.items()}
        self._prefixes = prefixes | {entry.label: prefixes[card] for card, entry in cards.items() if entry.label}

    def of(self, record: MediaRecord | RepeatRecord) -> str:
        """The name of a media item; no two items of a store share one."""
        return self._prefixes.get(record.card, f"{record.card}/") + record.path


def frame_name(name: str, frame_number: int) -> str:
    """The name of a video's frame, as MegaDetector's tools number extracted frames: VIDEO/frame000123.jpg."""
    return f"{name}/frame{frame_number:06d}.jpg"


def safe_name(text: str) -> str:
    """The text as one part of a path on Windows, macOS and Linux: not empty, not `..`, without separators."""
    name = _FORBIDDEN.sub("_", name_key(text))
    name = name.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore")  # never half a letter
    name = name.strip().rstrip(". ").lstrip(".")  # Windows drops dots and spaces at the end; dots in front hide
    return f"_{name}" if not name or _DEVICES.fullmatch(name) else name
