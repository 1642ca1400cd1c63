"""results.csv, files.csv and repeats.csv: tables for Excel, R and Python; their columns are those of `rows`.

UTF-8 with a byte order mark, by which Excel shows Hebrew; R reads them with `readr::read_csv`, or with
`read.csv(..., fileEncoding = "UTF-8-BOM")`.
"""

from __future__ import annotations

from pathlib import Path

from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import write_csv_table
from detector.exports.tables.rows import (
    FILE_COLUMNS,
    REPEAT_COLUMNS,
    RESULT_COLUMNS,
    file_rows,
    repeat_rows,
    result_rows,
)


def write_csv(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write results.csv, a row a detection; files.csv, a row a file; and repeats.csv, a row a thing that stands still.

    In repeats.csv a person writes `real` or `nothing` under `verdict`, and gives it to `hoopoe decide --reviews`.
    """
    tables = [
        write_csv_table(folder / "results.csv", RESULT_COLUMNS, result_rows(source, options), bom=True),
        write_csv_table(folder / "files.csv", FILE_COLUMNS, file_rows(source, options), bom=True),
    ]
    repeats = write_csv_table(folder / "repeats.csv", REPEAT_COLUMNS, repeat_rows(source, options), bom=True)
    return [*tables, repeats] if any(source.repeats()) else tables
