"""The text of a CSV file and what separates its columns, whichever spreadsheet or program wrote it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from backbones.errors import DataError
from detector.base.files import read_bytes
from detector.base.tables.workbooks import workbook_text

MAX_BYTES = 64 << 20  # tables of people are smaller; another tool's dump of everything is not meant
LONGEST_HEADER = 1 << 17  # characters that are searched for what separates columns
SEPARATORS = (",", ";", "\t")

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WORKBOOK = "workbook"
WESTERN = {"cp1252": "Windows", "mac-roman": "Mac"}
_WORKBOOK, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_SAVE = "save it as CSV UTF-8 (in Excel: Save As, CSV UTF-8)"
_SEP_LINE = re.compile(r'"?sep=(.)"?[,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_UTF8_LETTER = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Hebrew, Cyrillic or Greek in a code page of one byte a letter looks like this when it is read as western European:
# whole words of accented letters, or signs within words
_NOT_WESTERN = re.compile(r"(?<![^\W\d_])(?:(?![A-Za-z])[^\W\d_]){2,}(?![^\W\d_])|[^\W\d_][¡-©«-¹»-¿×÷][^\W\d_]")


def read_table_text(path: Path, what: str, max_bytes: int = MAX_BYTES) -> tuple[str, str]:
    """The text of a table, and the name of its encoding: UTF-8, UTF-16 or UTF-32, else of `WESTERN`; or `WORKBOOK`.

    Args:
        path: The file.
        what: What it is called in errors, such as "the table of deployments".
        max_bytes: A larger file is refused before it is read.

    Raises:
        DataError: It cannot be read, is too large, or its encoding cannot be recognised.
    """
    data = read_bytes(path, max_bytes=max_bytes, what=what.removeprefix("the "))
    if data.startswith(_WORKBOOK):
        return workbook_text(data, path, what, max_bytes), WORKBOOK
    if data.startswith(_OLD_WORKBOOK):
        raise DataError(f"{what} is an old Excel workbook (XLS), not CSV", where=path, hint=_SAVE)
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} cannot be read: it is not in UTF-8, nor in another encoding that can be recognised",
            where=path,
            hint=_SAVE,
        ) from error
    if encoding in WESTERN:
        if broken := _UTF8_LETTER.search(data):
            line = data.count(b"\n", 0, broken.start()) + 1
            raise DataError(
                f"{what} is damaged: it is UTF-8 in places (line {line}), and not in others", where=path, hint=_SAVE
            )
        if _NOT_WESTERN.search(text):
            raise DataError(
                f"{what} cannot be read: it is not in UTF-8, and its letters are not western European",
                where=path,
                hint=_SAVE,
            )
    text = text.lstrip("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{what} is damaged: there is a NUL byte in line {line}", where=path, hint="restore the file")
    return text, encoding


def _encoding(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding
    head = data[:64]
    if len(head) >= 4:  # column names are in ASCII: every other byte of UTF-16 is 0
        if not any(head[1::2]) and all(head[::2]):
            return "utf-16-le"
        if not any(head[::2]) and all(head[1::2]):
            return "utf-16-be"
    try:
        codecs.lookup("utf-8").decode(data)
    except UnicodeDecodeError:
        # Excel on a Mac ends lines as Macs once did, and writes its letters so too
        return "mac-roman" if b"\r" in data and b"\n" not in data else "cp1252"
    return "utf-8"


def split_separator_line(text: str) -> tuple[str, str | None]:
    """The text without Excel's line `sep=;`, which is no row; and the separator that it names, or None."""
    match = _SEP_LINE.match(text)
    return (text[match.end() :], match[1]) if match else (text, None)


def separator(text: str, known: Callable[[str], bool]) -> str:
    """What separates the columns: that of `SEPARATORS` by which most cells of the first row are `known`."""

    def score(delimiter: str) -> tuple[int, int]:
        header = first_row(text, delimiter)
        return sum(map(known, header)), len(header)

    return max(SEPARATORS, key=score)


def first_row(text: str, delimiter: str) -> Sequence[str]:
    """The cells of the first row that is not blank; none where there is no such row."""
    rows = csv.reader(io.StringIO(text[:LONGEST_HEADER], newline=""), delimiter=delimiter)
    return next((row for row in rows if any(cell.strip(" ,;\t") for cell in row)), [])
