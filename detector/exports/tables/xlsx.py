"""results.xlsx: the tables of `tables` as an Excel workbook, row by row.

A sheet of Excel holds 1,048,576 rows; what does not fit goes on in further sheets (results 2, results 3 ...). Texts are
written as texts, so that no file name becomes a formula or a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from detector.base.files import atomic_path
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import Cell
from detector.exports.tables.rows import FILE_COLUMNS, RESULT_COLUMNS, file_rows, result_rows

ROWS_A_SHEET = 1_048_576  # Excel's limit, with the header
LONGEST_TEXT = 32_767  # Excel's limit of a cell
WIDE_COLUMNS = ("file", "display_name", "timestamp", "scientific_name", "english_name", "hebrew_name", "species")


def write_xlsx(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write results.xlsx, with the sheets results and files."""
    from xlsxwriter import Workbook

    path = folder / "results.xlsx"
    with atomic_path(path) as unfinished:
        settings = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        with Workbook(str(unfinished), settings | {"tmpdir": str(folder)}) as book:
            _write_sheets(book, "results", RESULT_COLUMNS, result_rows(source, options))
            _write_sheets(book, "files", FILE_COLUMNS, file_rows(source, options))
    return [path]


def _write_sheets(
    book: Any, name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], limit: int = ROWS_A_SHEET
) -> None:
    formats = {
        date: book.add_format({"num_format": "yyyy-mm-dd"}),
        time: book.add_format({"num_format": "hh:mm:ss"}),
        datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    sheet, number, place = None, 0, limit
    for row in rows:
        if place == limit:
            number += 1
            sheet, place = _add_sheet(book, f"{name} {number}" if number > 1 else name, header), 1
        for column, cell in enumerate(row):
            _write_cell(sheet, place, column, cell, formats)
        place += 1
    if sheet is None:
        _add_sheet(book, name, header)


def _add_sheet(book: Any, name: str, header: Sequence[str]) -> Any:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 1)
    for column, title in enumerate(header):
        if title in WIDE_COLUMNS:
            sheet.set_column(column, column, 28)
    bold = book.add_format({"bold": True})
    for column, title in enumerate(header):
        sheet.write_string(0, column, title, bold)
    return sheet


def _write_cell(sheet: Any, row: int, column: int, cell: Cell, formats: dict[type, Any]) -> None:
    if cell is None:
        return
    if isinstance(cell, str):
        sheet.write_string(row, column, cell[:LONGEST_TEXT])
    elif isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, (int, float)):
        sheet.write_number(row, column, cell)
    else:
        sheet.write_datetime(row, column, cell, formats[type(cell)])
