"""What a library says to a value of the wrong type."""

from __future__ import annotations

from backbones.errors import ConfigError, HoopoeError


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


def described(value: object) -> str:
    """A value in a few words: None, 'bird.jpg' (str), a list ..."""
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | str):
        return f"{value!r:.80} ({type(value).__name__})"
    return f"{'an' if type(value).__name__[0] in 'AEIOaeio' else 'a'} {type(value).__name__}"
