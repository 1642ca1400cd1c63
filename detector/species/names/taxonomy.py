"""The taxa of a classifier's classes, from species up to order, and sums of probabilities over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.species.names.crosswalk import Crosswalk, shipped_crosswalk
from detector.species.names.fauna import NO_TAXON, CrosswalkRow, world_birds
from detector.species.names.kinds import Kinds
from detector.species.names.label_words import taxon_key
from detector.types import Kind, TaxonName

Rank = Literal["species", "genus", "family", "order", "class"]
FEW_CLASSES = 16  # beyond the first of their taxon, which are added one by one; more, and numpy's reduceat is quicker
RANKS: tuple[Rank, ...] = ("species", "genus", "family", "order")


ANY_BIRD = TaxonName("Aves", "class", "bird", None, None, "unidentified bird")


@dataclass(frozen=True, eq=False)
class Level:
    """The taxa of one rank.

    Attributes:
        rank: Which.
        taxa: The taxa, in the order in which the classes name them.
        taxon_of_class: int64 (C,), index into `taxa`, or -1 for a class that has none of this rank.
    """

    rank: Rank
    taxa: tuple[TaxonName, ...]
    taxon_of_class: NDArray[np.int64]

    def sums(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """Probabilities (N, C) of classes, summed to (N, taxa)."""
        if not self.taxa:
            return np.zeros((len(probabilities), 0), probabilities.dtype)
        order = np.argsort(self.taxon_of_class, kind="stable")
        order = order[self.taxon_of_class[order] >= 0]  # members side by side
        taxa = self.taxon_of_class[order]
        starts = np.searchsorted(taxa, np.arange(len(self.taxa)))
        further = np.setdiff1d(np.arange(len(order)), starts)
        if len(further) > FEW_CLASSES:
            return np.add.reduceat(probabilities[:, order], starts, axis=1)
        sums = probabilities[:, order[starts]]
        for place in further:
            sums[:, taxa[place]] += probabilities[:, order[place]]
        return sums


class Taxonomy:
    """The classes of a classifier, and what they are.

    Attributes:
        kinds: Of names.
        class_names: The classes (C,), in the order of the logits.
        class_kinds: What each is; see `species.kinds`.
        scientific_names: Of each class; None where it is not known, or the class is no species.
        levels: Species, genus, family, order.
        taxa: All names that can be given: the taxa of the levels, one after the other, and Aves as the last.
        named: bool (C,), False for classes that are no birds, such as "Unknown" or "Red fox": they name nothing.
        unlisted: Birds of which the crosswalk knows nothing else; they count as species of unknown relations.
        undecided: Classes of which nobody knows what they are.

    Args:
        class_names: See above.
        crosswalk: By default the shipped one.
        kinds: By default those of the crosswalk.
    """

    def __init__(
        self, class_names: Sequence[str], crosswalk: Crosswalk | None = None, kinds: Kinds | None = None
    ) -> None:
        self.crosswalk = crosswalk or shipped_crosswalk()
        self.kinds = kinds or Kinds(self.crosswalk)
        self.class_names = tuple(class_names)
        self.class_kinds = tuple(map(self.kinds.of, class_names))
        self.named = np.array([kind == Kind.BIRD for kind in self.class_kinds], bool)
        found = [self.crosswalk.find(name) for name in class_names]
        birds = list(zip(class_names, self.named.tolist(), found, strict=True))
        rows = [(row or _unlisted(name)) if bird else CrosswalkRow(name, NO_TAXON) for name, bird, row in birds]
        self.unlisted = tuple(name for name, bird, row in birds if bird and row is None)
        self.undecided = tuple(
            name for (name, _, row), kind in zip(birds, self.class_kinds, strict=True)
            if kind == Kind.UNDECIDED and row is None
        )  # fmt: skip
        self.levels = tuple(_level(rank, rows) for rank in RANKS)
        self.taxa = (*(taxon for level in self.levels for taxon in level.taxa), ANY_BIRD)
        self.scientific_names = tuple(
            row.scientific_name if row.scientific_name and _taxon_name(row, "species") else None for row in rows
        )

    @property
    def species(self) -> Level:
        """The first of `levels`."""
        return self.levels[0]

    def find_species(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Indices into the species (L,) of other names, such as a detector's categories; -1 where there is none.

        Names join by scientific name through the crosswalk; those it does not know must equal a class's.
        """
        index = {taxon_key(taxon.name or ""): position for position, taxon in enumerate(self.species.taxa)}
        rows = [self.crosswalk.find(name) or CrosswalkRow(name) for name in names]
        return np.array([index.get(taxon_key(_taxon_name(row, "species") or ""), -1) for row in rows], np.int64)


def _unlisted(name: str) -> CrosswalkRow:
    """The row of a bird that no list has by this name: a "robin" may be any of many, but is one of Passeriformes."""
    group = world_birds().find_group(name)
    return CrosswalkRow(name) if group is None else replace(group[1], class_name=name, scientific_name="")


def _taxon_name(row: CrosswalkRow, rank: Rank) -> str:
    """The name of a class's taxon of a rank, or ""."""
    if row.scientific_name == NO_TAXON:
        return ""
    if rank != "species":
        return {"genus": row.genus, "family": row.family, "order": row.order}[rank]
    return (row.scientific_name or row.class_name) if row.rank in (None, "species") else ""


def _level(rank: Rank, rows: Sequence[CrosswalkRow]) -> Level:
    members: dict[str, list[CrosswalkRow]] = {}
    for row in rows:
        if name := _taxon_name(row, rank):
            members.setdefault(taxon_key(name), []).append(row)
    position = {key: index for index, key in enumerate(members)}
    of_class = [position.get(taxon_key(_taxon_name(row, rank)), -1) for row in rows]
    make = _species if rank == "species" else _higher_taxon
    return Level(rank, tuple(make(rank, each) for each in members.values()), np.array(of_class, np.int64))


def _species(rank: Rank, rows: list[CrosswalkRow]) -> TaxonName:
    row = rows[0]
    name, known = _taxon_name(row, rank), rank if row.scientific_name else None
    return TaxonName(
        name, known, row.english_name or None, row.hebrew_name or None, row.ebird_code or None, row.english_name or name
    )


def _higher_taxon(rank: Rank, rows: list[CrosswalkRow]) -> TaxonName:
    return higher_taxon(_taxon_name(rows[0], rank), rank, [row.english_name for row in rows if row.english_name])


def higher_taxon(name: str, rank: str, english_names: Sequence[str], kind: Kind = Kind.BIRD) -> TaxonName:
    """A genus, family, order or class.

    Args:
        name: Scientific name.
        rank: Its rank.
        english_names: Of its species, or of those that are meant.
        kind: Of its species.
    """
    if name == ANY_BIRD.name:
        return ANY_BIRD
    word = shared_word(english_names)
    said = f"{name} sp." if rank == "genus" else name
    return TaxonName(name, rank, word, None, None, f"unidentified {word or kind} ({said})")


def shared_word(english_names: Sequence[str]) -> str | None:
    """The word that more than half of the names end with: "wheatear"; of "golden-plover", also "plover"."""
    endings = Counter[str]()
    for name in english_names:
        last = name.split()[-1].lower()
        endings.update({last, last.rpartition("-")[2]})
    common = [word for word, count in endings.items() if 2 * count > len(english_names)]
    return max(common, key=lambda word: (endings[word], len(word)), default=None)
