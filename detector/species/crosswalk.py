"""The crosswalk: from the names of classes to scientific, English and Hebrew names, eBird codes and higher taxa."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from detector.base.tables import quiet, read_table

NO_TAXON = "-"  # as scientific_name: the class is no taxon, such as "Unknown"
TABLES = Path(__file__).with_name("tables")
SHIPPED = ("birds.csv", "drawn_birds.csv")


@dataclass(frozen=True)
class CrosswalkRow:
    """A class and its taxon; "" where something is not known.

    Attributes:
        class_name: As the classifier or detector calls it.
        scientific_name: Binomial; a genus, family or order alone for a class of that rank; "-" for a class that is no
            taxon.
        english_name: eBird's, where it has the taxon.
        hebrew_name: Hebrew name.
        ebird_code: eBird's species code.
        genus: Its genus.
        family: Its family, scientific.
        order: Its order, scientific.
    """

    class_name: str
    scientific_name: str = ""
    english_name: str = ""
    hebrew_name: str = ""
    ebird_code: str = ""
    genus: str = ""
    family: str = ""
    order: str = ""


COLUMNS = tuple(field.name for field in fields(CrosswalkRow))


def name_key(name: str) -> str:
    """What names are compared by: without differences of case and of white space."""
    return " ".join(name.split()).casefold()


class Crosswalk:
    """Finds the row of a class by its class name, else by its scientific, else by its English name.

    Args:
        rows: Where two have the same name, the first counts.
        genera: Family and order by genus, for scientific names that no row has.
    """

    def __init__(self, rows: Iterable[CrosswalkRow], genera: Mapping[str, tuple[str, str]]) -> None:
        self.rows = tuple(rows)
        self.genera = genera
        self._found: dict[str, CrosswalkRow] = {}
        for column in ("class_name", "scientific_name", "english_name"):
            for row in self.rows:
                key = name_key(getattr(row, column))
                if key and key != NO_TAXON:
                    self._found.setdefault(key, row)

    def find(self, name: str) -> CrosswalkRow | None:
        """The row of a class; a scientific name of a known genus makes its own; None where nothing is known."""
        row = self._found.get(name_key(name))
        words = name.split()
        if row is None and len(words) >= 2 and words[0] in self.genera and words[1].islower():
            family, order = self.genera[words[0]]
            return CrosswalkRow(name, " ".join(words), genus=words[0], family=family, order=order)
        return row

    def overridden_by(self, rows: Iterable[CrosswalkRow]) -> Crosswalk:
        """The crosswalk in which what is not empty in these rows counts first, class by class."""
        merged = []
        for row in rows:
            under = self._found.get(name_key(row.class_name), row)
            values = {column: getattr(row, column) or getattr(under, column) for column in COLUMNS}
            merged.append(CrosswalkRow(**values))
        return Crosswalk((*merged, *self.rows), self.genera)


@cache
def shipped_crosswalk() -> Crosswalk:
    """The tables that come with Hoopoe; tables/README.md says what they are made of."""
    rows = [row for name in SHIPPED for row in read_crosswalk(TABLES / name)]
    genera = read_table(TABLES / "genera.csv", what="the table of genera", required=["genus", "family", "order"])
    return Crosswalk(rows, {each["genus"]: (each["family"], each["order"]) for each in genera})


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
    table = read_table(path, what="the taxonomy", required=COLUMNS[:1], optional=COLUMNS[1:])
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
        first = lines_of.setdefault(name_key(name), record.line)
        if first != record.line:
            raise record.error(f"'{name}' has a row already (row {first})", "keep one of the two")
        rows.append(CrosswalkRow(*(record[column] for column in COLUMNS)))
    return rows
