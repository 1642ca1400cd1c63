"""What a library says to a value of the wrong type."""

from __future__ import annotations

import os
from pathlib import Path

from backbones.errors import ConfigError, HoopoeError

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, of Linux; Windows takes fewer


def expect(
    value: object,
    kinds: type | tuple[type, ...],
    what: str,
    *,
    where: str,
    hint: str,
    error: type[HoopoeError] = ConfigError,
) -> None:
    """Refuse a value of another type than those that are taken.

    Args:
        value: What the user gave.
        kinds: The types that are taken.
        what: What is expected, in words: "a path or a picture".
        where: The argument, or the function.
        hint: What to do.
        error: Which error to raise.

    Raises:
        HoopoeError: It is of another type.
    """
    if not isinstance(value, kinds):
        raise error(f"{what} is expected, not {described(value)}", where=where, hint=hint)


def given_path(value: object, what: str, *, where: str, error: type[HoopoeError] = ConfigError) -> Path:
    """A path as a user gives it, with `~` as the home folder; whether something is there is not looked at.

    Raises:
        HoopoeError: It is none, or none that any system could have.
    """
    expect(value, (str, os.PathLike), what, where=where, hint="give its path, such as 'data/train.json'", error=error)
    text = os.fspath(value)  # type: ignore[call-overload]
    if not isinstance(text, str) or not text or "\0" in text or len(text) > LONGEST_PATH:
        problem = f"{what} is expected, not {text!r:.80}"
        raise error(problem, where=where, hint="give its path, such as 'data/train.json'")
    path = Path(text).expanduser()
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise error("a file's name is longer than any system takes", where=where, hint="check the path")
    return path


def described(value: object) -> str:
    """A value in a few words: None, 'bird.jpg' (str), a list ..."""
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | str):
        return f"{value!r:.80} ({type(value).__name__})"
    return f"{'an' if type(value).__name__[0] in 'AEIOaeio' else 'a'} {type(value).__name__}"
