"""What a detection is called in formats that know taxa."""

from __future__ import annotations

from dataclasses import dataclass

from detector.store.records import DetectionRecord, EventRecord

BIRDS = "Aves"


@dataclass(frozen=True)
class Taxon:
    """A named taxon.

    Attributes:
        name: Scientific name, or the classifier's class name where no taxonomy knows it.
        rank: species | genus | family | order | class; None where no taxonomy knows it.
        english_name: None where unknown.
        hebrew_name: None where unknown.
    """

    name: str
    rank: str | None
    english_name: str | None = None
    hebrew_name: str | None = None


def taxon_of(found: DetectionRecord) -> Taxon | None:
    """The taxon of a detection: its name; birds without one are of the class Aves; None for all else."""
    if found.name:
        return Taxon(found.name, found.rank, found.english_name, found.hebrew_name)
    return Taxon(BIRDS, "class", "bird") if found.kind == "bird" else None


def scientific_name(record: DetectionRecord | EventRecord) -> str | None:
    """The scientific name of a detection or an event, Aves for unnamed birds; None where there is none."""
    if record.name and record.rank:
        return record.name
    return BIRDS if record.kind == "bird" else None
