"""What a detection is called in formats that know taxa."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detector.species.names.crosswalk import Crosswalk
from detector.species.names.fauna import BIRDS, MAMMALS, world_birds, world_mammals
from detector.store.records import Candidate, DetectionRecord, EventRecord


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


def candidates_of(found: DetectionRecord) -> tuple[Candidate, ...]:
    """The species that a bird may be; none of what may be no bird: "uncertain" is not a species, in no export."""
    return found.candidates if found.kind == "bird" else ()


@dataclass(frozen=True)
class Lineage:
    """A taxon and what it belongs to, as scientific names; "" below its rank and where nothing is known."""

    class_name: str = BIRDS
    order: str = ""
    family: str = ""
    genus: str = ""
    species: str = ""


def lineage_of(taxon: Taxon, crosswalk: Crosswalk) -> Lineage:
    """The ranks of a taxon from its class down to itself."""
    bird = crosswalk.find(taxon.name)
    row = bird or world_mammals().find(taxon.name)
    group = None if row else world_birds().find_group(taxon.name)  # a class of the name of many: "robin"
    if group is not None:
        return Lineage(BIRDS, group[1].order, group[1].family, group[1].genus)
    if row is not None and row.rank not in (None, "class"):
        species = row.scientific_name if row.rank == "species" else ""
        return Lineage(BIRDS if bird else MAMMALS, row.order, row.family, row.genus, species)
    if taxon.rank in ("order", "family", "genus"):
        return replace(Lineage(), **{taxon.rank: taxon.name})
    genus = taxon.name.partition(" ")[0] if taxon.rank == "species" and " " in taxon.name else ""
    return Lineage(genus=genus, species=taxon.name if genus else "")
