"""The names that pictures have in their folder, where a file of boxes writes them in another way."""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from detector.base.names import Spelling, name_key
from detector.base.pictures import pictures_in


class FolderNames:
    """The names of pictures in a folder, by those that a file of boxes has for them.

    Args:
        folder: The image folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spelling = Spelling(folder)

    def of(self, name: str) -> str:
        """A name (forward slashes) as the folder has it: in another Unicode form, or `%20` for a blank.

        A name that is there as it is, or in no other way, stays.
        """
        if os.path.exists(self._folder / name):
            return name
        return self._spelling.of(name) or ("%" in name and self._spelling.of(unquote(name))) or name

    def is_encoded(self, name: str) -> bool:
        """Whether a picture is there by the name that an address would encode so, and not by this one."""
        return "%" in name and name_key(self.of(name)) != name_key(name)

    def like(self, name: str) -> str | None:
        """The one picture, at any depth, whose file has this name but for its folders and capitals; None: not one."""
        return self._by_last.get(_last(name))

    @cached_property
    def _by_last(self) -> dict[str, str]:
        names = [path.relative_to(self._folder).as_posix() for path in pictures_in(self._folder)]
        counts = Counter(map(_last, names))
        return {_last(name): name for name in names if counts[_last(name)] == 1}


def _last(name: str) -> str:
    return name_key(unquote(name).replace("\\", "/").rpartition("/")[2]).casefold()
