"""The words of labels and names: how they are told apart, compared, and what single words say about a kind."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

TABLES = Path(__file__).with_name("tables")
LINEAGE_SEMICOLONS = 3  # and more; fewer divide a list
IGNORED = "ignored"  # the kind of words in kinds.csv that say nothing of it: sp., juvenile, flying

_UNCOMBINED = str.maketrans({"ø": "o", "œ": "oe", "æ": "ae", "ł": "l", "đ": "d", "ı": "i"})
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_IRREGULAR = {"mice": "mouse", "geese": "goose", "oxen": "ox", "lice": "louse", "men": "man", "women": "woman"}


def taxon_key(name: str) -> str:
    """What names are compared by: letters and digits, without case, accents, hyphens, underscores and spaces.

    "gray" is "grey" and "colored" is "coloured", as in the two Englishes.
    """
    if name.isascii():
        key = _NOT_LETTERS.sub("", name.lower())
    else:
        apart = unicodedata.normalize("NFKD", name.casefold().translate(_UNCOMBINED))
        key = "".join(letter for letter in apart if letter.isalnum())
    return key.replace("gray", "grey").replace("colored", "coloured")


def lineage(label: str) -> list[str]:
    """Names of a lineage from the lowest up: of SpeciesNet's "id;class;order;family;genus;species;common name".

    Empty where the label is none: fewer than three semicolons divide a list.
    """
    parts = [part.strip() for part in label.split(";")]
    if len(parts) <= LINEAGE_SEMICOLONS:
        return []
    pairs = [f"{parts[-3]} {parts[-2]}"] * bool(parts[-2]) + [f"{parts[-2]} {parts[-1]}"] * bool(parts[-2])
    return [*pairs, *filter(None, reversed(parts))]


def split_words(text: str) -> list[str]:
    """The words of a label, without case, accents, numbers and what stands in brackets: "001.Black_Bear (adult)"."""
    spaced = _CAMEL.sub(" ", _ASIDE.sub(" ", text).replace("'", "").replace("\u2019", ""))
    words = (taxon_key(word) for word in _WORD.findall(unicodedata.normalize("NFC", spaced)))
    return [word for word in words if word and not word.isdigit()]


def is_negation(label: str) -> bool:
    """Whether a label says only what a thing is not: "not_a_bird", "non-target", "no animal"."""
    return split_words(label)[:1] in (["not"], ["non"], ["no"])


def singulars(word: str) -> Iterator[str]:
    """A word, and what it may be the plural of."""
    yield word
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        if word.endswith("ies"):
            yield word[:-3] + "y"
        if word.endswith("ves"):
            yield from (word[:-3] + "f", word[:-3] + "fe")
        if word.endswith("es"):
            yield word[:-2]
        yield word[:-1]


def shipped_table(name: str) -> Iterator[dict[str, str]]:
    """Rows of a table that comes with Hoopoe, which needs none of the checks of a user's (`base.tables`)."""
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def word_kinds() -> dict[str, str]:
    """The kind that words and phrases alone stand for, by `taxon_key`: tables/kinds.csv."""
    return {taxon_key(row["words"]): row["kind"] for row in shipped_table("kinds.csv")}


def says_nothing(word: str) -> bool:
    """Whether a word says nothing of what it is: unidentified, sp., juvenile."""
    return word_kinds().get(word) == IGNORED or word in _UNNAMED


def meaningful(words: Sequence[str]) -> list[str]:
    """Words (of `split_words`) without those that say nothing of what it is."""
    return [word for word in words if not says_nothing(word)]


def cores(words: Sequence[str]) -> Iterator[str]:
    """Keys of the name in words: all of them, then fewer and fewer of those that say nothing at its end and beginning.

    So "little" is taken off "little owl" last: "adult little owl sp." is a little owl before it is any owl.
    """
    start, end = 0, len(words)
    yield "".join(words)
    while end > start and says_nothing(words[end - 1]):
        end -= 1
        yield "".join(words[start:end])
    while start < end and says_nothing(words[start]):
        start += 1
        yield "".join(words[start:end])
    if not {"cf", "aff"} & set(words):  # Oenanthe cf. deserti is another than Oenanthe deserti
        yield "".join(meaningful(words))


_UNNAMED = {"unknown", "unidentified", "undetermined", "unclassified", "unsure", "uncertain", "other", "others"}
