"""One reader for every table that a spreadsheet, R or a person writes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import DataError
from detector.base.tables.formulas import guard, unguard
from detector.base.tables.reader import Table, TableForm, as_integer, as_number, read_table
from detector.base.tables.text import MAX_BYTES

HEADER, ROWS = ["class_name", "folder", "box"], [["Café", "a, b", "1"], ["Öl", 'say "x"', "22"]]


def read(path: Path, data: bytes | str, encoding: str = "utf-8", max_bytes: int = MAX_BYTES, **more: object) -> Table:
    path.write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
    options: dict = {"required": ["class_name"], "optional": ["folder", "box", "comment"]} | more
    return read_table(path, TableForm("the table", **options), max_bytes)


def text_of(delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL, ending: str = "\r\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=ending).writerows([HEADER, *ROWS])  # type: ignore[arg-type]
    return out.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", " , ,\n"])
def test_an_empty_file_is_no_table_and_a_header_alone_is_one_without_rows(path: Path, text: str) -> None:
    with pytest.raises(DataError, match="the table is empty"):
        read(path, text)
    assert read(path, "class_name").rows == []
    assert read(path, "class_name,folder\n,\n , \n\n").rows == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_encodings_separators_and_quotes_are_told_apart(
    path: Path, encoding: str, delimiter: str, quoting: int
) -> None:
    for ending in ("\n", "\r\n", *(["\r"] if encoding != "cp1252" else [])):
        table = read(path, text_of(delimiter, quoting, ending), encoding)
        assert [[row[name] for name in HEADER] for row in table] == ROWS
        assert [row.line for row in table] == [2, 3]
        assert (table.delimiter, "cp1252" in str(table.notes)) == (delimiter, encoding == "cp1252")


def test_a_macs_letters_are_told_by_its_ends_of_lines(path: Path) -> None:
    table = read(path, text_of(ending="\r"), "mac-roman")
    assert [[row[name] for name in HEADER] for row in table] == ROWS
    assert "mac-roman" in table.notes[0]


@pytest.mark.parametrize("sign", [";", ",", "\t", "|"])
def test_excels_separator_line_is_no_row(path: Path, sign: str) -> None:
    table = read(path, f"sep={sign}\r\n" + text_of(sign))
    assert [(row.line, row["folder"]) for row in table] == [(2, "a, b"), (3, 'say "x"')]


@pytest.mark.parametrize("name", ["class_name", " Class Name ", "CLASS.NAME", "className", '"class_name"'])
def test_names_of_columns_are_taken_in_any_case_and_spacing(path: Path, name: str) -> None:
    table = read(path, f"Notes by Ann,{name},\nx,Öl,\n")
    assert [row["class_name"] for row in table] == ["Öl"]
    assert "Notes by Ann" in table.notes[0]


def test_rs_column_of_row_names_and_its_na_are_nothing(path: Path) -> None:
    text = '"","class_name","box","folder"\n"1","Öl",2.0,NA\n"2",NA,NA,"NA"\n'
    rows = [(row["class_name"], row.integer("box"), row["folder"]) for row in read(path, text)]
    assert rows == [("Öl", 2, ""), ("", None, "")]
    rows = [(row["class_name"], row.integer("box"), row["folder"]) for row in read(path, text, names=["folder"])]
    assert rows == [("Öl", 2, "NA"), ("", None, "NA")]


def test_blank_rows_are_counted_as_a_spreadsheet_counts_them(path: Path) -> None:
    rows = read(path, 'class_name,comment\n\na,"two\nlines"\n,,,\nb,\nc\n', multiline=["comment"]).rows
    assert [(row.line, row["class_name"], row["comment"]) for row in rows] == [
        (3, "a", "two\nlines"), (5, "b", ""), (6, "c", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("class_name,box\na,1\nb,2,3\n", r"row 3: '3' stands in column 3, which has no name"),
        ("class_name,box,\nb,2,3\n", r"row 2: '3' stands in column 3"),
        ("class_name,box\na;1\n", r"row 2: it is one cell, but the columns' names are separated by commas"),
        ("class_name,box,Box\na,1,2\n", "the column box twice"),
        ("class_name,boxx\na,1\n", "unknown column 'boxx'; did you mean box?"),
        ("Species of 2024,\n\nclass_name,box\na,1\n", "no column class_name in its first row; they stand in row 3"),
        ("klass_name,box\na,1\n", "unknown column 'klass_name'; did you mean class_name?"),
        ("klass,box\na,1\n", "no column class_name in its first row; its first row names"),
        ('class_name,box\na,1\n"b,2\nc,3\n', "row 3: quotation marks do not come in pairs"),
        ('class_name,box\n"a,1\nb,2\nc",3\n', "row 2: class_name: there is a line break"),
        ('class_name,box\n"a"b,1\n', "row 2: quotation marks"),
        ("class_name,box\na,\0\n", "NUL byte in line 2"),
        (f"class_name\n{'x' * 131_073}\n", "row 2: a cell has more than 131,072 characters"),
        ("," * 5000, "is empty|columns"),
        (b"PK\x03\x04....", "a damaged workbook"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        ("class_name\nצפון".encode("cp1255"), "not in UTF-8"),
        ("class_name\nСорока".encode("cp1251"), "not in UTF-8"),
        ("class_name\nŁąka wąska".encode("cp1250"), "not in UTF-8"),
        (b"class_name\n\x81", "not in UTF-8"),
        ("class_name\nÉtang".encode() + b"\xb4", "it is UTF-8 in places .line 2., and not in others"),
        ("class_name".encode("utf-16")[:-1], "not in UTF-8"),
    ],
)
def test_what_cannot_be_taken_in_one_way_names_the_row(path: Path, text: bytes | str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read(path, text).rows  # noqa: B018
    assert caught.value.where is not None
    assert caught.value.where.startswith(str(path))
    assert caught.value.hint


def test_folders_missing_and_large_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder"):
        read_table(tmp_path, TableForm("the table", ["a"]))
    with pytest.raises(DataError, match=r"nothing\.csv"):
        read_table(tmp_path / "nothing.csv", TableForm("the table", ["a"]))
    with pytest.raises(DataError, match="bytes"):
        read(tmp_path / "t.csv", "class_name\n" + "x\n" * 1000, max_bytes=1000)


def test_large_cells_are_refused_also_where_another_library_takes_them(path: Path) -> None:
    before = csv.field_size_limit(1 << 30)
    try:
        with pytest.raises(DataError, match="row 3: a cell has more than 131,072 characters"):
            read(path, f"class_name\na\n{'x' * 131_073}\n").rows  # noqa: B018
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0.0", 0), ("3,0", 3), ("+7", 7), ("007", 7), ("1.5", None), ("1e3", None), ("nan", None), ("", None),
     ("1_0", None), ("٣", None), ("-4.", -4), ("9" * 400, None)],
)  # fmt: skip
def test_whole_numbers_may_have_a_point_and_zeros(text: str, value: int | None) -> None:
    assert as_integer(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("31,5", 31.5), ("31.5", 31.5), ("\u221231.5", -31.5), ("1e-3", 0.001), (",5", 0.5), ("1.234,5", None),
     ("nan", None), ("inf", None), ("1 000", None), ("31.5°", None), ("", None), (".", None)],
)  # fmt: skip
def test_numbers_may_have_a_decimal_comma(text: str, value: float | None) -> None:
    assert as_number(text) == value


@pytest.mark.parametrize("text", ["x", "-1", "1e308", "nan", "2147483648", "9" * 30])
def test_numbers_out_of_range_name_row_and_column(path: Path, text: str) -> None:
    [row] = read(path, f"class_name,box\na,{text}\n").rows
    with pytest.raises(DataError, match=r"t\.csv row 2: box: '.*' is not a whole number from 0 to 2147483647"):
        row.integer("box")
    assert row.integer("folder") is None


@given(st.text())
def test_the_guard_against_formulas_is_taken_off_as_it_was_put_on(text: str) -> None:
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\ufeff"), max_size=8).map(
    str.strip
)


@given(st.lists(st.tuples(cells.filter(bool), cells, cells), max_size=6), st.sampled_from([",", ";", "\t"]))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], sign: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign)
    writer.writerows([HEADER, *([guard(cell) for cell in row] for row in rows)])
    table = read(tmp_path_factory.mktemp("t") / "t.csv", out.getvalue())
    assert [tuple(row[name] for name in HEADER) for row in table] == rows
