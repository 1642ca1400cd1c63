"""What a label says a thing is: a bird, another animal, a person, a vehicle, nothing; or it says nothing that is known.

A detector's categories, a classifier's classes, folders of labelled crops and what people write in reviews all go by
this one rule. A word that is not known is never taken for a bird: it is undecided until a person says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from detector.species.names.crosswalk import Crosswalk, shipped_crosswalk
from detector.species.names.fauna import NO_TAXON, CrosswalkRow, world_birds, world_mammals
from detector.species.names.label_words import (
    IGNORED,
    LINEAGE_SEMICOLONS,
    is_negation,
    meaningful,
    singulars,
    split_words,
    taxon_key,
    word_kinds,
)
from detector.types import Kind

SETTLED = (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, Kind.BLANK)  # what --kind can say of a label
MAYBE_BIRD = (Kind.BIRD, Kind.UNCERTAIN, Kind.UNDECIDED)  # boxes of these labels are for the classifier to see

_LONGEST_PHRASE = 4  # words
_SEPARATORS = re.compile(r"[,/;|&+]|\b(?:and|or|x)\b", re.IGNORECASE)
_NOT_KNOWN = ("identified", "identifiable", "known", "sure", "certain", "classified", "determined")  # after "not"
_ANIMALS = {Kind.BIRD, Kind.ANIMAL, Kind.UNCERTAIN}
_PREPOSITIONS = ("on", "in", "with", "at", "by", "near", "behind", "riding", "carrying", "holding", "without")
_PEOPLE = {"person", "people", "human", "humans", "man", "men", "woman", "women", "child", "children", "hunter"}
_BIRD_ENDINGS, _ANIMAL_ENDINGS = ("bird", "birds", "fowl", "finch"), ("fish", "snake", "beetle", "hound")
_LATIN_ENDINGS = re.compile(r"(a|us|um|is|i|ae|e|or|ax|ex|ix|ens|ans|os|on|er|ops|yx|as)$")


class Kinds:
    """The kinds of labels.

    Args:
        crosswalk: Names of birds; by default the shipped ones.
        given: What a person says that labels are, which counts first.
    """

    def __init__(self, crosswalk: Crosswalk | None = None, given: Mapping[str, Kind] | None = None) -> None:
        self.crosswalk = crosswalk or shipped_crosswalk()
        self.given = {taxon_key(label): Kind(kind) for label, kind in (given or {}).items()}
        self._known: dict[str, Kind] = {}

    def of(self, label: str) -> Kind:
        """The kind of a label: "bird", "White-tailed deer", "Oenanthe sp.", "not_a_bird", a lineage of SpeciesNet's."""
        if label not in self._known:
            self._known[label] = self._kind(label)
        return self._known[label]

    def _kind(self, label: str) -> Kind:
        given = self.given.get(taxon_key(label))
        if given is not None:
            return given
        if label.count(";") >= LINEAGE_SEMICOLONS:
            return self._of_lineage(label)
        own = self.crosswalk.find_own(label)
        if own is None:
            return self._of_words(label)
        if own.scientific_name == NO_TAXON:
            kind = self._of_words(own.class_name)
            return Kind.UNDECIDED if kind == Kind.BIRD else kind
        if not _taxa(own):  # only another name, in the user's language
            return self._of_words(own.class_name)
        return Kind.ANIMAL if any(map(_is_other_taxon, _taxa(own))) else Kind.BIRD

    def _of_words(self, label: str) -> Kind:
        """Of a label that no table for class names has."""
        words = split_words(label)
        listed = _listed(taxon_key(label)) or _listed("".join(words))
        if listed is not None and not (listed == Kind.UNDECIDED and _is_genus(label)):
            return listed
        if is_negation(label):
            rest = words[2:] if words[1:2] and words[1] in _NOT_KNOWN else None
            return self._of_negation(words) if rest is None else self.of(" ".join(rest))
        parts = [part for part in _SEPARATORS.split(label) if part.strip()]
        if len(parts) > 1 and self.crosswalk.find_listed(label) is None:
            return _of_any({self.of(part) for part in parts} - {Kind.UNDECIDED})
        return self._of_name(label, words)

    def _of_name(self, label: str, words: Sequence[str]) -> Kind:
        """Of one name: a taxon's, or a word at the end of which the kind is known."""
        if "animalia" in words or "plantae" in words or "fungi" in words:  # 03111_Animalia_Chordata_Aves_...
            classes = (Kind.BIRD, Kind.ANIMAL, Kind.BLANK)
            return next((kind for kind in map(_listed, words) if kind in classes), Kind.ANIMAL)
        bird = self.crosswalk.find(label)
        if bird is not None and bird.scientific_name != NO_TAXON:
            return Kind.BIRD
        mammal = world_mammals().find(label)
        if mammal is not None:
            return Kind.PERSON if mammal.genus == "Homo" else Kind.ANIMAL
        kind = _of_head(_head(words)) or _of_binomial(words) or Kind.UNDECIDED
        return Kind.PERSON if kind != Kind.BIRD and not _PEOPLE.isdisjoint(words) else kind

    def _of_negation(self, words: Sequence[str]) -> Kind:
        """Of "not a bird", "no animal", "non-target"."""
        rest = self.of(" ".join(meaningful(words[1:])))
        if rest in _ANIMALS:
            return Kind.BLANK
        return Kind.BLANK if words[0] == "no" and rest in (Kind.BLANK, Kind.UNDECIDED) else Kind.UNDECIDED

    def _of_lineage(self, label: str) -> Kind:
        """Of taxa from the class down, such as SpeciesNet's "id;class;order;family;genus;species;common name"."""
        *taxa, last = (name.strip() for name in label.split(";"))
        if "homo" in map(taxon_key, taxa):
            return Kind.PERSON
        classes = (Kind.BIRD, Kind.ANIMAL, Kind.BLANK)
        listed = next((kind for kind in (_listed(taxon_key(taxon)) for taxon in taxa) if kind in classes), None)
        if listed is not None:
            return listed
        if any(map(world_birds().has, taxa)):
            return Kind.BIRD
        return Kind.ANIMAL if any(map(world_mammals().has, taxa)) else self.of(last)


@cache
def _shipped_kinds() -> Kinds:
    return Kinds()


def kind_of_label(label: str) -> Kind:
    """The kind of a label by the shipped tables; see `Kinds.of`."""
    return _shipped_kinds().of(label)


def _listed(key: str) -> Kind | None:
    kind = word_kinds().get(key)
    return None if kind is None or kind == IGNORED else Kind(kind)


def _of_any(kinds: set[Kind]) -> Kind:
    """Of what may be any of several kinds; what may show a person is a person's."""
    if len(kinds) == 1 or Kind.PERSON in kinds:
        return Kind.PERSON if Kind.PERSON in kinds else kinds.pop()
    return Kind.UNCERTAIN if kinds and kinds <= _ANIMALS else Kind.UNDECIDED


def _taxa(row: CrosswalkRow) -> list[str]:
    """The taxa that a row of a table names, from genus to order, and the species' genus."""
    names = (row.scientific_name.partition(" ")[0], row.genus, row.family, row.order)
    return [name for name in names if name]


def _is_other_taxon(name: str) -> bool:
    """Whether a genus, family or order is not of birds, as a user's table may have them."""
    return world_mammals().has(name) or (_listed(taxon_key(name)) == Kind.ANIMAL and not world_birds().has(name))


def _is_genus(label: str) -> bool:
    """Whether a word is written as a genus is: Pan and Circus, not pan and circus."""
    return label in world_birds().genera or label in world_mammals().genera


def _head(words: Sequence[str]) -> list[str]:
    """The words up to a preposition, those that say nothing left out: "person on horse"; of "flock of birds", birds."""
    if "of" in words:
        before, after = words[: words.index("of")], words[words.index("of") + 1 :]
        words = before if meaningful(before) else after
    end = next((place for place, word in enumerate(words) if place and word in _PREPOSITIONS), len(words))
    return meaningful(words[:end])


def _of_head(words: Sequence[str]) -> Kind | None:
    """By the phrase or word that the name ends with; None where it is not known."""
    for count in range(min(_LONGEST_PHRASE, len(words)), 0, -1):
        for phrase in singulars("".join(words[-count:])):
            listed = _listed(phrase)
            if listed is not None:
                return listed
            if phrase in world_birds().groups or world_birds().has(phrase):
                return Kind.BIRD
            if phrase in world_mammals().groups or world_mammals().has(phrase):
                return Kind.ANIMAL
    last = words[-1] if words else ""
    if last.endswith(_BIRD_ENDINGS):
        return Kind.BIRD
    return Kind.ANIMAL if last.endswith(_ANIMAL_ENDINGS) else None


def _of_binomial(words: Sequence[str]) -> Kind | None:
    """By the genus of a scientific name that is in no list, also written small."""
    if len(words) != 2 or not _LATIN_ENDINGS.search(words[1]):
        return None
    genus = words[0].capitalize()
    if genus in world_birds().genera:
        return Kind.BIRD
    if genus in world_mammals().genera:
        return Kind.ANIMAL
    return Kind.ANIMAL if _listed(words[0]) == Kind.ANIMAL else None  # reptiles and insects: Danaus plexippus
