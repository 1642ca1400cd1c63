#!/usr/bin/env python3
"""Builds the crosswalk tables that come with Hoopoe from public sources; detector/species/tables/README.md names them.

    python tools/build_crosswalk.py --classes CSV --ebird CSV --avonet CSV [--hebrew CSV] --output FOLDER

Genus, family, order, English name and code are eBird's wherever the scientific name is one of eBird's species; else
family and order are AVONET's, and the English name is the class name.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from detector.species.crosswalk import COLUMNS, NO_TAXON, CrosswalkRow

Record = dict[str, str]
CORRECTIONS = {  # class name -> eBird's scientific name
    "Black-headed bunting": "Emberiza melanocephala",  # birder has the bimaculated lark's
    "Northern goshawk": "Astur gentilis",
    "Western jackdaw": "Coloeus monedula",
}


def main() -> None:
    """Read the sources, write birds.csv and genera.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--classes", type=Path, required=True, help="columns birder_class, scientific_name")
    parser.add_argument("--ebird", type=Path, required=True, help="eBird/Clements taxonomy, as rebird has it")
    parser.add_argument("--avonet", type=Path, required=True, help="columns species, genus, family, order")
    parser.add_argument("--hebrew", type=Path, help="columns scientific_name, hebrew_name")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")
    args = parser.parse_args()

    ebird = {each["sciName"]: each for each in read(args.ebird) if each["category"] == "species"}
    avonet = {each["species"]: each for each in read(args.avonet)}
    hebrew = {each["scientific_name"]: each["hebrew_name"] for each in read(args.hebrew)} if args.hebrew else {}
    birds = [
        crosswalk_row(each["birder_class"], CORRECTIONS.get(each["birder_class"], each["scientific_name"]),
                      ebird, avonet, hebrew)
        for each in read(args.classes)
    ]  # fmt: skip
    write(args.output / "birds.csv", COLUMNS, (vars(row) for row in sorted(birds, key=lambda row: row.class_name)))
    higher = genera(ebird, avonet)
    write(args.output / "genera.csv", ("genus", "family", "order"), (higher[genus] for genus in sorted(higher)))


def crosswalk_row(
    class_name: str, scientific_name: str, ebird: dict[str, Record], avonet: dict[str, Record], hebrew: dict[str, str]
) -> CrosswalkRow:
    """The row of one class; a class without a scientific name is no taxon."""
    if not scientific_name:
        return CrosswalkRow(class_name, NO_TAXON)
    genus = scientific_name.split()[0]
    known, other = ebird.get(scientific_name), avonet.get(scientific_name, {})
    return CrosswalkRow(
        class_name,
        scientific_name,
        english_name=known["comName"] if known else class_name,
        hebrew_name=hebrew.get(scientific_name, ""),
        ebird_code=known["speciesCode"] if known else "",
        genus=genus,
        family=known["familySciName"] if known else other.get("family", ""),
        order=known["order"] if known else other.get("order", ""),
    )


def genera(ebird: dict[str, Record], avonet: dict[str, Record]) -> dict[str, Record]:
    """Family and order of every genus; eBird's where the two differ."""
    records = [(name, each["family"], each["order"]) for name, each in avonet.items()]
    records += [(name, each["familySciName"], each["order"]) for name, each in ebird.items()]
    return {name.split()[0]: {"genus": name.split()[0], "family": family, "order": order}
            for name, family, order in records}  # fmt: skip


def read(path: Path) -> list[Record]:
    """The rows of a CSV."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, columns: Sequence[str], rows: Iterable[Record]) -> None:
    """Write a CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
