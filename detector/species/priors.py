"""What is seen where and when: an eBird bar chart, or a table, as a prior over species.

Whether a class that is not on the list is seen there is known in part: eBird lists all species that were ever reported,
so one that eBird knows and the list lacks is rarer than any on it; of a name that eBird does not know nothing is known,
and it is left neutral. Both are listed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.species.bar_chart import PERIODS, FrequencyTable, read_frequencies
from detector.species.names.crosswalk import Crosswalk, shipped_crosswalk, taxon_key

WHOLE_YEAR = PERIODS  # the period of a bird whose date is not known
PSEUDO_CHECKLISTS = 20.0  # how many checklists of an average period each period is mixed with
NEIGHBOUR_WEIGHT = 0.5  # of the checklists in the period before and in the one after
LOWEST_FREQUENCY = 1e-4  # nothing on the list is thought rarer: a prior may hinder a name, not forbid it
BELOW_LOWEST = 0.5  # of the lowest frequency: what was never seen is rarer than what was seen once

_ENDING = re.compile(r"(us|a|um|is|e|er|ra|rum|i|ii|ae|os|on)$")


def period_of(date: datetime.date) -> int:
    """eBird's period of a date, 0 to 47: four a month, of the days 1-7, 8-14, 15-21 and 22 to the end."""
    return 4 * (date.month - 1) + min((date.day - 1) // 7, 3)


@dataclass(frozen=True, eq=False)
class LocalList:
    """A prior for the classes of one classifier.

    Attributes:
        frequency: float32 (49, C), by period and for the whole year (`WHOLE_YEAR`): the share of checklists that report
            the species; NaN for classes that are not on the list.
        log_prior: float32 (49, C), log of frequency over the median frequency of the classes that are on the list; 0 is
            neutral, and what classes have whose names do not join.
        absent: Scientific names of classes that eBird knows and the list lacks, sorted.
        unmatched: Those of other classes that the list lacks: eBird does not know them, or the list may have them by
            another name; sorted.
        moved: Classes that are on it by another name, as "Accipiter gentilis (Astur gentilis)".
    """

    frequency: NDArray[np.float32]
    log_prior: NDArray[np.float32]
    absent: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prior:
    """Frequencies of the species of one region.

    Attributes:
        names: Scientific names (S,).
        frequencies: float64 (S, 49): smoothed, by period and for the whole year; NaN where nothing is known.
        notes: What a person should know of how the file was read.
    """

    names: tuple[str, ...]
    frequencies: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Prior:
        """Read an eBird bar chart, or a CSV `scientific_name, period, frequency`; see `read_frequencies`.

        Raises:
            DataError: The file is neither, or its species have no scientific names.
        """
        table = read_frequencies(path)
        return cls(table.names, smooth(table), table.notes)

    @property
    def empty(self) -> bool:
        """Whether nothing is known: no species, or no checklists."""
        return not np.isfinite(self.frequencies).any()

    def join(self, scientific_names: Sequence[str | None], crosswalk: Crosswalk | None = None) -> LocalList:
        """The prior for classes (C,).

        Args:
            scientific_names: Of the classes, as in `Taxonomy.scientific_names`; None, for a class that is no species,
                joins nothing.
            crosswalk: Tells which species eBird knows; the shipped one by default.
        """
        crosswalk = crosswalk or shipped_crosswalk()
        names = [name and " ".join(name.split()) for name in scientific_names]
        found, moved, doubtful = self._rows(names, crosswalk)
        frequency = np.full((PERIODS + 1, len(found)), np.nan)
        frequency[:, found >= 0] = self.frequencies[found[found >= 0]].T
        lacking = {name for name, row in zip(names, found, strict=True) if name and row < 0}
        absent = {name for name in lacking - doubtful if _ebird_code(name, crosswalk)}
        log_prior = self._log_prior(frequency, np.array([name in absent for name in names], bool))
        return LocalList(
            frequency.astype(np.float32),
            log_prior.astype(np.float32),
            tuple(sorted(absent)),
            tuple(sorted(lacking - absent)),
            tuple(moved),
        )

    def _rows(self, names: Sequence[str | None], crosswalk: Crosswalk) -> tuple[NDArray[np.int64], list[str], set[str]]:
        """Each class's row, or -1; what joined by another name, as "Accipiter gentilis (Astur ...)"; what may have.

        A list and a classifier may be years apart: a species that was moved into another genus of its family keeps its
        second name, up to the ending. It joins where that leaves no choice.
        """
        rows = {taxon_key(name): row for row, name in enumerate(self.names)}
        for row, name in enumerate(self.names):  # an English name, or one of the user's own, by the crosswalk
            known = crosswalk.find(name)
            if known is not None and known.scientific_name:
                rows.setdefault(taxon_key(known.scientific_name), row)
        found = np.array([rows.get(taxon_key(name), -1) if name else -1 for name in names], np.int64)
        joined = {taxon_key(self.names[row]) for row in found if row >= 0}
        theirs = _by_second_name(name for name in self.names if taxon_key(name) not in joined)
        ours = _by_second_name(name for name, row in zip(names, found, strict=True) if name and row < 0)
        moved: dict[str, str] = {}
        doubtful: set[str] = set()
        for second, mine in ours.items():
            for name in mine:
                same = [other for other in theirs.get(second, ()) if not _differ(name, other, crosswalk)]
                kin = [other for other in same if _family(name, crosswalk) == _family(other, crosswalk) != ""]
                rivals = [each for each in mine if _family(each, crosswalk) == _family(name, crosswalk)]
                if len(kin) == len(rivals) == 1:
                    moved[name] = kin[0]
                elif same:
                    doubtful.add(name)
        found = np.array([rows[taxon_key(moved[name])] if name in moved else row
                          for name, row in zip(names, found, strict=True)], np.int64)  # fmt: skip
        return found, [f"{name} ({other})" for name, other in sorted(moved.items())], doubtful

    def _log_prior(self, frequency: NDArray[np.float64], absent: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Logs (49, C) of frequencies (49, C) over their median; of absent classes (C,), and 0 for the others."""
        log_prior = np.zeros_like(frequency)
        for period in range(PERIODS + 1):
            known = np.isfinite(frequency[period])
            if not known.any():
                continue
            listed = np.log(np.maximum(frequency[period, known], LOWEST_FREQUENCY))
            every = self.frequencies[np.isfinite(self.frequencies[:, period]), period]
            log_prior[period, known] = listed - np.median(listed)
            lowest = max(every.min(), LOWEST_FREQUENCY) * BELOW_LOWEST
            log_prior[period, absent] = np.log(lowest) - np.median(listed)
        return log_prior

    def log_prior(self, scientific_names: Sequence[str | None], period: int = WHOLE_YEAR) -> NDArray[np.float32]:
        """A row of `join`: float32 (C,), to add to logits."""
        return self.join(scientific_names).log_prior[period]


def _ebird_code(name: str, crosswalk: Crosswalk) -> str:
    """eBird's code of a species; "" where eBird does not know it."""
    row = crosswalk.find(name)
    return row.ebird_code if row is not None else ""


def _differ(name: str, other: str, crosswalk: Crosswalk) -> bool:
    """Whether eBird has both as species of their own."""
    codes = [_ebird_code(each, crosswalk) for each in (name, other)]
    return all(codes) and codes[0] != codes[1]


def _family(name: str, crosswalk: Crosswalk) -> str:
    """The family of a species' genus; "" where it is not known."""
    return crosswalk.genera.get(name.split()[0], ("", ""))[0]


def _by_second_name(names: Iterable[str]) -> dict[str, list[str]]:
    """Species by their second name without its ending, which follows the genus: flavus, flava, flavum."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        words = name.split()
        if len(words) == 2:
            found.setdefault(_ENDING.sub("", words[1].lower()), []).append(name)
    return found


def smooth(table: FrequencyTable) -> NDArray[np.float64]:
    """Frequencies as far as the checklists behind them carry.

    With n checklists in a period, f the share of them that report a species, m = n + (n before + n after) / 2 and k the
    same sum of n f, the frequency of the period is (k + 20 F) / (m + 20), where F = sum(n f) / sum(n) is the year's. A
    period without checklists is so a mixture of its neighbours and the year, not an absence. Without numbers of
    checklists, frequencies stay as they are, and a period that is not given has the mean of those that are.

    Returns:
        float64 (S, 49): 48 periods, circular over the year, and the year; NaN where nothing is known at all.
    """
    given = np.isfinite(table.frequencies) if table.sample_sizes is None else table.sample_sizes > 0
    weights = np.where(given, 1.0 if table.sample_sizes is None else table.sample_sizes, 0.0)
    weights = np.broadcast_to(weights, table.frequencies.shape)
    reports = np.where(given, table.frequencies, 0.0) * weights
    with np.errstate(invalid="ignore"):
        year = reports.sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    if table.sample_sizes is None:
        periods = np.where(given, table.frequencies, year)
    else:
        periods = (_pooled(reports) + PSEUDO_CHECKLISTS * year) / (_pooled(weights) + PSEUDO_CHECKLISTS)
    return np.concatenate([periods, year], axis=1)


def _pooled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each period (S, 48) with a part of its neighbours; December is beside January."""
    return values + NEIGHBOUR_WEIGHT * (np.roll(values, 1, axis=1) + np.roll(values, -1, axis=1))
