"""Valid tables, and whether what an independent slow reader finds in a damaged one explains what the program read.

Each of its records must be in the result, be listed by row, or the file be refused. Nothing may be lost in silence.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from openpyxl import Workbook

from detector.deployments.table import COLUMNS as DEPLOYMENT_COLUMNS
from detector.deployments.table import DETAILS, read_deployments
from detector.species.bar_chart import FrequencyTable, read_frequencies
from detector.species.names.crosswalk import COLUMNS as TAXONOMY_COLUMNS
from detector.species.names.crosswalk import read_crosswalk
from detector.store.reviews.table import read_review_table
from tests.fuzz.harness import Boundary
from tests.fuzz.slow_csv import Grid, Reading, date, degrees, number, readings, texts_of

NOW = datetime(2024, 6, 1)

DEPLOYMENTS = [
    ["deploymentID", "card", "folder", "latitude", "longitude", "timeZone", "kind", "deploymentStart", "deploymentEnd"],
    ["Étang-1", "c1", "north/a", "31.5", "-34.75", "Asia/Jerusalem", "feeder", "2024-05-01 10:00", "2024-06-01"],
    ["pond, big", "c1", "north/b", "52.25", "13.4", "+02:00", "water", "2024-05-02", "2024-06-13 07:03:10"],
    ["003", "c2", "west", "", "", "", "", "", ""],
    ['the "old" nest', "", "east 1", "-0.5", "179.25", "UTC", "nest", "2023-12-31 23:59", "2024-01-02T00:00:30"],
]
REVIEWS = [
    ["media_id", "frame_number", "box", "verdict", "name", "reviewer", "reviewed_at", "comment"],
    ["m0843ad671d172cb", "0", "0", "named", "Upupa epops", "Noémie", "2024-05-13T10:00:00+02:00", "crest, raised"],
    ["m0843ad671d172cb", "0", "1", "nothing", "", "Dan", "2024-05-14 11:30", 'a "leaf"'],
    ["m1111222233334444", "", "", "bird", "", "", "", ""],
    ["m5555666677778888", "30", "2", "animal", "", "Ö", "2024-05-15", "two\nlines"],
]
TAXONOMY = [
    ["class_name", "scientific_name", "english_name", "hebrew_name", "ebird_code", "genus", "family", "order"],
    ["White stork", "Ciconia ciconia", "White Stork", "", "whisto1", "Ciconia", "Ciconiidae", "Ciconiiformes"],
    ["Chevêche d'Athéna", "Athene noctua", "Little Owl", "", "litowl1", "Athene", "Strigidae", "Strigiformes"],
    ["wheatear, any", "Oenanthe", "", "", "", "Oenanthe", "Muscicapidae", "Passeriformes"],
    ["leaf", "-", "", "", "", "", "", ""],
]
PRIOR = [
    ["scientific_name", "period", "frequency"],
    ["Upupa epops", "0", "0.5"],
    ["Upupa epops", "47", "0.125"],
    ["Corvus cornix", "", "0.75"],
    ["Ciconia ciconia", "12", "0.001"],
]


def chart_grid() -> Grid:
    def row(name: str, value: str) -> list[str]:
        return [name, *[value] * 48, ""]

    return [
        [""], ["Number of taxa: ", "5"], [""], ["", "Jan", "", "", "", "Feb"], row("Sample Size:", "120.0"), [""],
        row('Eurasian Hoopoe (<em class="sci">Upupa epops</em>)', "0.5"),
        row('Rock Pigeon (<em class="sci">Columba livia</em>)', "0.25"),
        row('Rock Pigeon (Feral) (<em class="sci">Columba livia (Feral Pigeon)</em>)', "0.125"),
        row('Steller&#39;s Eider (<em class="sci">Polysticta stelleri</em>)', "9.132E-4"),
        row('gull sp. (<em class="sci">Larinae sp.</em>)', "0.5"),
    ]  # fmt: skip


# --- what each reader makes of a file, and whether a reading explains it


def read_all_deployments(path: Path) -> tuple[Any, list[str]]:
    notes: list[str] = []
    rows = read_deployments(path, notes.append)
    found = [
        (row.deployment_id, row.card or "", row.folder, row.latitude, row.longitude, row.kind or "", row.start)
        for row in rows
    ]
    return found, notes


def deployments_of(reading: Reading) -> Any:
    return [deployment_of(row) for _, row in reading.records]


def deployment_of(row: dict[str, str]) -> tuple[Any, ...]:
    folder = row.get("folder", "").replace("\\", "/").strip("/").removeprefix("./")
    place = degrees(row.get("latitude", "")), degrees(row.get("longitude", ""))
    start = date(row.get("deploymentStart", ""))
    return row["deploymentID"], row.get("card", ""), folder, *place, row.get("kind", "").lower(), start


def read_all_reviews(path: Path) -> tuple[Any, list[str]]:
    table = read_review_table(path, NOW)
    found: dict[int, Any] = {
        int(each.where.rpartition(" ")[2]): (
            each.item or "", each.review.frame_number, each.review.box, each.review.verdict, each.review.name or "",
        )
        for each in table.said
    }  # fmt: skip
    for problem in table.wrong:
        match = re.search(r" row (\d+): \S", problem)
        assert match, f"a row is refused without its number: {problem}"
        found[int(match[1])] = "refused"
    return found, list(table.notes)


def reviews_of(reading: Reading) -> Any:
    words = ("verdict", "name", "reviewer", "reviewed_at", "comment")
    return {line: row for line, row in reading.records if any(row.get(word) for word in words)}


def same_reviews(found: Any, expected: Any) -> bool:
    if set(found) != set(expected):
        return False
    for line, row in expected.items():
        if found[line] == "refused":
            continue
        item, frame, box, verdict, name = found[line]
        said = [row.get(column, "") for column in ("media_id", "frame_number", "box", "verdict", "name")]
        if item != said[0] and said[0]:
            return False
        if (frame, box) != (number(said[1]), number(said[2])) and said[0]:
            return False
        if name != said[4] or (said[3].lower() not in (verdict, "blank", "empty", "human", "withdraw", "")):
            return False
    return True


def read_all_taxonomy(path: Path) -> tuple[Any, list[str]]:
    notes: list[str] = []
    return [tuple(getattr(row, name) for name in TAXONOMY_COLUMNS) for row in read_crosswalk(path, notes.append)], notes


def taxonomy_of(reading: Reading) -> Any:
    rows = [tuple(row.get(name, "") for name in TAXONOMY_COLUMNS) for _, row in reading.records]
    return [row for row in rows if any(row)]


def read_all_frequencies(path: Path) -> tuple[Any, list[str]]:
    table = read_frequencies(path)
    return table, list(table.notes)


def prior_of(reading: Reading) -> Any:
    expected: dict[str, dict[str, float]] = {}
    for _, row in reading.records:
        share = row["frequency"].strip()
        value = float(share[:-1].replace(",", ".")) / 100 if share.endswith("%") else number(share)
        assert value is not None
        period = "" if not row["period"] else str(int(float(row["period"].replace(",", "."))))
        expected.setdefault(" ".join(row["scientific_name"].split()), {})[period] = value
    return {
        name: [given.get(str(period), given.get("", 0.0)) for period in range(48)] for name, given in expected.items()
    }


def same_frequencies(found: FrequencyTable, expected: Any) -> bool:
    return list(found.names) == list(expected) and np.allclose(found.frequencies, list(expected.values()), atol=1e-12)


def unescaped(text: str) -> str:
    """Without HTML's entities, but for one of more digits than Python's numbers may have."""
    try:
        return html.unescape(text)
    except ValueError:
        return text


def chart_explains(found: FrequencyTable, text: str, said: str) -> bool:
    """Every line that names a species as a whole is in the result, with its numbers, or is said."""
    expected: dict[str, np.ndarray] = {}
    for line in re.split("\r\n|\r|\n", text):
        label, *cells = line.split("\t")
        marked = re.search(r'<em class="sci">(.*?)</em>', label)
        if marked and re.fullmatch(r"[^\s(\[/]+ [^\s(\[/]+", marked[1]) and not marked[1].endswith((" sp.", " x")):
            try:
                numbers = np.array([number(cell.strip()) for cell in cells if cell.strip()], float)
            except ValueError:
                return False
            if numbers.shape != (48,):
                return False
            if unescaped(label[:40]).strip()[:15] in said:
                continue
            name = " ".join(marked[1].split())
            expected[name] = np.maximum(expected.get(name, 0.0), numbers)
    words = " ".join(unescaped(text).split())
    return all(name in words for name in found.names) and all(
        name in found.names and np.allclose(found.frequencies[found.names.index(name)], values, atol=1e-12)
        for name, values in expected.items()
    )


@dataclass(frozen=True)
class Kind:
    """A kind of table: a valid one, its reader, and what the slow reader expects of it."""

    grid: Grid
    read: Callable[[Path], tuple[Any, list[str]]]
    columns: Sequence[str]
    expected: Callable[[Reading], Any]
    same: Callable[[Any, Any], bool] = lambda found, expected: found == expected

    def explains(self, found: Any, notes: Sequence[str], data: bytes) -> bool:
        said = " ".join(notes)
        if self is KINDS["chart"]:
            return any(chart_explains(found, text, said) for text in texts_of(data))
        for reading in readings(data, self.columns):
            try:
                expected = self.expected(reading)
            except (KeyError, ValueError, AssertionError):
                continue
            if self.same(found, expected) and all(name in said for name in reading.strangers[:10]):
                return True
        return False


KINDS = {
    "deployments": Kind(DEPLOYMENTS, read_all_deployments, (*DEPLOYMENT_COLUMNS, *DETAILS), deployments_of),
    "reviews": Kind(
        REVIEWS, read_all_reviews,
        (*REVIEWS[0], "card", "path", "file", "repeat_group", "kind", "display_name", "scientific_name", "english_name",
         "hebrew_name", "as_exported", "reviewed_by", "needs_review"),
        reviews_of, same_reviews,
    ),
    "taxonomy": Kind(TAXONOMY, read_all_taxonomy, TAXONOMY_COLUMNS, taxonomy_of),
    "prior": Kind(PRIOR, read_all_frequencies, (*PRIOR[0], "other_periods"), prior_of, same_frequencies),
    "chart": Kind(chart_grid(), read_all_frequencies, (), lambda reading: None),
}  # fmt: skip


def written(grid: Grid, delimiter: str = ",", quote_all: bool = False, ending: str = "\r\n") -> str:
    def cell(text: str) -> str:
        quoted = quote_all or any(sign in text for sign in (delimiter, '"', "\r", "\n"))
        return '"' + text.replace('"', '""') + '"' if quoted else text

    return "".join(delimiter.join(map(cell, row)) + ending for row in grid)


def chart_text(grid: Grid, ending: str = "\n") -> str:
    return "".join("\t".join(row) + ending for row in grid)


def _boundary(name: str) -> Boundary:
    kind = KINDS[name]
    valid = chart_text(kind.grid) if name == "chart" else written(kind.grid)

    def read(folder: Path) -> None:
        path = folder / f"{name}.csv"
        found, notes = kind.read(path)
        assert kind.explains(found, notes, path.read_bytes()), f"not what the file says: {found}"

    return Boundary(name, f"{name}.csv", lambda _: [valid.encode()], read, WORDS)


WORDS = tuple(
    word.encode()
    for word in (
        *(
            ",",
            ";",
            "\t",
            '"',
            '""',
            "\r\n",
            "sep=;\n",
            "NA",
            "=1",
            "'",
            "sp.",
            "/",
            " x ",
            "<em class='sci'>",
            "%",
            ".0",
        ),
        *(
            "9999-12-31",
            "0001-01-01",
            "01/02/2024",
            "13/02/2024",
            "\u2028",
            "\ufeff",
            "é",
            "named",
            "unknown",
            "absent",
        ),
    )
)


def _workbook(_: Path) -> list[bytes]:
    book, packed = Workbook(), io.BytesIO()
    for row in DEPLOYMENTS:
        book.active.append(row)
    book.save(packed)
    return [packed.getvalue()]


TABLES = (
    *(_boundary(name) for name in KINDS),
    Boundary("workbook", "t.xlsx", _workbook, lambda folder: read_deployments(folder / "t.xlsx"), WORDS, examples=20),
)
