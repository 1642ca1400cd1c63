"""What boxes show: kinds, and the names of taxa."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is in a box, by a label, by the models, or by a person's word; in tables of numbers, its place here."""

    BIRD = "bird"
    ANIMAL = "animal"
    """Not a bird."""

    UNCERTAIN = "uncertain"
    """An animal, and maybe a bird: MegaDetector's "animal"."""

    PERSON = "person"
    VEHICLE = "vehicle"
    BLANK = "blank"
    """Nothing that counts: background, a misfire, a leaf."""

    UNDECIDED = "undecided"
    """The label is not known."""

    @property
    def code(self) -> int:
        """Its place among the kinds, as arrays hold it."""
        return KINDS.index(self)


KINDS = tuple(Kind)


@dataclass(frozen=True)
class TaxonName:
    """What something is called; the fields are columns of `store.schema.DETECTIONS`.

    Attributes:
        name: Scientific name of the taxon, or a class name where no crosswalk knows the class; None for what has no
            taxon, such as a person.
        rank: species, genus, family, order or class; None where no list knows the class.
        english_name: English name, of a higher taxon the word that its members share: "wheatear".
        hebrew_name: Hebrew name.
        ebird_code: eBird's species code.
        display_name: What people read: "Northern Wheatear", "unidentified wheatear (Oenanthe sp.)", "person".
    """

    name: str | None
    rank: str | None
    english_name: str | None
    hebrew_name: str | None
    ebird_code: str | None
    display_name: str

    @classmethod
    def plain(cls, text: str) -> TaxonName:
        """What is said of something that has no taxon."""
        return cls(None, None, None, None, None, text)

    @classmethod
    def unlisted(cls, name: str) -> TaxonName:
        """Of a taxon of which no more than a name is known."""
        return cls(name, None, None, None, None, name)
