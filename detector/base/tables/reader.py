"""One tolerant reader of CSV tables, as spreadsheets, R and people write them.

It takes UTF-8, UTF-16 and cp1252, and workbooks of Excel; commas, semicolons, tabs and Excel's line `sep=;`; names of
columns in any order, case and spacing ("Scientific Name", scientific.name); R's column of row names; decimal commas;
blank rows and columns. What it cannot take in one way only is an error that names the row, by the number that a
spreadsheet shows.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import DataError
from detector.base.tables.formulas import unguard
from detector.base.tables.text import MAX_BYTES, WESTERN, read_table_text, separator, split_separator_line

CORRECT_ROW = "correct that row"
MAX_COLUMNS = 2000
ROWS_OF_TITLE = 20  # that a person may have put above the names of columns
MAX_CELL = 131_072  # characters: the csv module's limit, and four times that of a spreadsheet
MISSING = "NA"  # what R writes into cells without a value

_LARGE = f"a cell has more than {MAX_CELL:,} characters"
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}(?:[.,]0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def quiet(note: str) -> None:
    """Say nothing of a table; what readers do with a table's notes by default."""


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        path: The table's file.
        line: Its number as a spreadsheet shows it; the header is 1 where nothing is above it.
        cells: Text without white space around it, by column.
    """

    path: Path
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """A cell's text; "" where it is empty, or there is no such column."""
        return self.cells.get(column, "")

    @property
    def where(self) -> str:
        """The row, for errors."""
        return f"{self.path} row {self.line}"

    def error(self, problem: str, hint: str = CORRECT_ROW) -> DataError:
        """An error of this row, to be raised."""
        return DataError(problem, where=self.where, hint=hint)

    def integer(self, column: str, lowest: int = 0, highest: int = 2**31 - 1, hint: str = CORRECT_ROW) -> int | None:
        """A whole number, also written as 3.0; None where the cell is empty.

        Raises:
            DataError: It is none, or out of range.
        """
        text = self[column]
        if not text:
            return None
        value = as_integer(text)
        if value is None or not lowest <= value <= highest:
            raise self.error(f"{column}: '{text[:40]}' is not a whole number from {lowest} to {highest}", hint)
        return value


def as_integer(text: str) -> int | None:
    """The whole number that a text is, 3.0 and 3,0 among them; None where it is none."""
    text = text.replace("\u2212", "-")
    return int(re.split("[.,]", text)[0]) if _INTEGER.fullmatch(text) else None


def as_number(text: str) -> float | None:
    """The number that a text is, with a decimal point or comma and any minus sign; None where it is none."""
    text = text.replace("\u2212", "-")
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True)
class TableForm:
    """The columns that a reader knows.

    Attributes:
        what: What the table is called in errors, such as "the table of deployments".
        required: Columns that must be there.
        optional: Further columns. Others are passed over and noted; but one that nearly is a known column which is
            missing is an error, for what it holds would be lost.
        multiline: Columns whose cells may have line breaks in them.
        names: Columns of names, in which NA is one; elsewhere it is R's word for an empty cell.
        hint: What to do where a required column is missing; None: name the columns.
    """

    what: str
    required: Sequence[str] = ()
    optional: Sequence[str] = ()
    multiline: Collection[str] = ()
    names: Collection[str] = ()
    hint: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are known."""
        return (*self.required, *self.optional)


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose columns are known; its rows are read when they are asked for.

    Attributes:
        path: Its file.
        form: What its reader knows of it.
        header: Names of columns: the reader's own for those that it knows, else as they were written; "" for none.
        header_line: The number of the header's row.
        encoding: Of the file.
        delimiter: Between its columns.
        text: All of it.
    """

    path: Path
    form: TableForm
    header: tuple[str, ...]
    header_line: int
    encoding: str
    delimiter: str
    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of columns that have one."""
        return tuple(name for name in self.header if name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the table was read."""
        notes = []
        if passed_over := [name for name in self.columns if name not in self.form.columns]:
            notes.append(f"{self.path.name}: columns that are not known are passed over: {', '.join(passed_over[:10])}")
        if self.encoding in WESTERN:
            word = re.search(r"\w*[^\x00-\x7f]\w*", self.text)
            notes.append(
                f"{self.path.name} is not in UTF-8; it was read as western European ({WESTERN[self.encoding]}'s "
                f"{self.encoding}), with words such as '{word[0][:40] if word else ''}'"
            )
        return tuple(notes)

    def __iter__(self) -> Iterator[Row]:
        """The rows that are not blank.

        Raises:
            DataError: A row is damaged, or has cells beyond the columns.
        """
        places = [(name, place) for place, name in enumerate(self.header) if name]
        for line, cells in _records(self.text, self.delimiter, self.path):
            if line <= self.header_line or not any(cells):
                continue
            values = {name: cells[place] if place < len(cells) else "" for name, place in places}
            if MISSING in cells:
                names = self.form.names
                values = {name: "" if cell == MISSING and name not in names else cell for name, cell in values.items()}
            row = Row(self.path, line, values)
            self._check(row, cells)
            yield row

    @property
    def rows(self) -> list[Row]:
        """All rows; see `__iter__`."""
        return list(self)

    def _check(self, row: Row, cells: Sequence[str]) -> None:
        for place, cell in enumerate(cells):
            # R and pandas put names of rows into a first column without a name: nothing is lost there
            if cell and (place >= len(self.header) or (place and not self.header[place])):
                raise row.error(
                    f"'{cell[:40]}' stands in column {place + 1}, which has no name: there are too many cells",
                    "write decimal points rather than commas, or put cells with commas into quotes",
                )
        if len(cells) == 1 < len(self.columns) and any(sign in cells[0] for sign in (",", ";", "\t")):
            signs = {",": "commas", ";": "semicolons", "\t": "tabs"}.get(self.delimiter, self.delimiter)
            raise row.error(f"it is one cell, but the columns' names are separated by {signs}")
        for name, value in row.cells.items():
            if name not in self.form.multiline and ("\n" in value or "\r" in value):
                raise row.error(f"{name}: there is a line break in the cell; a quotation mark may be missing")


def read_table(path: Path, form: TableForm, max_bytes: int = MAX_BYTES) -> Table:
    """Read a CSV table's columns; rows are read when the table is iterated.

    Args:
        path: The file.
        form: Its columns.
        max_bytes: A larger file is refused.

    Raises:
        DataError: It cannot be read, or its columns are not these.
    """
    text, encoding = read_table_text(path, form.what, max_bytes)
    known = {_key(name): name for name in form.columns}
    text, delimiter = split_separator_line(text)
    delimiter = delimiter or separator(text, lambda cell: _key(cell) in known)
    hint = form.hint or f"its first row names the columns: {', '.join(form.columns)}"
    rows = ((line, [known.get(_key(cell), cell) for cell in cells]) for line, cells in _records(text, delimiter, path))
    line, header = next(((line, cells) for line, cells in rows if any(cells)), (0, []))
    _check_header(path, form, header, hint)
    if missing := [name for name in form.required if name not in header]:
        for below, cells in itertools.islice(rows, ROWS_OF_TITLE):
            if set(form.required) <= set(cells):
                hint = f"they stand in row {below}: delete the rows above"
        raise DataError(f"{form.what} has no column {', '.join(missing)} in its first row", where=path, hint=hint)
    return Table(path, form, tuple(header), line, encoding, delimiter, text)


def _check_header(path: Path, form: TableForm, names: Sequence[str], hint: str) -> None:
    """Refuse a header with a name twice, or with one that nearly is another."""
    if not names:
        raise DataError(f"{form.what} is empty", where=path, hint=hint)
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{form.what} has {len(names):,} columns", where=path, hint=hint)
    twice = next((name for place, name in enumerate(names) if name and name in names[:place]), None)
    if twice:
        raise DataError(f"{form.what} has the column {twice} twice", where=path, hint="keep one of the two")
    absent = {_key(name): name for name in form.columns if name not in names}
    for name in names:
        near = (
            difflib.get_close_matches(_key(name), absent, n=1, cutoff=0.8) if name and name not in form.columns else []
        )
        if near:
            raise DataError(
                f"unknown column '{name[:80]}'; did you mean {absent[near[0]]}?", where=path, hint="correct its name"
            )


def _key(name: str) -> str:
    """What names of columns are compared by: without case, spaces, and what R puts in their place."""
    return re.sub(r"[\s._\-]+", "", name).casefold()


def _records(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers as a spreadsheet counts them, blank ones among them; cells without space around."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for line in itertools.count(1):
        where = f"{path} row {line}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            large = "field larger" in str(error)
            problem = _LARGE if large else "quotation marks do not come in pairs"
            hint = "look from that row on: " + ("shorten it" if large else "close them, or write two within a cell")
            raise DataError(problem, where=where, hint=hint) from error
        if cells is None:
            return
        if any(len(cell) > MAX_CELL for cell in cells):  # other libraries lift the module's own limit
            raise DataError(_LARGE, where=where, hint="shorten it")
        yield line, [unguard(cell.strip()) for cell in cells]
