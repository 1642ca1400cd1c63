"""Excel workbooks as the text of a CSV table, so that one reader takes both."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from backbones.errors import DataError
from detector.base.tables.formulas import guard

MAX_UNPACKED_BYTES = 1 << 30  # of all that is packed in a workbook
_MEND = "open it in Excel and save it again, or save the sheet as CSV UTF-8"


def workbook_text(data: bytes, path: Path, what: str, max_chars: int) -> str:
    """The cells of a workbook's first sheet as CSV: dates by ISO, formulas by the values that were saved with them.

    Args:
        data: The file.
        path: Where it is, for errors.
        what: What it is called in errors, such as "the table of deployments".
        max_chars: A larger table is refused.

    Raises:
        DataError: It is no workbook of Excel's, is damaged, or is too large.
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = set(packed.namelist())
            unpacked = sum(member.file_size for member in packed.infolist())
        if "xl/workbook.xml" not in names:
            raise DataError(f"{what} is no workbook of Excel's", where=path, hint="save it as XLSX or as CSV UTF-8")
        if unpacked > MAX_UNPACKED_BYTES:
            raise DataError(f"{what} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB", where=path, hint=_MEND)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its size is a claim
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for row in _rows(sheet):
            writer.writerow(row)
            if text.tell() > max_chars:
                raise DataError(f"{what} is larger than {max_chars / 1e6:.0f} MB", where=path, hint="give it alone")
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers and constructors do
        raise DataError(f"{what} is a damaged workbook ({type(error).__name__})", where=path, hint=_MEND) from error
    return text.getvalue()


def _rows(sheet: Any) -> Iterator[list[str]]:
    return ([guard(_text(cell)) for cell in row] for row in sheet.iter_rows(values_only=True))


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, datetime):
        return cell.isoformat(" ") if cell.time() != time() else cell.date().isoformat()
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
