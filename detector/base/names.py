"""Names of files, folders and cards: the one form in which they are compared, and how a disk spells them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import overload

from detector.base.objects.address import Address, Place

_FOLDERS_KEPT = 8  # listings of the folders that were asked for last


def name_key(text: str) -> str:
    """The form in which names are compared (NFC): Macs and their disks write `é` as two signs, others as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def same_name(name: str, names: Iterable[str]) -> str | None:
    """The one of some names that a person means, in whatever Unicode form; None: there is none."""
    return next((each for each in names if name_key(each) == name_key(name)), None)


class Spelling:
    """How the paths under a folder are spelled there, whatever the Unicode form in which others give them.

    Case tells names apart where the file system does: another case is the same name only where it opens the same file.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listing = lru_cache(maxsize=_FOLDERS_KEPT)(_Listing.of)

    def of(self, path: str) -> str | None:
        """A path under the root, with forward slashes, as the disk spells it; None: there is no such file or folder."""
        folder, levels = self.root, []
        for level in path.split("/"):
            name = self._listing(folder).spelled(level)
            if name is None:
                return None
            folder = folder / name
            levels.append(name)
        return "/".join(levels)


@overload
def located(root: Path, path: str) -> Path: ...
@overload
def located(root: Place, path: str) -> Place: ...
def located(root: Place, path: str) -> Place:
    """Where a file under a root is, also on a copy on a disk that spells its path in another Unicode form.

    Args:
        root: The folder.
        path: Under it, with forward slashes.
    """
    if isinstance(root, Address):
        return root / path
    file = root / path
    if path.isascii() or os.path.exists(file):
        return file
    return root / (Spelling(root).of(path) or path)


@dataclass(frozen=True, eq=False)
class _Listing:
    folder: Path
    names: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> _Listing:
        try:
            return cls(folder, frozenset(os.listdir(folder)))
        except OSError:  # not there, no folder, or not to be read
            return cls(folder, frozenset())

    @cached_property
    def by_key(self) -> dict[str, str]:
        return {name_key(name): name for name in sorted(self.names)}

    @cached_property
    def by_folded_key(self) -> dict[str, str]:
        return {key.casefold(): name for key, name in self.by_key.items()}

    def spelled(self, name: str) -> str | None:
        if name in self.names:
            return name
        if found := self.by_key.get(name_key(name)):
            return found
        folded = self.by_folded_key.get(name_key(name).casefold())
        # os.path's answers no where the system allows no name so long
        return folded if folded is not None and os.path.exists(self.folder / name) else None
