"""The world's birds and mammals by all their names: of species and subspecies, genera, families and orders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from detector.species.names.label_words import (
    cores,
    meaningful,
    shipped_table,
    singulars,
    split_words,
    taxon_key,
    word_kinds,
)
from detector.types import Kind

NO_TAXON = "-"  # as scientific_name: the class is no taxon, such as "Unknown"
BIRDS, MAMMALS = "Aves", "Mammalia"
_OPEN = re.compile(r"/|\u00d7|\b(?:cf|aff|x)\b", re.IGNORECASE)  # names that leave the species open, or are of two


@dataclass(frozen=True)
class CrosswalkRow:
    """A class and its taxon; "" where something is not known.

    Attributes:
        class_name: As the classifier or detector calls it.
        scientific_name: Binomial; a genus, family, order or "Aves" alone for a class of that rank; "-" for a class that
            is no taxon.
        english_name: eBird's, where it has the taxon.
        hebrew_name: Hebrew name.
        ebird_code: eBird's species code.
        genus: Its genus.
        family: Its family, scientific.
        order: Its order, scientific.
    """

    class_name: str
    scientific_name: str = ""
    english_name: str = ""
    hebrew_name: str = ""
    ebird_code: str = ""
    genus: str = ""
    family: str = ""
    order: str = ""

    @property
    def rank(self) -> str | None:
        """species, genus, family, order or class; None for what is no taxon, or not known to be one."""
        if self.scientific_name in ("", NO_TAXON):
            return None
        if self.scientific_name in (BIRDS, MAMMALS):
            return "class"
        higher = (("genus", self.genus), ("family", self.family), ("order", self.order))
        return next((rank for rank, name in higher if name == self.scientific_name), "species")


class Fauna:
    """The species of a class.

    Args:
        root: The class: "Aves".
        rows: Its species; `class_name` is not read.
        others: Further names of each species.
        genera: Family and order by genus.
    """

    def __init__(
        self,
        root: str,
        rows: Iterable[CrosswalkRow],
        others: Mapping[str, Iterable[str]],
        genera: Mapping[str, tuple[str, str]],
    ) -> None:
        self.root = root
        self.genera = genera
        self.species = {taxon_key(row.scientific_name): row for row in rows}
        self._others = others
        self._higher = {taxon_key(root): CrosswalkRow(root, root)}
        for genus, (family, order) in genera.items():
            self._higher.setdefault(taxon_key(order), CrosswalkRow(order, order, order=order))
            self._higher.setdefault(taxon_key(family), CrosswalkRow(family, family, family=family, order=order))
            self._higher[taxon_key(genus)] = CrosswalkRow(genus, genus, genus=genus, family=family, order=order)

    def find(self, name: str) -> CrosswalkRow | None:
        """The taxon of a name.

        A subspecies is its species; "Oenanthe sp.", "Oenanthe cf. deserti" and "Oenanthe deserti/isabellina" are their
        genus; "raptor" is Aves.
        """
        key = taxon_key(name)
        row = self._of_key(key) or self._coded.get(key)
        if row is not None:
            return row
        words = split_words(name)
        if words and _OPEN.search(name):
            row = self._higher.get(words[0])
            return row if row is not None and row.rank == "genus" else None
        row = next((row for core in cores(words) if (row := self._of_key(core))), None)
        words = meaningful(words)
        if row is None and len(words) > 2:
            row = self.species.get(words[0] + words[1])  # Motacilla alba alba; Upupa epops Linnaeus
        if row is None and any(word in self._general for word in singulars("".join(words))):
            row = self._higher[taxon_key(self.root)]
        return row

    def _of_key(self, key: str) -> CrosswalkRow | None:
        row = self.species.get(key) or self._english.get(key) or self._higher.get(key)
        return row or next((self._higher[word] for word in _informal(key) if word in self._higher), None)

    def find_group(self, name: str) -> tuple[str, CrosswalkRow] | None:
        """The word and the lowest taxon of all species that are called so: of "gulls", gull and Laridae."""
        key = "".join(meaningful(split_words(name)))
        return next(((word, self.groups[word]) for word in singulars(key) if word in self.groups), None)

    def has(self, name: str) -> bool:
        """Whether a taxon of any rank is listed by this scientific name, or as "accipitrid"."""
        key = taxon_key(name)
        return key in self.species or any(word in self._higher for word in (key, *_informal(key)))

    @cached_property
    def _english(self) -> dict[str, CrosswalkRow]:
        """Species by English names; of several species the one whose first name it is."""
        names: dict[str, CrosswalkRow] = {}
        for row in self.species.values():
            names.setdefault(taxon_key(row.english_name), row)
        for row in self.species.values():
            for name in self._others.get(row.scientific_name, ()):
                names.setdefault(taxon_key(name), row)
        names.pop("", None)
        return names

    @cached_property
    def _coded(self) -> dict[str, CrosswalkRow]:
        """Species by eBird's code, where that is no other word: "mouwhe1"; "hoopoe", but not "canvas" (Canvasback)."""
        rows = ((row.ebird_code, row) for row in self.species.values() if row.ebird_code)
        return {code: row for code, row in rows if any(map(str.isdigit, code)) or code in split_words(row.english_name)}

    @property
    def names(self) -> Iterable[str]:
        """Scientific and English names of all species."""
        for row in self.species.values():
            yield row.scientific_name
            yield from (name for name in (row.english_name, *self._others.get(row.scientific_name, ())) if name)

    @property
    def higher(self) -> Iterable[CrosswalkRow]:
        """Its genera, families, orders, and itself."""
        return self._higher.values()

    def other_names(self, row: CrosswalkRow) -> Iterable[str]:
        """Further English names of a species."""
        return self._others.get(row.scientific_name, ())

    @cached_property
    def groups(self) -> dict[str, CrosswalkRow]:
        """By the words that English names end with, the lowest taxon that has all species of that word."""
        members: dict[str, list[CrosswalkRow]] = {}
        for row in self.species.values():
            for name in (row.english_name, *self._others.get(row.scientific_name, ())):
                last = name.rpartition(" ")[2]
                for word in {taxon_key(last), taxon_key(last.rpartition("-")[2])}:
                    members.setdefault(word, []).append(row)
        members.pop("", None)
        listed = word_kinds()
        animals = (None, Kind.BIRD, Kind.ANIMAL)
        return {word: self._lowest(rows) for word, rows in members.items() if listed.get(word) in animals}

    @cached_property
    def _general(self) -> set[str]:
        """Words for any bird: bird, raptor, songbird."""
        if self.root != BIRDS:
            return set()
        return {"bird", *(word for word, kind in word_kinds().items() if kind == Kind.BIRD and word not in self.groups)}

    def _lowest(self, rows: list[CrosswalkRow]) -> CrosswalkRow:
        for rank in ("genus", "family", "order"):
            taxa = {getattr(row, rank) for row in rows}
            if len(taxa) == 1:
                return self._higher[taxon_key(taxa.pop())]
        return self._higher[taxon_key(self.root)]


def _informal(word: str) -> tuple[str, ...]:
    """The families and orders of "accipitrid", "felids", "galliform"."""
    word = word.removesuffix("s")
    return (f"{word}ae",) if word.endswith("id") else (f"{word}es",) if word.endswith("form") else ()


@cache
def world_birds() -> Fauna:
    """The birds of the world; tables/README.md says whose list it is."""
    return _fauna(BIRDS, "world_birds.csv")


@cache
def world_mammals() -> Fauna:
    """The mammals of the world."""
    return _fauna(MAMMALS, "mammals.csv")


def _fauna(root: str, file: str) -> Fauna:
    genera = _genera(root)
    rows, others = [], {}
    for each in shipped_table(file):
        name, code = each["scientific_name"], each.get("ebird_code", "")
        genus = name.partition(" ")[0]
        rows.append(CrosswalkRow(name, name, each["english_name"], "", code, genus, *genera[genus]))
        if each["other_names"]:
            others[name] = each["other_names"].split("|")
    return Fauna(root, rows, others, genera)


@cache
def _genera(root: str) -> dict[str, tuple[str, str]]:
    table = shipped_table("genera.csv")
    return {each["genus"]: (each["family"], each["order"]) for each in table if each["class"] == root}


def bird_genera() -> dict[str, tuple[str, str]]:
    """Family and order of every genus of birds."""
    return _genera(BIRDS)
