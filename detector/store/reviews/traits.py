"""Sex and life stage in the words of people and programs."""

from __future__ import annotations

from detector.base.names import name_key

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


def _known(text: str | None, words: dict[str, str], what: str, those: str) -> str | None:
    key = name_key(text or "").strip().casefold()
    if key in _UNKNOWN:
        return None
    if key not in words:
        raise ValueError(f"{what} '{text}' is not known: write {those}")
    return words[key]
