"""Names, each once, since millions of boxes share them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.species.naming import Naming
from detector.species.taxonomy import ANY_BIRD as ANY_BIRD_TAXON
from detector.species.taxonomy import Taxon

T = TypeVar("T")


@dataclass(frozen=True)
class Name:
    """A name; the fields are columns of `schema.DETECTIONS`."""

    name: str | None
    rank: str | None
    english_name: str | None
    hebrew_name: str | None
    ebird_code: str | None
    display_name: str

    @classmethod
    def of(cls, taxon: Taxon | Naming) -> Name:
        """The name of a taxon."""
        return cls(*(getattr(taxon, each.name) for each in fields(cls)))

    @classmethod
    def plain(cls, text: str) -> Name:
        """What is said of something without a name."""
        return cls(None, None, None, None, None, text)


ANY_BIRD = Name.of(ANY_BIRD_TAXON)


@dataclass
class NameTable:
    """Names, species and lists of reasons, by index."""

    names: list[Name] = field(default_factory=list)
    species: list[str] = field(default_factory=list)
    reasons: list[tuple[str, ...]] = field(default_factory=lambda: [()])
    _index: dict[object, int] = field(default_factory=lambda: {("reasons", ()): 0})

    def name(self, name: Name) -> int:
        """The index of a name."""
        return self._find("name", name, self.names)

    def candidate(self, name: str) -> int:
        """The index of a species."""
        return self._find("species", name, self.species)

    def reason(self, reasons: tuple[str, ...]) -> int:
        """The index of a list of reasons."""
        return self._find("reasons", reasons, self.reasons)

    def ranks(self) -> NDArray[np.int64]:
        """Places of the names when they are sorted, which does not depend on the order in which they were met."""
        order = sorted(range(len(self.names)), key=lambda index: tuple(map(str, vars(self.names[index]).values())))
        return np.argsort(np.array(order, np.int64))

    def _find(self, kind: str, value: T, values: list[T]) -> int:
        found = self._index.setdefault((kind, value), len(values))
        if found == len(values):
            values.append(value)
        return found
