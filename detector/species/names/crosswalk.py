"""The crosswalk: from the names of classes to scientific, English and Hebrew names, eBird codes and higher taxa."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

from detector.base.tables.reader import TableForm, quiet, read_table
from detector.species.names.fauna import NO_TAXON, CrosswalkRow, bird_genera, world_birds
from detector.species.names.label_words import TABLES, cores, lineage, split_words, taxon_key

SHIPPED = ("birds.csv", "drawn_birds.csv")
COLUMNS = tuple(field.name for field in fields(CrosswalkRow))


class Crosswalk:
    """Finds the row of a class by its class name, its scientific, English or Hebrew name, else among the world's birds.

    Args:
        rows: Where two have the same name, the first counts.
        genera: Family and order by genus, for scientific names that no row has.
    """

    def __init__(self, rows: Iterable[CrosswalkRow], genera: Mapping[str, tuple[str, str]]) -> None:
        self.rows = tuple(rows)
        self.genera = genera
        self._found: dict[str, CrosswalkRow] = {}
        for column in ("class_name", "scientific_name", "english_name", "hebrew_name"):
            for row in self.rows:
                if key := taxon_key(getattr(row, column)):
                    self._found.setdefault(key, row)

    def find(self, name: str) -> CrosswalkRow | None:
        """The row of a bird's name; a scientific name of a known genus makes its own; None where nothing is known."""
        row = self.find_listed(name)
        words = name.replace("_", " ").split()
        if row is None and len(words) >= 2 and words[0] in self.genera and words[1].islower():
            family, order = self.genera[words[0]]
            return CrosswalkRow(name, " ".join(words), genus=words[0], family=family, order=order)
        return row

    def find_listed(self, name: str) -> CrosswalkRow | None:
        """The row of a name that is listed: in the tables, or among the world's birds; see `Fauna.find`."""
        row = self.find_own(name)
        if row is not None:
            return row
        if names := lineage(name):
            return next((row for each in names if (row := self.find_listed(each)) is not None), None)
        taxon = world_birds().find(name)
        return taxon and self._found.get(taxon_key(taxon.scientific_name), taxon)  # the tables' names of it

    def find_own(self, name: str) -> CrosswalkRow | None:
        """The row of a name that the tables have: shipped for class names, and the user's."""
        keys = (taxon_key(name), *cores(split_words(name)))
        return next((self._found[key] for key in keys if key in self._found), None)

    def overridden_by(self, rows: Iterable[CrosswalkRow]) -> Crosswalk:
        """The crosswalk in which what is not empty in these rows counts first, class by class."""
        merged = []
        for row in rows:
            taxon = row.scientific_name not in ("", NO_TAXON) and self.find_listed(row.scientific_name)
            under = taxon or self.find_listed(row.class_name) or row
            values = {column: getattr(row, column) or getattr(under, column) for column in COLUMNS}
            merged.append(CrosswalkRow(**values))
        return Crosswalk((*merged, *self.rows), self.genera)


@cache
def shipped_crosswalk() -> Crosswalk:
    """The tables that come with Hoopoe; tables/README.md says what they are made of."""
    rows = [row for name in SHIPPED for row in read_crosswalk(TABLES / name)]
    return Crosswalk(rows, bird_genera())


def load_crosswalk(override: Path | None = None, notify: Callable[[str], None] = quiet) -> Crosswalk:
    """The shipped crosswalk, with a user's table on top.

    Args:
        override: CSV with the column class_name and any of the others; cells that are empty change nothing.
        notify: Takes what a person should know of how the table was read.

    Raises:
        DataError: The file is not such a table.
    """
    shipped = shipped_crosswalk()
    return shipped if override is None else shipped.overridden_by(read_crosswalk(override, notify))


def read_crosswalk(path: Path, notify: Callable[[str], None] = quiet) -> list[CrosswalkRow]:
    """Read a CSV of `COLUMNS`, in any order; see `base.tables`. Other columns are passed over.

    Raises:
        DataError: The file cannot be read, or a row has no class name, or a class has two rows.
    """
    table = read_table(path, TableForm("the taxonomy", COLUMNS[:1], COLUMNS[1:], names=COLUMNS[:1]))
    for note in table.notes:
        notify(note)
    rows: list[CrosswalkRow] = []
    lines_of: dict[str, int] = {}
    for record in table:
        name = record["class_name"]
        if not name and not any(record[column] for column in COLUMNS):
            continue
        if not name:
            raise record.error("it has no class_name", "fill it in, or delete the row")
        first = lines_of.setdefault(taxon_key(name), record.line)
        if first != record.line:
            raise record.error(f"'{name}' has a row already (row {first})", "keep one of the two")
        rows.append(CrosswalkRow(*(record[column] for column in COLUMNS)))
    return rows
