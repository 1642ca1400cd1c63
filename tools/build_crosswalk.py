#!/usr/bin/env python3
"""Builds the crosswalk tables that come with Hoopoe from public sources; README.md beside the tables names them.

    python tools/build_crosswalk.py --classes CSV --ebird CSV --avonet CSV --avilist CSV --mammals CSV [--hebrew CSV]
        --output FOLDER

Genus, family, order, English name and code are eBird's wherever the scientific name is one of eBird's species; else
family and order are AVONET's, and the English name is the class name. The world's birds are AviList's, and scientific
names of AVONET and eBird that it does not have; the world's mammals are those of the Mammal Diversity Database.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from detector.species.names.crosswalk import COLUMNS, NO_TAXON, CrosswalkRow

Record = dict[str, str]
WORLD_COLUMNS = ("scientific_name", "english_name", "other_names", "ebird_code")
AVILIST_NAMES = ("English_name_AviList", "English_name_Clements_v2024", "English_name_BirdLife_v9")
NOTHING = ("", "NA", "<NA>", "nan")
CORRECTIONS = {  # class name -> eBird's scientific name
    "Black-headed bunting": "Emberiza melanocephala",  # birder has the bimaculated lark's
    "Northern goshawk": "Astur gentilis",
    "Western jackdaw": "Coloeus monedula",
}


def main() -> None:
    """Read the sources, write birds.csv, world_birds.csv, mammals.csv and genera.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--classes", type=Path, required=True, help="columns birder_class, scientific_name")
    parser.add_argument("--ebird", type=Path, required=True, help="eBird/Clements taxonomy, as rebird has it")
    parser.add_argument("--avonet", type=Path, required=True, help="columns species, genus, family, order")
    parser.add_argument("--avilist", type=Path, required=True, help="AviList's extended table, as CSV")
    parser.add_argument("--mammals", type=Path, required=True, help="the Mammal Diversity Database's list of species")
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
    avilist = [each for each in read(args.avilist) if each["Taxon_rank"] == "species"]
    mammals = read(args.mammals)
    write(args.output / "world_birds.csv", WORLD_COLUMNS, world_birds(avilist, [*avonet, *ebird]))
    write(args.output / "mammals.csv", WORLD_COLUMNS[:3], sorted(map(mammal, mammals), key=by_scientific_name))
    higher = genera(ebird, avonet, avilist, mammals)
    columns = ("genus", "family", "order", "class")
    write(args.output / "genera.csv", columns, (higher[genus] for genus in sorted(higher)))


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


def world_birds(avilist: Iterable[Record], others: Iterable[str]) -> list[Record]:
    """A row a species of AviList, and one for each scientific name besides."""
    rows = {}
    for each in avilist:
        names = list(dict.fromkeys(" ".join(each[column].split()) for column in AVILIST_NAMES))
        names = [name for name in names if name not in NOTHING]
        code = each["Species_code_Cornell_Lab"]
        values = (each["Scientific_name"], names[0], "|".join(names[1:]), "" if code in NOTHING else code)
        rows[values[0]] = dict(zip(WORLD_COLUMNS, values, strict=True))
    return sorted([*rows.values(), *({"scientific_name": name} for name in set(others) - rows.keys())],
                  key=by_scientific_name)  # fmt: skip


def mammal(row: Record) -> Record:
    """A row of mammals.csv."""
    names = [row[column] for column in ("mainCommonName", "otherCommonNames")]
    values = (row["sciName"].replace("_", " "), *("" if name in NOTHING else name for name in names))
    return dict(zip(WORLD_COLUMNS, values, strict=False))


def by_scientific_name(row: Record) -> str:
    """To sort by."""
    return row["scientific_name"]


def genera(
    ebird: dict[str, Record], avonet: dict[str, Record], avilist: Sequence[Record], mammals: Sequence[Record]
) -> dict[str, Record]:
    """Family, order and class of every genus; eBird's where sources differ."""
    records = [(each["genus"], each["family"].title(), each["order"].title(), "Mammalia") for each in mammals]
    records += [(each["Scientific_name"], each["Family"], each["Order"], "Aves") for each in avilist]
    records += [(name, each["family"], each["order"], "Aves") for name, each in avonet.items()]
    records += [(name, each["familySciName"], each["order"], "Aves") for name, each in ebird.items()]
    return {name.split()[0]: {"genus": name.split()[0], "family": family, "order": order, "class": taxonomic_class}
            for name, family, order, taxonomic_class in records}  # fmt: skip


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
