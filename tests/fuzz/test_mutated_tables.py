"""Tables that were saved in another way, or damaged: each is read right, or refused with file, record and mend."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backbones.errors import DataError
from detector.species.bar_chart import FrequencyTable
from tests.fuzz.tables import KINDS, chart_text, written

FEW, MANY = 80, 2500  # mutations of each kind of table


def saved_otherwise(kind: str, draw: random.Random) -> bytes:
    """The same table as another program saves it."""
    grid = [list(row) for row in KINDS[kind].grid]
    ending = draw.choice(["\r\n", "\n", "\r"])
    encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "mac-roman" if ending == "\r" else "cp1252"])
    if kind == "chart":
        if draw.random() < 0.5:
            grid = [row[:-1] if row[-1:] == [""] and len(row) > 1 else row for row in grid]  # no trailing tabs
        if draw.random() < 0.5:
            grid[4][0] = draw.choice(["Stichprobengröße:", "Tamaño de la muestra:", " Sample Size:"])
        text = chart_text([[""]] * draw.randrange(4) + grid, ending)
        return text.encode(encoding)
    delimiter = draw.choice([",", ";", "\t"])
    if delimiter != "," and draw.random() < 0.5:
        numbers = [place for place, name in enumerate(grid[0]) if name in ("latitude", "longitude", "frequency")]
        grid[1:] = [
            [cell.replace(".", ",") if at in numbers else cell for at, cell in enumerate(row)] for row in grid[1:]
        ]
    if draw.random() < 0.3:
        whole = [place for place, name in enumerate(grid[0]) if name in ("period", "frame_number", "box")]
        grid[1:] = [[f"{cell}.0" if at in whole and cell else cell for at, cell in enumerate(row)] for row in grid[1:]]
    if draw.random() < 0.3:
        order = draw.sample(range(len(grid[0])), len(grid[0]))
        grid = [[row[place] for place in order] for row in grid]
    if draw.random() < 0.3:
        change = draw.choice([str.upper, str.lower, lambda name: f"  {name} ", lambda name: name.replace("_", ".")])
        grid[0] = [change(name) for name in grid[0]]
    if draw.random() < 0.3:
        grid = [["" if not line else str(line), *row] for line, row in enumerate(grid)]  # R's names of rows
    if draw.random() < 0.3:
        grid = [[*row, *[""] * draw.randrange(1, 4)] for row in grid]
    if draw.random() < 0.3:
        grid.insert(draw.randrange(1, len(grid) + 1), [""] * draw.randrange(1, 4))
    text = written(grid, delimiter, draw.random() < 0.3, ending)
    return (f"sep={delimiter}{ending}" * (draw.random() < 0.3) + text).encode(encoding)


NASTY = (
    *("", " ", "nan", "NaN", "inf", "-inf", "1e308", "1e-400", "-1", "0.0", "99999999999999999999", "1_000", "½"),
    *("9999-12-31", "0001-01-01", "2024-13-45", "01/02/2024", "13/02/2024", "02/13/2024", "1/1/24", "45413.4"),
    *("=1+1", "@x", "'=x", "+02:00", "-5", "NULL", "NA", "#N/A", "TRUE", "\u200f", "\ufeff", "\u2028x", "é", "💥"),
    *("x" * 5000, "x" * 131_073, "a,b", "a;b", "a\tb", 'a"b', '"', '""', "a\nb", "a\rb", "\0", "../..", "C:\\x"),
    *("soon", "0x10", "\ud7ff", "sep=;"),
)  # fmt: skip


def damaged(kind: str, draw: random.Random) -> bytes:
    """The table with one to three things wrong."""
    grid = [list(row) for row in KINDS[kind].grid]
    for _ in range(draw.randrange(3)):
        row = draw.choice(grid)
        place = draw.randrange(len(row))
        action = draw.randrange(6)
        if action == 0:
            row[place] = draw.choice(NASTY)
        elif action == 1:
            del row[place]
        elif action == 2:
            row.insert(place, draw.choice(NASTY))
        elif action == 3:
            grid.insert(draw.randrange(len(grid)), list(row))
        elif action == 4:
            other = draw.choice(grid)
            row[:], other[:] = list(other), list(row)
        else:
            row[place] = draw.choice(draw.choice(grid) or [""])
        if not row:
            row.append("")
    text = chart_text(grid) if kind == "chart" else written(grid, draw.choice([",", ";"]))
    for _ in range(draw.randrange(3)):
        at, until = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        action = draw.randrange(6)
        if action == 0:
            text = text[:at] + text[at + draw.randrange(1, 4) :]
        elif action == 1:
            text = text[:at] + draw.choice(NASTY) + text[at:]
        elif action == 2:
            text = text[:until]
        elif action == 3:
            sign = draw.choice([",", ";", '"', "\n", "\t", "."])
            places = [place for place, each in enumerate(text) if each == sign] or [0]
            place = draw.choice(places)
            text = text[:place] + text[place + 1 :]
        elif action == 4:
            text = text[:at] + draw.choice([",", ";", '"', "\n", "\r", "\t", "."]) + text[at:]
        else:
            text = text[:at] + text[until:]
        text = text or "x"
    data = bytearray(text.encode(draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]), "surrogatepass"))
    for _ in range(draw.choice([0, 0, 0, 1, 3])):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def outcome(kind: str, data: bytes, path: Path) -> tuple[Any, list[str]] | DataError:
    path.write_bytes(data)
    try:
        return KINDS[kind].read(path)
    except DataError as error:
        return error


def check_saved(kind: str, seed: int, path: Path) -> None:
    valid = written(KINDS[kind].grid) if kind != "chart" else chart_text(KINDS[kind].grid)
    expected = outcome(kind, valid.encode(), path)
    assert not isinstance(expected, DataError)
    data = saved_otherwise(kind, random.Random(seed))
    found = outcome(kind, data, path)
    assert not isinstance(found, DataError), f"{kind} {seed}: {found}\n{data!r}"
    if isinstance(found[0], FrequencyTable):
        assert found[0].names == expected[0].names
        np.testing.assert_allclose(found[0].frequencies, expected[0].frequencies)
    elif isinstance(found[0], dict):
        assert list(found[0].values()) == list(expected[0].values()), f"{kind} {seed}: {data!r}"
    else:
        assert found[0] == expected[0], f"{kind} {seed}: {data!r}"


def check_damaged(kind: str, seed: int, path: Path) -> bool:
    """Whether the file was refused; that it was so with file, record and mend, or was read right."""
    data = damaged(kind, random.Random(seed))
    found = outcome(kind, data, path)
    if isinstance(found, DataError):
        assert found.where is not None
        assert found.where.startswith(str(path)), f"{kind} {seed}: {found}"
        assert found.problem, f"{kind} {seed}: {found}"
        assert found.hint, f"{kind} {seed}: {found}"
        return True
    assert KINDS[kind].explains(*found, data), f"{kind} {seed}: {found}\n{data[:3000]!r}"
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_another_program_saved_says_the_same(kind: str, tmp_path: Path) -> None:
    for seed in range(FEW):
        check_saved(kind, seed, tmp_path / "t.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_table_is_read_right_or_refused(kind: str, tmp_path: Path) -> None:
    refused = [check_damaged(kind, seed, tmp_path / "t.csv") for seed in range(FEW)]
    assert 0 < sum(refused) < FEW


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_tables(kind: str, tmp_path: Path) -> None:
    for seed in range(FEW, FEW + MANY):
        check_saved(kind, seed, tmp_path / "t.csv")
        check_damaged(kind, seed, tmp_path / "t.csv")
