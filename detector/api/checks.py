"""Arguments of the library, checked at its door."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from backbones.errors import ConfigError
from detector.base.checks import described, given_path
from detector.base.objects.address import is_address

Source = str | os.PathLike[str]


def checked_share(value: object, name: str) -> float:
    """A number in 0..1.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, float | int) or not 0 <= value <= 1:
        raise ConfigError(
            f"a number between 0 and 1 is expected, not {described(value)}", where=name, hint="such as 0.2"
        )
    return float(value)


def checked_whole(value: object, name: str) -> int:
    """A whole number of at least 1.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"a whole number from 1 up is expected, not {described(value)}", where=name, hint="such as 8")
    return value


def checked_path(value: object, name: str, what: str = "a path") -> Path:
    """A path, with `~` as the home folder.

    Raises:
        ConfigError: It is none, or an empty one.
    """
    return given_path(value, what, where=name)


def checked_folder(value: object, name: str) -> Path:
    """The path of a folder to write to, which may not be there yet.

    Raises:
        ConfigError: It is none, or that of a file.
    """
    path = given_path(value, "a folder", where=name)
    if is_address(path):
        hint = "`with detector.store.copies.working_copy(address) as folder:` gives one, as it does to commands"
        raise ConfigError(f"{name} takes a folder on this machine", where=path, hint=hint)
    if path.exists() and not path.is_dir():
        raise ConfigError("this is a file, not a folder", where=path, hint=f"give another {name}")
    return path


def checked_paths(values: object, name: str) -> list[Path]:
    """One path, or several.

    Raises:
        ConfigError: Something is none.
    """
    if isinstance(values, str | os.PathLike):
        return [checked_path(values, name)]
    if not isinstance(values, list | tuple | set | frozenset | Iterator):
        raise ConfigError(
            f"a path or a list of paths is expected, not {described(values)}", where=name, hint="['CARD']"
        )
    paths = [checked_path(value, name) for value in values]
    if not paths:
        raise ConfigError("nothing was given", where=name, hint="give at least one path")
    return paths


def checked_roots(value: object, name: str) -> dict[str, Path]:
    """Where cards are now, by their names.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(value, Mapping) or not all(isinstance(card, str) for card in value):
        problem = f"cards and their folders are expected, not {described(value)}"
        raise ConfigError(problem, where=name, hint='such as {"CARD1": "E:/CARD1"}')
    return {card: checked_path(folder, name) for card, folder in value.items()}


def refuse_unknown(options: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse options that nobody knows, with the nearest that is known.

    Raises:
        ConfigError: There is one.
    """
    names = sorted(known)
    for option in options:
        if option not in names:
            near = difflib.get_close_matches(option, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose among {', '.join(names)}"
            raise ConfigError(f"there is no option '{option}'", where=where, hint=hint)
