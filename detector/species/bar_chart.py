"""Reading how often species are seen: eBird's bar-chart export as a birder downloads it, or a CSV.

The bar chart is tab-separated text with 48 periods a year. Source of the format: auk's R/process_barcharts.R and
inst/extdata/barchart-sample.txt (https://github.com/CornellLabofOrnithology/auk).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.tables.reader import Row, TableForm, as_number, read_table, some
from detector.base.tables.text import read_table_text
from detector.species.names.crosswalk import shipped_crosswalk

PERIODS = 48
CSV_COLUMNS = ("scientific_name", "period", "frequency")
OTHER_PERIODS = "other_periods"  # of the CSV: what is true of periods without a row
ABSENT, UNKNOWN = "absent", "unknown"
WHAT = "the prior"
LONGEST_LABEL = 1000  # of a row; names are shorter

_MARKED = re.compile(r"""<em[^>]*class=["']*sci["']*[^>]*>(.*?)</em>""", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_][\w\s.,'’()\[\]/×-]*")
_BRACKETS = re.compile(r"[\[(][^\])]*[\])]?")  # "(Feral Pigeon)", "[oreganus Group]"
_CROSSES = ("x", "×")
_MEND_NAMES = "in eBird's preferences, show species names as common and scientific, and download the bar chart again"
_MEND_CHART = "download the bar chart again, and do not edit it"
_MEND_CSV = f"periods are 0 (1-7 January) to {PERIODS - 1} (22-31 December), frequencies 0 to 1"


@dataclass(frozen=True, eq=False)
class FrequencyTable:
    """Frequencies as a file has them.

    Attributes:
        names: Scientific names of species (S,), each once.
        frequencies: float64 (S, 48), the share of checklists that report the species; NaN where it is not given.
        sample_sizes: float64 (48,), the checklists of each period, 0: nothing is known; None where they are not given.
        notes: What a person should know of how the file was read.
    """

    names: tuple[str, ...]
    frequencies: NDArray[np.float64]
    sample_sizes: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()


def read_frequencies(path: Path) -> FrequencyTable:
    """Read either kind of file; the content decides which.

    A bar chart's rows of no single species ("gull sp.", slashes, hybrids) are left out. Subspecies and groups count
    only where their species has no row of its own, for that row counts them already; then they are added up.

    In a CSV, `period` is 0 to 47 (`priors.period_of`), or empty for all periods without a row of their own. A species
    with rows for some periods only is absent in the others, unless `other_periods` says `unknown` in one of its rows.

    Raises:
        DataError: The file is neither, a value is no frequency, it names no species, or a bar chart has no scientific
            names.
    """
    text, _ = read_table_text(path, WHAT)
    lines = re.split("\r\n|\r|\n", text)
    sizes = next((number for number, line in enumerate(lines) if _is_sample_size(line)), None)
    table = _csv(path) if sizes is None else _bar_chart(lines, sizes, path)
    if not table.names:
        raise DataError("the prior names no species", where=path, hint="give a list with species on it")
    return table


def _is_sample_size(line: str) -> bool:
    """Whether a line has the numbers of checklists: in any language, the first of 48 numbers, with one over 1."""
    label, *cells = line.rstrip("\t ").split("\t")
    if label.strip().lower().startswith("sample size"):
        return True
    values = [as_number(cell.strip()) for cell in cells]
    return (
        len(values) == PERIODS
        and _scientific_name(label) is None
        and all(value is not None for value in values)
        and max(value or 0 for value in values) > 1
    )


def _bar_chart(lines: Sequence[str], header: int, path: Path) -> FrequencyTable:
    sizes = _values(lines[header].split("\t")[1:], f"{path} line {header + 1}", highest=np.inf)
    for number, line in enumerate(lines[:header], 1):
        if _scientific_name(line.split("\t")[0]) is not None:
            raise DataError("a species stands above the sample sizes", where=f"{path} line {number}", hint=_MEND_CHART)
    species: dict[str, NDArray[np.float64]] = {}
    parts: dict[str, NDArray[np.float64]] = {}
    nameless = []
    for number, line in enumerate(lines[header + 1 :], header + 2):
        label, *cells = line.split("\t")
        scientific = _scientific_name(label)
        if not any(cell.strip() for cell in cells) and scientific is None and "<" not in label:
            continue  # a blank line, or a remark; but a name with its mark was cut off
        values = _values(cells, f"{path} line {number}")
        if scientific is None:
            nameless.append(html.unescape(label[:40]).strip())
            continue
        name, whole = _species_of(scientific)
        if name is None:
            continue
        if whole:  # once; where a group is written like its species, the larger of the two is the species
            species[name] = np.maximum(species.get(name, 0.0), values)
        else:
            parts[name] = parts.get(name, 0.0) + values
    joined = parts | species  # a species' own row counts its parts already
    if nameless and not joined:
        raise DataError("its species have no scientific names", where=path, hint=_MEND_NAMES)
    notes = [f"{path.name}: rows without a scientific name are passed over: {some(nameless)}"] if nameless else []
    frequencies = np.array(list(joined.values())).reshape(-1, PERIODS).clip(0, 1)
    return FrequencyTable(tuple(joined), frequencies, sizes, tuple(notes))


def _scientific_name(label: str) -> str | None:
    """The scientific part of a row's label, as it stands there; None where there is none."""
    if len(label) > LONGEST_LABEL:
        return None
    text = html.unescape(html.unescape(label))
    if marked := _MARKED.search(text):
        name = re.sub("<[^>]*>", "", marked.group(1)).strip()
        return name if _NAME.fullmatch(name) else None
    plain = re.sub("<[^>]*>", "", text)
    for part in (plain, *re.findall(r"\(([^()]*)\)", plain)):
        words = part.split()
        if len(words) >= 2 and words[0] in shipped_crosswalk().genera and words[1][0].islower():
            return part.strip()
    return None


def _species_of(scientific: str) -> tuple[str | None, bool]:
    """The species of a scientific name, and whether it is the species as a whole; None: it is of no single species."""
    words = _BRACKETS.sub(" ", scientific).split()
    if len(words) < 2 or any("/" in word or word in ("sp.", "spp.") or word in _CROSSES for word in words[:2]):
        return None, False  # a genus or family, "gull sp.", "Aythya marila/affinis"
    name = " ".join(words[:2])
    if len(words) > 2 and words[2] in (*_CROSSES, "sp."):
        return None, False  # a hybrid of two species; one of two subspecies has its cross further behind
    return name, scientific.split() == words and len(words) == 2


def _values(cells: Sequence[str], where: str, highest: float = 1.0) -> NDArray[np.float64]:
    given = [cell.strip() for cell in cells]
    while given and not given[-1]:
        given.pop()  # the trailing tab
    values = np.array([np.nan if (value := as_number(cell)) is None else value for cell in given])
    if values.shape != (PERIODS,) or not ((values >= 0) & (values <= highest) & np.isfinite(values)).all():
        problem = f"{PERIODS} numbers from 0{' to 1' if highest == 1 else ''} were expected, not {len(given)} cells"
        raise DataError(problem, where=where, hint=_MEND_CHART)
    return values


def _csv(path: Path) -> FrequencyTable:
    hint = f"give eBird's export (ebird_..._barchart.txt), or a CSV with the columns {', '.join(CSV_COLUMNS)}"
    table = read_table(path, TableForm(WHAT, CSV_COLUMNS, [OTHER_PERIODS], hint=hint))
    given: dict[str, _Given] = {}
    for row in table:
        name = " ".join(row["scientific_name"].split())
        if not name:
            raise row.error("scientific_name is empty", "fill it in, or delete the row")
        given.setdefault(name, _Given()).add(row)
    absent = [name for name, each in given.items() if each.partly_absent]
    notes = list(table.notes)
    if absent:
        notes.append(
            f"{path.name}: {len(absent)} species have rows for some periods only, and count as absent in the others "
            f"({some(absent)}); if those are not known, write `{UNKNOWN}` into a column {OTHER_PERIODS}"
        )
    frequencies = np.array([each.periods() for each in given.values()]).reshape(-1, PERIODS)
    return FrequencyTable(tuple(given), frequencies, None, tuple(notes))


class _Given:
    """What the rows of a species in a CSV say."""

    def __init__(self) -> None:
        self.frequencies: dict[int | None, float] = {}
        self.rows: dict[int | None, int] = {}
        self.others: str | None = None

    def add(self, row: Row) -> None:
        period = row.integer("period", 0, PERIODS - 1, _MEND_CSV)
        frequency = _frequency(row)
        if self.frequencies.setdefault(period, frequency) != frequency:
            said = "all periods" if period is None else f"period {period}"
            raise row.error(f"{said} has another frequency in row {self.rows[period]}", "keep one of the two")
        self.rows.setdefault(period, row.line)
        others = row[OTHER_PERIODS].lower()
        if others not in ("", ABSENT, UNKNOWN):
            raise row.error(f"{OTHER_PERIODS}: '{others[:40]}' is neither {ABSENT} nor {UNKNOWN}")
        self.others = UNKNOWN if UNKNOWN in (others, self.others) else others or self.others

    @property
    def partly_absent(self) -> bool:
        """Whether periods count as absent of which nobody said that they are."""
        return self.others is None and None not in self.frequencies and len(self.frequencies) < PERIODS

    def periods(self) -> NDArray[np.float64]:
        """float64 (48,): NaN where nothing is known."""
        other = self.frequencies.get(None, np.nan if self.others == UNKNOWN else 0.0)
        return np.array([self.frequencies.get(period, other) for period in range(PERIODS)])


def _frequency(row: Row) -> float:
    text = row["frequency"]
    share = as_number(text.removesuffix("%").rstrip())
    value = None if share is None else share / 100 if text.endswith("%") else share
    if value is None or not 0 <= value <= 1:
        raise row.error(f"frequency: '{text[:40]}' is not a share of checklists from 0 to 1", _MEND_CSV)
    return value
