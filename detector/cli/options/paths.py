"""What an option wants of the path that it takes, said before any work begins."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import ConfigError, HoopoeError
from detector.base.objects.address import Address, Place, place_of
from detector.base.objects.service import filesystem


@dataclass(frozen=True)
class PathOf:
    """Turns a word into a path, as argparse's `type`; `check` refuses what is of another kind.

    Args:
        what: What is there, such as "the pictures".
        folder: Whether that is a folder; None: a folder or a file.
        written: It is written, and need not be there yet.
        such_as: A name that would do.
        objects: Whether an address such as s3://bucket/folder does, too.
        store: Whether it is a store, of which a copy is worked on where it is an address.
    """

    what: str
    folder: bool | None
    written: bool = False
    such_as: str | None = None
    objects: bool = False
    store: bool = False

    def __call__(self, word: str) -> Place:
        """The path or address, whatever is there."""
        return place_of(word)

    def check(self, option: str, path: Place) -> None:
        """Look whether that kind of thing is there; of an address, whether one can be given.

        Raises:
            ConfigError: It is not.
        """
        if isinstance(path, Address):
            if not self.objects:
                hint = "copy what is there to this machine, and give the copy's path"
                raise ConfigError(f"{option} takes no address here, only a path on this machine", where=path, hint=hint)
            filesystem(path.protocol)  # says which package is missing
            return
        kind = {None: "folder or file", True: "folder", False: "file"}[self.folder]
        example = "" if self.such_as is None else f", such as {self.such_as}"
        wanted = f"{option} takes the {kind} of {self.what}{example}"
        if path.is_dir() and self.folder is False:
            raise ConfigError("this is a folder, not a file", where=path, hint=wanted)
        if path.is_file() and self.folder is True:
            raise ConfigError("this is a file, not a folder", where=path, hint=wanted)
        if not self.written and not path.exists():
            raise ConfigError(f"there is no such {kind}", where=path, hint=wanted)


def file_of(what: str, such_as: str | None = None, *, objects: bool = False) -> PathOf:
    """A file that is read."""
    return PathOf(what, folder=False, such_as=such_as, objects=objects)


def folder_of(what: str, *, objects: bool = False) -> PathOf:
    """A folder that is read."""
    return PathOf(what, folder=True, objects=objects)


def store_of(what: str, *, written: bool = False) -> PathOf:
    """A store, or, if it is written, where one will be; among objects too."""
    return PathOf(what, folder=True, written=written, objects=True, store=True)


def new_file_of(what: str, such_as: str | None = None) -> PathOf:
    """A file that is written."""
    return PathOf(what, folder=False, written=True, such_as=such_as)


def new_folder_of(what: str) -> PathOf:
    """A folder that is written to."""
    return PathOf(what, folder=True, written=True)


def each_of(what: str) -> PathOf:
    """A file or a folder that is read, and costs no other if it cannot be."""
    return PathOf(what, folder=None, written=True)


def any_of(what: str, *, objects: bool = False) -> PathOf:
    """A file or a folder that is read."""
    return PathOf(what, folder=None, objects=objects)


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
            if isinstance(path, Path | Address):
                action.type.check(option, path)


@contextlib.contextmanager
def list_given(word: str | None) -> Iterator[Place | None]:
    """The list of files that a word names; `-` is what comes on stdin, a line a file."""
    if word != "-":
        yield None if word is None else place_of(word)
        return
    with tempfile.TemporaryDirectory(prefix="hoopoe-") as folder:
        path = Path(folder) / "stdin.txt"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


@contextlib.contextmanager
def stores_at_hand(actions: Iterable[argparse.Action], args: argparse.Namespace, pictures: bool) -> Iterator[None]:
    """Have stores among objects as folders while a command runs; they are put back afterwards.

    Args:
        actions: The command's options.
        args: Their values; addresses of stores in them become folders.
        pictures: Whether the command may change pictures that were exported.
    """
    from detector.store.copies import shown, working_copy

    with contextlib.ExitStack() as stack:
        for action in actions:
            value = getattr(args, action.dest, None)
            if isinstance(action.type, PathOf) and action.type.store and isinstance(value, Address):
                setattr(args, action.dest, stack.enter_context(working_copy(value, pictures=pictures)))
        try:
            yield
        except HoopoeError as error:  # a folder that is gone in a moment tells nobody anything
            error.args = (shown(error.args[0]),)
            error.problem, error.where = shown(error.problem), error.where and shown(error.where)
            error.hint = error.hint and shown(error.hint)
            raise
