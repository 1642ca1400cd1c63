"""What a detection is called in formats that know taxa."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from detector.species.names.crosswalk import Crosswalk
from detector.species.names.fauna import BIRDS, MAMMALS, world_birds, world_mammals
from detector.species.names.taxonomy import ANY_BIRD
from detector.store.records import Candidate, DetectionRecord, EventRecord
from detector.types import Kind, TaxonName


def taxon_of(found: DetectionRecord) -> TaxonName | None:
    """The taxon of a detection: its name; birds without one are of the class Aves; None for all else."""
    if found.name:
        return TaxonName(*(getattr(found, each.name) for each in fields(TaxonName)))
    return ANY_BIRD if found.kind == Kind.BIRD else None


def scientific_taxon(record: DetectionRecord | EventRecord) -> TaxonName | None:
    """The taxon of a detection or an event if it has a scientific name; Aves for unnamed birds; None for all else."""
    if record.name and record.rank:
        if isinstance(record, EventRecord):
            return TaxonName(record.name, record.rank, None, None, None, record.display_name)
        return taxon_of(record)
    return ANY_BIRD if record.kind == Kind.BIRD else None


def candidates_of(found: DetectionRecord) -> tuple[Candidate, ...]:
    """The species that a bird may be; none of what may be no bird: "uncertain" is not a species, in no export."""
    return found.candidates if found.kind == Kind.BIRD else ()


@dataclass(frozen=True)
class Lineage:
    """A taxon and what it belongs to, as scientific names; "" below its rank and where nothing is known."""

    class_name: str = BIRDS
    order: str = ""
    family: str = ""
    genus: str = ""
    species: str = ""


def lineage_of(taxon: TaxonName, crosswalk: Crosswalk) -> Lineage:
    """The ranks of a taxon from its class down to itself."""
    name = taxon.name or ""
    bird = crosswalk.find(name)
    row = bird or world_mammals().find(name)
    group = None if row else world_birds().find_group(name)  # a class of the name of many: "robin"
    if group is not None:
        return Lineage(BIRDS, group[1].order, group[1].family, group[1].genus)
    if row is not None and row.rank not in (None, "class"):
        species = row.scientific_name if row.rank == "species" else ""
        return Lineage(BIRDS if bird else MAMMALS, row.order, row.family, row.genus, species)
    if taxon.rank in ("order", "family", "genus"):
        return replace(Lineage(), **{taxon.rank: name})
    genus = name.partition(" ")[0] if taxon.rank == "species" and " " in name else ""
    return Lineage(genus=genus, species=name if genus else "")
