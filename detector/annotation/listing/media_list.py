"""The media items of a run's cards, walked once, so that none that goes away is missed or called damaged."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from backbones.errors import MediaError
from detector.base.objects.address import Address, Place
from detector.base.objects.errors import AccessError, ObjectMissingError
from detector.base.objects.service import read_object
from detector.footage.discovery import media_type
from detector.store.presence import is_there
from detector.types import MediaItem

MOST_LOST = 20  # files that went away one by one; more of them are a card or a network drive that is going
_MEMORY_BYTES = 16 << 20  # a list that is longer waits on the disk
_NAMED = 5
HINT = "put the card in, or the network drive back: the same command goes on from here"


class MediaList:
    """Media items in the order in which they were added, in flat memory.

    Args:
        roots: Card id to its folder.
    """

    def __init__(self, roots: Mapping[str, Place]) -> None:
        self.roots = roots
        self._count = 0
        self._list = tempfile.SpooledTemporaryFile(_MEMORY_BYTES, "w+", encoding="utf-8")  # noqa: SIM115, ends with self
        self.lost: list[str] = []  # files that `has_lost` found gone

    def add(self, item: MediaItem) -> None:
        """Add an item."""
        modified = None if item.modified_at is None else item.modified_at.isoformat()
        print(json.dumps([item.card, item.path, item.size_bytes, modified]), file=self._list)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[MediaItem]:
        """The items; one pass at a time."""
        self._list.seek(0)
        for line in self._list:
            card, path, size, modified = json.loads(line)
            modified_at = None if modified is None else datetime.fromisoformat(modified)
            file = self.roots[card] / path
            yield MediaItem(card, path, media_type(path) or "photo", size, file, modified_at)

    def has_lost(self, card: str, path: str, finished: Collection[str]) -> bool:
        """Whether a file of which something could not be read is there no longer, and so cannot be judged.

        Args:
            card: Its card.
            path: Under the card's root.
            finished: Ids of the items that are done, for the message.

        Raises:
            MediaError: With it its folder or many others are gone; says which of those that were counted.
        """
        file = self.roots[card] / path
        if isinstance(file, Address):
            return self._is_denied(file)
        if is_there(file):
            return False
        self.lost.append(f"{card}/{path}")
        if len(self.lost) > MOST_LOST or not _names_in(file.parent):
            raise self._gone(finished)
        return True

    def _is_denied(self, address: Address) -> bool:
        """Whether an object may not be had, so that it cannot be judged; one that is gone is judged: it is missing."""
        try:
            read_object(address, 0, 1)  # it may be listed, and yet not be read
        except ObjectMissingError:
            return False
        except AccessError:
            self.lost.append(str(address))
            if len(self.lost) > MOST_LOST:
                raise
            return True
        return False

    def _gone(self, finished: Collection[str]) -> MediaError:
        names_in = lru_cache(maxsize=8)(_names_in)
        gone: Counter[str] = Counter()
        names: dict[str, str] = {}
        for item in self:
            if isinstance(item.file, Address):
                continue
            if item.media_id not in finished and item.file.name not in names_in(item.file.parent):
                folder = str(item.file.parent)
                gone[folder] += 1
                names.setdefault(folder, item.file.name)
        folders = [f"{folder} ({count}: {names[folder]} ...)" for folder, count in gone.most_common(_NAMED)]
        more = f" and {len(gone) - _NAMED} more folders" if len(gone) > _NAMED else ""
        problem = f"{gone.total()} of the {len(self)} files that were counted are gone: {', '.join(folders)}{more}"
        where = next((root for root in self.roots.values() if isinstance(root, Path) and not _names_in(root)), None)
        return MediaError(problem, where=where, hint=f"{HINT}; nothing was recorded of these files")


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()
