"""Names that people write: what taxon is meant, and whether it is a name at all."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property

from detector.species.names.fauna import NO_TAXON, CrosswalkRow, world_birds, world_mammals
from detector.species.names.kinds import Kinds
from detector.species.names.label_words import meaningful, split_words, taxon_key
from detector.species.names.taxonomy import higher_taxon
from detector.types import Kind, TaxonName

_CLOSE, _VERY_CLOSE = 0.8, 0.9  # of difflib's ratio
_MOST = 3  # names offered


def named_taxon(text: str, kinds: Kinds) -> TaxonName | None:
    """The taxon that a name means: a bird's of any rank, or a mammal's; None for people, things, and unknown words.

    Args:
        text: A scientific, English, Hebrew or class name: "Oenanthe sp.", "gulls", "Motacilla alba alba", "coyote".
        kinds: Of names.
    """
    kind = kinds.of(text)
    if kind not in (Kind.BIRD, Kind.ANIMAL):
        return None
    row = kinds.crosswalk.find(text)
    if kind == Kind.ANIMAL:
        row = row if row is not None and row.scientific_name != NO_TAXON else world_mammals().find(text)
        if row is None or row.rank in (None, "class"):
            return None
    if row is None or row.rank is None:
        group = world_birds().find_group(text)
        if group is None:
            return TaxonName.unlisted(text)
        word, row = group
        return higher_taxon(row.scientific_name, str(row.rank), [word])
    if row.rank != "species":
        return _higher(row, kind)
    english = row.english_name or None
    return TaxonName(
        row.scientific_name, "species", english, row.hebrew_name or None, row.ebird_code or None,
        english or row.scientific_name,
    )  # fmt: skip


def _higher(row: CrosswalkRow, kind: Kind) -> TaxonName:
    """A genus, family, order or class, by the word that most of its species share."""
    rank = str(row.rank)
    species = (world_birds() if kind == Kind.BIRD else world_mammals()).species.values()
    members = [each.english_name for each in species if rank != "class" and getattr(each, rank) == row.scientific_name]
    return higher_taxon(row.scientific_name, rank, list(filter(None, members)), kind)


class NameCheck:
    """Tells names from misspelt ones.

    Args:
        kinds: Of names.
        labels: Names that the store knows besides: its detector's categories and its classifier's classes.
    """

    def __init__(self, kinds: Kinds, labels: Sequence[str]) -> None:
        self.kinds = kinds
        self.labels = tuple(labels)

    def problem(self, text: str) -> str | None:
        """What is wrong with a name, and which may be meant; None if it is one."""
        kind = self.kinds.of(text)
        words = meaningful(split_words(text))
        if not words or self._listed(text) or kind not in (Kind.BIRD, Kind.ANIMAL, Kind.UNDECIDED):
            return None
        if kind == Kind.ANIMAL and len(words) == 1:
            return None
        # of mammals people have names that no list has, so that one is doubted only for what it is very near to
        close = _VERY_CLOSE if kind == Kind.ANIMAL else _CLOSE
        near = difflib.get_close_matches(taxon_key(text), self._names, _MOST, close)
        names = list(dict.fromkeys(self._names[key] for key in near))
        if kind == Kind.ANIMAL and not names:
            return None
        hint = f"did you mean {' or '.join(names)}?" if names else "write a scientific or English name"
        return f"'{text}' is no name that is known: {hint} (names of your own go into a table for --taxonomy)"

    def _listed(self, text: str) -> bool:
        key = taxon_key(text)
        own = key in self.kinds.given or key in map(taxon_key, self.labels)
        listed = self.kinds.crosswalk.find_listed(text) or world_birds().find_group(text) or world_mammals().find(text)
        return own or listed is not None

    @cached_property
    def _names(self) -> dict[str, str]:
        """All names by their keys."""
        columns = ("english_name", "scientific_name", "hebrew_name", "class_name")
        own = [getattr(row, column) for row in self.kinds.crosswalk.rows for column in columns]
        names = (*own, *self.labels, *world_birds().names, *world_mammals().names)
        return {key: name for name in reversed(names) if (key := taxon_key(name))}
