"""results.csv, files.csv and repeats.csv: tables for Excel, R and Python; their columns are those of `rows`.

UTF-8 with a byte order mark, by which Excel shows Hebrew; R reads them with `readr::read_csv`, or with
`read.csv(..., fileEncoding = "UTF-8-BOM")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from detector.exports.files import whole_text
from detector.exports.names import FileNames
from detector.exports.parted.parts import WrittenSlice
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import csv_writer, write_csv_table
from detector.exports.tables.rows import (
    FILE_COLUMNS,
    REPEAT_COLUMNS,
    RESULT_COLUMNS,
    file_row,
    repeat_rows,
    result_row,
)

_COLUMNS = {"results": RESULT_COLUMNS, "files": FILE_COLUMNS}


def write_csv(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write results.csv, a row a detection; files.csv, a row a file; and repeats.csv, a row a thing that stands still.

    In repeats.csv a person writes `real` or `nothing` under `verdict`, and gives it to `hoopoe decide --reviews`.
    """
    return _write_tables(source, folder, options, [None])


class CsvParts:
    """The same in slices."""

    texts = tuple(_COLUMNS)

    def write(self, source: ExportSource, options: ExportOptions, out: Mapping[str, TextIO]) -> None:
        """The rows of a slice."""
        _write_rows(source, options, out)

    def join(
        self, source: ExportSource, folder: Path, options: ExportOptions, written: Iterator[WrittenSlice]
    ) -> list[Path]:
        """The tables, of the rows of all slices."""
        return _write_tables(source, folder, options, written)


def _write_tables(
    source: ExportSource, folder: Path, options: ExportOptions, slices: Iterable[WrittenSlice | None]
) -> list[Path]:
    """Write the tables of slices; None: the rows of the source."""
    paths = [folder / f"{name}.csv" for name in _COLUMNS]
    with ExitStack() as stack:
        out = {path.stem: stack.enter_context(whole_text(path, bom=True)) for path in paths}
        for name, columns in _COLUMNS.items():
            csv_writer(out[name])(columns)
        for one in slices:
            if one is None:
                _write_rows(source, options, out)
            else:
                for name in _COLUMNS:
                    one.copy(name, out[name])
    repeats = write_csv_table(folder / "repeats.csv", REPEAT_COLUMNS, repeat_rows(source, options), bom=True)
    return [*paths, repeats] if any(source.repeats()) else paths


def _write_rows(source: ExportSource, options: ExportOptions, out: Mapping[str, TextIO]) -> None:
    names = FileNames(source.run.cards)
    add_result, add_file = csv_writer(out["results"]), csv_writer(out["files"])
    for record in source.media():
        shown = record.shown(options.score_threshold)
        for found in shown:
            add_result(result_row(record, found, names))
        add_file(file_row(record, shown, names))
