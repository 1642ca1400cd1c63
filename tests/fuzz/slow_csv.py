"""An independent, slow reader of CSV: all that a file can mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

Grid = list[list[str]]


def grid_of(text: str, delimiter: str) -> Grid:
    """Records of RFC 4180, one sign after the other; cells without space around."""
    rows: Grid = []
    row: list[str] = []
    cell, quoted, at = "", False, 0
    while at < len(text):
        sign = text[at]
        if quoted:
            if sign == '"' and text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            elif sign == '"':
                quoted = False
            else:
                cell += sign
        elif sign == '"' and not cell:
            quoted = True
        elif sign == delimiter:
            row, cell = [*row, cell], ""
        elif sign in "\r\n":
            at += text[at : at + 2] == "\r\n"
            rows, row, cell = [*rows, [*row, cell]], [], ""
        else:
            cell += sign
        at += 1
    if row or cell:
        rows.append([*row, cell])
    return [[plain(each) for each in row] for row in rows]


def plain(cell: str) -> str:
    """A cell without space around, and without the apostrophe that guards formulas."""
    cell = cell.strip()
    return cell[1:] if re.match(r"'+[=+\-@]", cell) else cell


def texts_of(data: bytes) -> list[str]:
    """All that the bytes can be."""
    texts = []
    for encoding in ("utf-8-sig", "utf-32", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac-roman"):
        try:
            texts.append(data.decode(encoding).lstrip("\ufeff"))
        except UnicodeDecodeError:
            continue
    return texts


def value(column: str, cell: str) -> str:
    """A cell; R's NA is an empty one, but where names stand."""
    return "" if cell == "NA" and column not in ("deploymentID", "card", "folder", "class_name") else cell


def key(name: str) -> str:
    return re.sub(r"[\s._\-]", "", name).lower()


@dataclass(frozen=True)
class Reading:
    """What the slow reader makes of a file: records by the reader's names of columns, with row numbers."""

    records: list[tuple[int, dict[str, str]]]
    strangers: list[str]

    @classmethod
    def of(cls, text: str, delimiter: str, known: Sequence[str]) -> Reading | None:
        names_of = {key(name): name for name in known}
        rows = [(line, row) for line, row in enumerate(grid_of(text, delimiter), 1) if any(row)]
        if not rows:
            return None
        header = [names_of.get(key(cell), cell) for cell in rows[0][1]]
        for _, row in rows[1:]:
            if any(cell and (place >= len(header) or (place and not header[place])) for place, cell in enumerate(row)):
                return None  # a cell that no column holds would be lost
        records = [
            (line, {name: value(name, [*row, *[""] * len(header)][place]) for place, name in enumerate(header) if name})
            for line, row in rows[1:]
        ]
        return cls(records, [name for name in header if name and name not in known])


def readings(data: bytes, known: Sequence[str]) -> Iterator[Reading]:
    """What a file can mean, by its encodings and separators."""
    for text in texts_of(data):
        first = re.match(r'"?sep=(.)"?[,;\t]*(\r\n|\r|\n|$)', text, re.IGNORECASE)
        for sign in [first[1]] if first else [",", ";", "\t"]:
            if reading := Reading.of(text[first.end() if first else 0 :], sign, known):
                yield reading


def number(text: str) -> float | None:
    return None if not text else float(text.replace(",", ".").replace("\u2212", "-"))


def degrees(text: str) -> float | None:
    if match := re.fullmatch(r"([NSEW]?) ?([0-9.,]+) ?°? ?([NSEW]?)", text, re.IGNORECASE):
        value = number(match[2])
        return -value if value and (match[1] + match[3]).upper() in ("S", "W") else value
    return number(text)


def date(text: str) -> datetime | None:
    if match := re.match(r"(\d+)/(\d+)/(\d{4})$", text):
        day, month = sorted((int(match[1]), int(match[2])), reverse=True)
        return datetime(int(match[3]), month, day)
    text = re.sub(r"([- T])(\d)(?!\d)", r"\g<1>0\2", text)
    return datetime.fromisoformat(text) if text else None
