"""The classes of a classifier that learns: those it has, joined by those of the data that are new to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.species.calibrating.labelled import NO_BIRD, UNDECIDED, labels_of
from detector.species.names.kinds import Kinds
from detector.species.names.label_words import taxon_key
from detector.species.names.said_names import NameCheck, named_taxon
from detector.species.names.taxonomy import Taxonomy
from detector.types import Kind

OTHER = -1  # the class of what is no bird
LEFT_OUT = -2


@dataclass(frozen=True, eq=False)
class JoinedClasses:
    """The classes of the classifier to be.

    Attributes:
        names: In the order of its outputs (C,).
        former: int64 (C,), the output of the classifier before, -1 for a new class.
        class_of: Label -> class, OTHER, or LEFT_OUT.
        problems: Label that is left out -> why, and what to do.
        counts: int64 (C,), crops of each class.
    """

    names: tuple[str, ...]
    former: NDArray[np.int64]
    class_of: Mapping[str, int]
    problems: Mapping[str, str]
    counts: NDArray[np.int64]

    @property
    def new(self) -> tuple[str, ...]:
        """The classes that the classifier before did not have."""
        return tuple(name for name, before in zip(self.names, self.former.tolist(), strict=True) if before < 0)


def join_classes(
    labels: Mapping[str, int], known: Sequence[str], kinds: Kinds, *, only_these: bool = False
) -> JoinedClasses:
    """Join the labels of crops to a classifier's classes; what is no class yet becomes one, if it is a species.

    Labels join by the class's own name, else by scientific name, whatever the language. What is no bird, and no class
    of the classifier, teaches it what birds are not; a mammal never becomes a class, and keeps the one that it has.

    Args:
        labels: Label -> crops of it.
        known: Classes of the classifier before; none where it begins at random.
        kinds: Of names.
        only_these: Leave out the classes before of which there is no crop.
    """
    taxonomy = Taxonomy(known, kinds.crosswalk, kinds)
    by_name = {taxon_key(name): place for place, name in enumerate(known)}
    check, others = NameCheck(kinds, known), _OtherClasses.of(known, kinds)
    class_of: dict[str, int] = {}
    problems: dict[str, str] = {}
    new: dict[str, Counter[str]] = {}
    wanted = list(labels)
    for label, found in zip(wanted, labels_of(wanted, taxonomy).tolist() if wanted else [], strict=True):
        if taxon_key(label) in by_name:
            class_of[label] = by_name[taxon_key(label)]
        elif found >= 0:
            class_of[label] = found
        elif found == NO_BIRD:
            class_of[label] = others.join(label)
            if class_of[label] == LEFT_OUT:
                problems[label] = f"the classifier knows other animals, too, and '{label}' does not say which it is"
        elif (problem := _problem(label, found, kinds, check)) is not None:
            class_of[label], problems[label] = LEFT_OUT, problem
        else:
            new.setdefault(_species_key(label, kinds), Counter())[label] += labels[label]
    added = [max(sorted(spellings), key=spellings.__getitem__) for spellings in new.values()]
    order = sorted(range(len(added)), key=lambda place: added[place])
    for place, group in enumerate(order):
        for label in list(new.values())[group]:
            class_of[label] = len(known) + place
    names = (*known, *(added[group] for group in order))
    counts = np.zeros(len(names), np.int64)
    for label, place in class_of.items():
        if place >= 0:
            counts[place] += labels[label]
    former = np.array([*range(len(known)), *[-1] * len(added)], np.int64)
    joined = JoinedClasses(names, former, class_of, problems, counts)
    return _with_crops(joined) if only_these else joined


@dataclass(frozen=True)
class _OtherClasses:
    """The classes of a classifier that are no birds.

    Attributes:
        kinds: Of names.
        of_taxon: Key of a scientific name -> class.
        of_kind: Kind -> classes.
    """

    kinds: Kinds
    of_taxon: Mapping[str, int]
    of_kind: Mapping[Kind, Sequence[int]]

    @classmethod
    def of(cls, known: Sequence[str], kinds: Kinds) -> _OtherClasses:
        of_taxon: dict[str, int] = {}
        of_kind: dict[Kind, list[int]] = {}
        for place, name in enumerate(known):
            kind = kinds.of(name)
            if kind in (Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE):
                of_kind.setdefault(kind, []).append(place)
                taxon = named_taxon(name, kinds)
                if taxon is not None and taxon.name:
                    of_taxon.setdefault(taxon_key(taxon.name), place)
        return cls(kinds, of_taxon, of_kind)

    def join(self, label: str) -> int:
        """The class of what is no bird: its own, where there is one, else OTHER; LEFT_OUT: nobody knows which it is."""
        kind, taxon = self.kinds.of(label), named_taxon(label, self.kinds)
        own = self.of_kind.get(kind, ())
        if taxon is not None and taxon.name and taxon_key(taxon.name) in self.of_taxon:
            return self.of_taxon[taxon_key(taxon.name)]
        if kind in (Kind.PERSON, Kind.VEHICLE) and len(own) == 1:
            return own[0]
        if kind == Kind.ANIMAL and own and (taxon is None or taxon.rank not in ("species", None)):
            return LEFT_OUT  # to teach that it is nothing known would unteach the class that it may be of
        return OTHER


def _problem(label: str, found: int, kinds: Kinds, check: NameCheck) -> str | None:
    """Why a label is left out; None: it is a species."""
    if found == UNDECIDED:
        said = check.problem(label) or f"nobody knows what '{label}' is"
        return f"{said}; if it is a class of your own, say so: --kind '{label}=bird' (from Python kinds)"
    if _is_own(label, kinds):
        return None
    taxon = named_taxon(label, kinds)
    if taxon is not None and taxon.rank in ("species", None) and taxon.name is not None:
        misspelt = check.problem(label)  # a word that ends like a bird's name is one
        return misspelt and f"{misspelt}; if it is a class of your own: --kind '{label}=bird' (from Python kinds)"
    rank = "no species" if taxon is None or taxon.rank is None else f"a {taxon.rank}, no species"
    return f"'{label}' is {rank}: crops are of species; of others a classifier learns nothing that it could name"


def _is_own(label: str, kinds: Kinds) -> bool:
    """Whether a person says that a word that no list has is a bird."""
    return taxon_key(label) in kinds.given and kinds.crosswalk.find_listed(label) is None


def _species_key(label: str, kinds: Kinds) -> str:
    if _is_own(label, kinds):
        return taxon_key(label)
    taxon = named_taxon(label, kinds)
    assert taxon is not None
    return taxon_key(taxon.name or label)


def _with_crops(joined: JoinedClasses) -> JoinedClasses:
    """Only the classes of which there are crops."""
    kept = np.flatnonzero(joined.counts)
    place_of = {int(place): number for number, place in enumerate(kept)}
    class_of = {label: place if place < 0 else place_of[place] for label, place in joined.class_of.items()}
    names = tuple(joined.names[place] for place in kept.tolist())
    return JoinedClasses(names, joined.former[kept], class_of, joined.problems, joined.counts[kept])
