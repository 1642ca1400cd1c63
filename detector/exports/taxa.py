"""What a detection is called in formats that know taxa."""

from __future__ import annotations

from dataclasses import dataclass

from detector.species.crosswalk import NO_TAXON, Crosswalk
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


UNNAMED_BIRD = Taxon(BIRDS, "class", "bird")


def taxon_of(found: DetectionRecord) -> Taxon | None:
    """The taxon of a detection: its name; birds without one are of the class Aves; None for all else."""
    if found.name:
        return Taxon(found.name, found.rank, found.english_name, found.hebrew_name)
    return UNNAMED_BIRD if found.kind == "bird" else None


def scientific_taxon(record: DetectionRecord | EventRecord) -> Taxon | None:
    """The taxon of a detection or an event if it has a scientific name; Aves for unnamed birds; None for all else."""
    if record.name and record.rank:
        if isinstance(record, EventRecord):
            return Taxon(record.name, record.rank)
        return Taxon(record.name, record.rank, record.english_name, record.hebrew_name)
    return UNNAMED_BIRD if record.kind == "bird" else None


@dataclass(frozen=True)
class Lineage:
    """A taxon and what it belongs to, as scientific names; "" below its rank and where nothing is known."""

    order: str = ""
    family: str = ""
    genus: str = ""
    species: str = ""


def lineage_of(taxon: Taxon, crosswalk: Crosswalk) -> Lineage:
    """The ranks of a taxon from its order down to itself."""
    row = crosswalk.find(taxon.name)
    if taxon.rank == "order":
        return Lineage(taxon.name)
    if taxon.rank == "family":
        orders = dict(crosswalk.genera.values())
        return Lineage(row.order if row and row.order else orders.get(taxon.name, ""), taxon.name)
    if taxon.rank == "genus":
        family, order = crosswalk.genera.get(taxon.name, (row.family, row.order) if row else ("", ""))
        return Lineage(order, family, taxon.name)
    if row is None or row.scientific_name in ("", NO_TAXON) or taxon.rank == "class":
        genus = taxon.name.partition(" ")[0] if taxon.rank == "species" and " " in taxon.name else ""
        return Lineage(genus=genus, species=taxon.name if genus else "")
    return Lineage(row.order, row.family, row.genus, row.scientific_name)
