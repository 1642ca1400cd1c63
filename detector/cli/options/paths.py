"""What an option wants of the path that it takes, said before any work begins."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import ConfigError


@dataclass(frozen=True)
class PathOf:
    """Turns a word into a path, as argparse's `type`; `check` refuses what is of another kind.

    Args:
        what: What is there, such as "the pictures".
        folder: Whether that is a folder; None: a folder or a file.
        written: It is written, and need not be there yet.
        such_as: A name that would do.
    """

    what: str
    folder: bool | None
    written: bool = False
    such_as: str | None = None

    def __call__(self, word: str) -> Path:
        """The path, whatever is there."""
        return Path(word)

    def check(self, option: str, path: Path) -> None:
        """Look whether that kind of thing is there.

        Raises:
            ConfigError: It is not.
        """
        kind = {None: "folder or file", True: "folder", False: "file"}[self.folder]
        example = "" if self.such_as is None else f", such as {self.such_as}"
        wanted = f"{option} takes the {kind} of {self.what}{example}"
        if path.is_dir() and self.folder is False:
            raise ConfigError("this is a folder, not a file", where=path, hint=wanted)
        if path.is_file() and self.folder is True:
            raise ConfigError("this is a file, not a folder", where=path, hint=wanted)
        if not self.written and not path.exists():
            raise ConfigError(f"there is no such {kind}", where=path, hint=wanted)


def file_of(what: str, such_as: str | None = None) -> PathOf:
    """A file that is read."""
    return PathOf(what, folder=False, such_as=such_as)


def folder_of(what: str) -> PathOf:
    """A folder that is read."""
    return PathOf(what, folder=True)


def new_file_of(what: str, such_as: str | None = None) -> PathOf:
    """A file that is written."""
    return PathOf(what, folder=False, written=True, such_as=such_as)


def new_folder_of(what: str) -> PathOf:
    """A folder that is written to."""
    return PathOf(what, folder=True, written=True)


def each_of(what: str) -> PathOf:
    """A file or a folder that is read, and costs no other if it cannot be."""
    return PathOf(what, folder=None, written=True)


def any_of(what: str) -> PathOf:
    """A file or a folder that is read."""
    return PathOf(what, folder=None)


def check_paths(actions: Iterable[argparse.Action], args: argparse.Namespace) -> None:
    """Look at the paths of all options that were given.

    Raises:
        ConfigError: One is not of the kind that its option takes.
    """
    for action in actions:
        if not isinstance(action.type, PathOf):
            continue
        value = getattr(args, action.dest, None)
        option = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                action.type.check(option, path)
