"""Values of table cells, and how CSV writes them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO

from detector.base.tables.formulas import guard
from detector.exports.files import whole_text

Cell = str | int | float | bool | date | time | None


def as_text(cell: Cell) -> Cell:
    """A cell as the csv module takes it; booleans as both R and Excel read them."""
    write = _WRITERS.get(type(cell))
    return cell if write is None else write(cell)


_WRITERS: dict[type, Callable[[Any], str]] = {  # other types csv writes as they should be, None as nothing
    str: guard,
    bool: lambda cell: "TRUE" if cell else "FALSE",
    time: lambda cell: cell.isoformat("seconds"),
    datetime: lambda cell: cell.isoformat(" ", "seconds"),
    date: date.isoformat,
}


def write_csv_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, bom: bool) -> Path:
    """Write a CSV file by RFC 4180, row by row."""
    with whole_text(path, bom=bom) as out:
        add = csv_writer(out)
        add(header)
        for row in rows:
            add(row)
    return path


def csv_writer(out: TextIO) -> Callable[[Sequence[Cell]], None]:
    """What writes a row as RFC 4180 has it."""
    write = csv.writer(out).writerow

    def add(row: Sequence[Cell]) -> None:
        write([as_text(cell) for cell in row])

    return add


def rounded(value: float | None, digits: int) -> float | None:
    """A float32 of the store without the digits that it does not have."""
    return None if value is None else round(float(value), digits)


def with_offset(moment: datetime | None, utc_offset_min: int | None) -> str | None:
    """ISO 8601, 2024-03-01T06:30:00+02:00; without the offset where none is known."""
    if moment is None:
        return None
    if utc_offset_min is not None:
        moment = moment.replace(tzinfo=timezone(timedelta(minutes=utc_offset_min)))
    return moment.isoformat(timespec="seconds")
