"""Names on the page: what boxes are called now, and the search over all names that there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detector.species.names.crosswalk import Crosswalk
from detector.species.names.fauna import NO_TAXON, CrosswalkRow, world_birds, world_mammals
from detector.species.names.kinds import Kinds
from detector.species.names.label_words import split_words, taxon_key
from detector.species.names.said_names import named_taxon
from detector.types import Kind

MOST_FOUND = 12


@dataclass(frozen=True)
class BoxName:
    """What boxes are called.

    Attributes:
        kind: What they are.
        name: Scientific or class name; None without one.
        display: What people read.
        rank: Of the taxon.
        english: English name of the taxon.
        hebrew: Hebrew name of the taxon.
    """

    kind: str
    name: str | None
    display: str
    rank: str | None = None
    english: str | None = None
    hebrew: str | None = None

    @property
    def same(self) -> tuple[str, str | None, str]:
        """By which two are the same name."""
        return self.kind, self.name, self.display

    @cached_property
    def key(self) -> str:
        """By which the page asks for it: the same in all tabs, and after decisions were made anew."""
        return hashlib.blake2b("\x1f".join(map(str, self.same)).encode(errors="replace"), digest_size=6).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """As the page takes it."""
        return vars(self) | {"key": self.key}


@dataclass(frozen=True)
class FoundName:
    """A name that a search finds.

    Attributes:
        name: What a review calls it.
        english: English name; "" where there is none.
        hebrew: Hebrew name.
        rank: Of the taxon.
        kind: Bird or animal.
        here: Whether the store's classifier or detector knows it.
    """

    name: str
    english: str
    hebrew: str
    rank: str
    kind: str
    here: bool


class NameSearch:
    """All names of the taxonomy, in all of its languages.

    Args:
        kinds: Of names, with the crosswalk by which the store was decided.
        labels: The classes and categories of the store's models.
    """

    def __init__(self, kinds: Kinds, labels: Iterable[str]) -> None:
        self.kinds = kinds
        self._labels = tuple(labels)

    @property
    def crosswalk(self) -> Crosswalk:
        """The names of taxa."""
        return self.kinds.crosswalk

    def find(self, text: str, most: int = MOST_FOUND) -> list[FoundName]:
        """The taxa of which a name has all words of the text, or begins of words: those that the store knows first."""
        words = split_words(text)
        if not words:
            return []
        whole = taxon_key(text)
        ranked = sorted(
            (_fit(whole, words, names), not found.here, _RANKS.index(found.rank), len(found.name), number)
            for number, (names, found) in enumerate(self._all)
            if all(any(_begins(name, word) for name in names) for word in words)
        )
        return [self._all[number][1] for *_, number in ranked[:most]]

    @cached_property
    def _all(self) -> list[tuple[tuple[str, ...], FoundName]]:
        """Each taxon with its names as they are compared: words in small letters, with a space before each."""
        here = {row.scientific_name: row for row in self._rows_here()}
        found: dict[str, FoundName] = {}
        others: dict[str, list[str]] = {}
        for row, kind, more in self._rows(here):
            if row.rank is None or row.scientific_name in found:
                continue
            known = here.get(row.scientific_name, row)
            found[row.scientific_name] = FoundName(
                row.scientific_name,
                known.english_name or row.english_name,
                known.hebrew_name,
                str(row.rank),
                kind,
                row.scientific_name in here,
            )
            others[row.scientific_name] = [*more, known.class_name, row.english_name]
        return [(_compared([each.name, each.english, each.hebrew, *others[key]]), each) for key, each in found.items()]

    def _rows_here(self) -> Iterator[CrosswalkRow]:
        for label in self._labels:
            row = self.crosswalk.find(label)
            if row is not None and row.rank is not None:
                yield row

    def _rows(self, here: dict[str, CrosswalkRow]) -> Iterator[tuple[CrosswalkRow, str, Iterable[str]]]:
        """Taxa with their kinds and further names, some of them twice: what the store knows comes first."""
        for row in (*here.values(), *self.crosswalk.rows):
            taxon = named_taxon(row.scientific_name, self.kinds) if row.scientific_name not in ("", NO_TAXON) else None
            if taxon is not None:
                yield row, str(self.kinds.of(row.scientific_name)), ()
            for rank in ("genus", "family", "order"):
                if name := getattr(row, rank):
                    yield CrosswalkRow(name, name, **{rank: name}), Kind.BIRD, ()
        for fauna, kind in ((world_birds(), Kind.BIRD), (world_mammals(), Kind.ANIMAL)):
            for row in fauna.species.values():
                yield row, kind, fauna.other_names(row)
            for row in fauna.higher:
                yield row, kind, ()


_RANKS = ("species", "genus", "family", "order", "class")


def _begins(name: str, word: str) -> bool:
    """Whether one of a name's words begins so."""
    return f" {word}" in name


def _compared(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f" {' '.join(words)}" for name in names if (words := split_words(name))))


def _fit(whole: str, words: list[str], names: tuple[str, ...]) -> int:
    """0: a name is the text; 1: one name has all the words; 2: several together have them."""
    if any(name.replace(" ", "") == whole for name in names):
        return 0
    return 1 if any(all(_begins(name, word) for word in words) for name in names) else 2
