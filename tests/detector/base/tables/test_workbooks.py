"""A workbook says what the same table says as CSV."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import pytest
from openpyxl import Workbook

from backbones.errors import DataError
from detector.base.tables.reader import TableForm, read_table

COLUMNS = ["name", "box", "seen", "said"]


def write(path: Path, rows: list[list[object]]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("another").append(["of no account"])
    book.save(path)
    return path


def cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, dict(row.cells)) for row in read_table(path, TableForm("the table", COLUMNS))]


def test_empty_workbook_is_an_empty_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        cells(write(tmp_path / "a.xlsx", []))
    assert cells(write(tmp_path / "b.xlsx", [COLUMNS])) == []


def test_cells_are_what_a_person_sees(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.xlsx",
        [
            COLUMNS,
            ["דוכיפת", 3.0, datetime(2024, 5, 1, 6, 30), True],
            [],
            ['-a, "b"; c', -2.5, date(2024, 5, 1), time(6, 30)],
            ["'=x", None, datetime(2024, 5, 1), False],
        ],
    )
    assert cells(path) == [
        (2, {"name": "דוכיפת", "box": "3", "seen": "2024-05-01 06:30:00", "said": "TRUE"}),
        (4, {"name": '-a, "b"; c', "box": "-2.5", "seen": "2024-05-01", "said": "06:30:00"}),
        (5, {"name": "'=x", "box": "", "seen": "2024-05-01", "said": "FALSE"}),
    ]


def test_damaged_and_foreign_archives_are_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.xlsx", [COLUMNS, ["a", 1, None, None]]).read_bytes()
    for number, data in enumerate((whole[:-60], whole[:200])):
        path = tmp_path / f"{number}.xlsx"
        path.write_bytes(data)
        with pytest.raises(DataError, match="damaged workbook"):
            cells(path)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("content.xml", "<office/>")
    (tmp_path / "a.ods").write_bytes(other.getvalue())
    with pytest.raises(DataError, match="no workbook of Excel"):
        cells(tmp_path / "a.ods")


def test_workbook_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.xlsx", [COLUMNS, ["a" * 30_000, 1, None, None]])
    monkeypatch.setattr("detector.base.tables.workbooks.MAX_UNPACKED_BYTES", 10_000)
    with pytest.raises(DataError, match="unpacks to more"):
        cells(path)
