"""Reading how often species are seen: eBird's bar-chart export as a birder downloads it, or a CSV.

The bar chart is tab-separated text with 48 periods a year. Source of the format: auk's R/process_barcharts.R and
inst/extdata/barchart-sample.txt (https://github.com/CornellLabofOrnithology/auk).
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.species.crosswalk import shipped_crosswalk

PERIODS = 48
CSV_COLUMNS = ("scientific_name", "period", "frequency")

_SAMPLE_SIZE = "Sample Size:"
_SCIENTIFIC = re.compile(r"""<em[^>]*class=["']?sci["']?[^>]*>(.*?)</em>""", re.IGNORECASE)
_NO_SPECIES = re.compile(r"(^|\s)sp\.|/|\s[x×]\s", re.IGNORECASE)  # "gull sp.", "Larus a/b", hybrids
_MEND_NAMES = "in eBird's preferences, show species names as common and scientific, and download the bar chart again"


@dataclass(frozen=True, eq=False)
class FrequencyTable:
    """Frequencies as a file has them.

    Attributes:
        names: Scientific names of species (S,), each once.
        frequencies: float64 (S, 48), the share of checklists that report the species; NaN where it is not given.
        sample_sizes: float64 (48,), the checklists of each period, 0: nothing is known; None where they are not given.
    """

    names: tuple[str, ...]
    frequencies: NDArray[np.float64]
    sample_sizes: NDArray[np.float64] | None


def read_frequencies(path: Path) -> FrequencyTable:
    """Read either kind of file; the content decides which.

    A bar chart's rows of no single species ("gull sp.", slashes, hybrids) are left out. Subspecies and forms count
    only where their species has no row of its own; then they are added up. In a CSV, `period` is 0 to 47
    (`priors.period_of`) or empty for all the year.

    Raises:
        DataError: The file is neither, a value is no frequency, or a bar chart has no scientific names.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the prior cannot be read ({error})", where=path, mend="download it from eBird again"
        ) from error
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.lstrip().startswith(_SAMPLE_SIZE):
            return _bar_chart(lines, number, path)
    if lines and set(CSV_COLUMNS) <= {name.strip() for name in re.split("[,;]", lines[0])}:
        return _csv(lines, path)
    raise DataError(
        "this is neither an eBird bar chart nor a table of frequencies",
        where=path,
        mend=f"give eBird's export (ebird_..._barchart.txt), or a CSV with the columns {', '.join(CSV_COLUMNS)}",
    )


def _bar_chart(lines: Sequence[str], header: int, path: Path) -> FrequencyTable:
    sizes = _values(lines[header].split("\t")[1:], f"{path}, line {header + 1}", highest=np.inf)
    species: dict[str, NDArray[np.float64]] = {}
    parts: dict[str, NDArray[np.float64]] = {}
    rows = 0
    for number, line in enumerate(lines[header + 1 :], header + 2):
        name, *cells = line.split("\t")
        if not any(cell.strip() for cell in cells):
            continue
        rows += 1
        values = _values(cells, f"{path}, line {number}")
        scientific = _scientific_name(html.unescape(name))
        if scientific is not None and not _NO_SPECIES.search(scientific):
            words = scientific.split()
            kind = species if len(words) == 2 else parts
            key = " ".join(words[:2])
            kind[key] = kind.get(key, 0.0) + values
    joined = parts | species  # a species' own row counts its parts already
    if rows and not joined:
        raise DataError("its species have no scientific names", where=path, mend=_MEND_NAMES)
    frequencies = np.array(list(joined.values())).reshape(-1, PERIODS).clip(0, 1)
    return FrequencyTable(tuple(joined), frequencies, sizes)


def _scientific_name(name: str) -> str | None:
    """The scientific part of a row's name, without what stands in brackets; None where there is none."""
    marked = _SCIENTIFIC.search(name)
    plain = re.sub(r"[\[(].*", "", html.unescape(marked.group(1) if marked else name)).strip()
    words = plain.split()
    if marked is None and not (len(words) >= 2 and words[0] in shipped_crosswalk().genera and words[1].islower()):
        return None
    return plain if len(words) >= 2 else f"{plain} sp."


def _values(cells: Sequence[str], where: str, highest: float = 1.0) -> NDArray[np.float64]:
    given = [cell.strip() for cell in cells]
    while given and not given[-1]:
        given.pop()  # the trailing tab
    try:
        values = np.array([float(cell) for cell in given])
    except ValueError:
        values = np.array([np.nan])
    if values.shape != (PERIODS,) or not ((values >= 0) & (values <= highest) & np.isfinite(values)).all():
        problem = f"{PERIODS} numbers from 0{' to 1' if highest == 1 else ''} were expected, not {len(given)} cells"
        raise DataError(problem, where=where, mend="download the bar chart again, and do not edit it")
    return values


def _csv(lines: Sequence[str], path: Path) -> FrequencyTable:
    reader = csv.DictReader(lines, delimiter=";" if ";" in lines[0] else ",", skipinitialspace=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    given: dict[str, NDArray[np.float64]] = {}
    for record in reader:
        cells = {column: (record[column] or "").strip() for column in CSV_COLUMNS}
        if not any(cells.values()):
            continue
        try:
            period = int(cells["period"]) if cells["period"] else None
            frequency = float(cells["frequency"])
            if not cells["scientific_name"] or not 0 <= frequency <= 1 or not (period is None or 0 <= period < PERIODS):
                raise ValueError
        except ValueError:
            raise DataError(
                f"'{', '.join(cells.values())}' is not a name, a period and a frequency",
                where=f"{path}, line {reader.line_num}",
                mend=f"periods are 0 (1-7 January) to {PERIODS - 1} (22-31 December), frequencies 0 to 1",
            ) from None
        row = given.setdefault(" ".join(cells["scientific_name"].split()), np.full(PERIODS, np.nan))
        if period is None:
            row[np.isnan(row)] = frequency
        else:
            row[period] = frequency
    return FrequencyTable(tuple(given), np.array(list(given.values())).reshape(-1, PERIODS), None)
