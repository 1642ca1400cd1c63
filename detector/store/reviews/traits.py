"""Sex and life stage in the words of people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detector.base.names import name_key
from detector.base.tables.reader import as_integer

MOST_AT_ONCE = 100_000  # individuals; more is a slip of the keyboard
_UNKNOWN = ("", "unknown", "unidentified", "undetermined", "indet", "n/a", "na", "-", "?", "none", "both", "mixed")
_SEXES = {
    **dict.fromkeys(("female", "females", "f", "♀", "hen"), "female"),
    **dict.fromkeys(("male", "males", "m", "♂", "cock"), "male"),
}
_LIFE_STAGES = {
    **dict.fromkeys(("adult", "adults", "ad", "ad."), "adult"),
    **dict.fromkeys(("subadult", "sub-adult", "immature", "imm", "imm.", "subad"), "subadult"),
    **dict.fromkeys(("juvenile", "juveniles", "juv", "juv.", "chick", "nestling", "fledgling", "young"), "juvenile"),
}


def sex_of(text: str | None) -> str | None:
    """Female or male; None where it says that nobody knows.

    Raises:
        ValueError: It says something else.
    """
    return _known(text, _SEXES, "sex", "female or male")


def life_stage_of(text: str | None) -> str | None:
    """Adult, subadult or juvenile; None where it says that nobody knows.

    Raises:
        ValueError: It says something else.
    """
    return _known(text, _LIFE_STAGES, "life stage", "adult, subadult or juvenile")


@dataclass(frozen=True)
class Traits:
    """Sex, life stage and number, as far as they were said."""

    sex: str | None = None
    life_stage: str | None = None
    count: int | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in vars(self).values())

    def beside(self, sex: str | None, life_stage: str | None, count: int | None) -> Traits:
        """What of it differs from these."""
        pairs = {"sex": sex, "life_stage": life_stage, "count": count}
        return Traits(
            **{name: None if getattr(self, name) == known else getattr(self, name) for name, known in pairs.items()}
        )


NO_TRAITS = Traits()


def traits_of(sex: str | None, life_stage: str | None, count: str | None) -> tuple[Traits, tuple[str, ...]]:
    """The traits that cells tell, and what is wrong with those that cannot be taken; a count of 0 tells nothing."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name, read, text in (
        ("sex", sex_of, sex),
        ("life_stage", life_stage_of, life_stage),
        ("count", count_of, count),
    ):
        try:
            found[name] = read(text)
        except ValueError as error:
            problems.append(str(error))
    return Traits(**found), tuple(problems)


def count_of(text: str | None) -> int | None:
    """A number of individuals; None where there is none, or 0.

    Raises:
        ValueError: It is no whole number.
    """
    if not text or not text.strip():
        return None
    number = as_integer(text.strip())
    if number is None or not 0 <= number <= MOST_AT_ONCE:
        raise ValueError(f"count '{text[:40]}' is no whole number to {MOST_AT_ONCE:,}")
    return number or None


def _known(text: str | None, words: dict[str, str], what: str, those: str) -> str | None:
    key = name_key(text or "").strip().casefold()
    if key in _UNKNOWN:
        return None
    if key not in words:
        raise ValueError(f"{what} '{text}' is not known: write {those}")
    return words[key]
