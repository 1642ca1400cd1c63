"""What is seen where and when: an eBird bar chart, or a table, as a prior over species.

A name that does not join is left neutral, never suppressed, and listed.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.species.bar_chart import PERIODS, FrequencyTable, read_frequencies
from detector.species.crosswalk import name_key

WHOLE_YEAR = PERIODS  # the period of a bird whose date is not known
PSEUDO_CHECKLISTS = 20.0  # how many checklists of an average period each period is mixed with
NEIGHBOUR_WEIGHT = 0.5  # of the checklists in the period before and in the one after
LOWEST_FREQUENCY = 1e-4  # nothing on the list is thought rarer: a prior may hinder a name, not forbid it


def period_of(date: datetime.date) -> int:
    """eBird's period of a date, 0 to 47: four a month, of the days 1-7, 8-14, 15-21 and 22 to the end."""
    return 4 * (date.month - 1) + min((date.day - 1) // 7, 3)


@dataclass(frozen=True, eq=False)
class LocalList:
    """A prior for the classes of one classifier.

    Attributes:
        frequency: float32 (49, C), by period and for the whole year (`WHOLE_YEAR`): the share of checklists that report
            the species; NaN for classes that are not on the list.
        log_prior: float32 (49, C), log of frequency over the mean frequency of the list's classes; 0 for those that are
            not on it.
        unmatched: Scientific names of classes that are not on the list, sorted.
    """

    frequency: NDArray[np.float32]
    log_prior: NDArray[np.float32]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Prior:
    """Frequencies of the species of one region.

    Attributes:
        names: Scientific names (S,).
        frequencies: float64 (S, 49): smoothed, by period and for the whole year; NaN where nothing is known.
    """

    names: tuple[str, ...]
    frequencies: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> Prior:
        """Read an eBird bar chart, or a CSV `scientific_name, period, frequency`; see `read_frequencies`.

        Raises:
            DataError: The file is neither, or its species have no scientific names.
        """
        table = read_frequencies(path)
        return cls(table.names, smooth(table))

    @property
    def empty(self) -> bool:
        """Whether nothing is known: no species, or no checklists."""
        return not np.isfinite(self.frequencies).any()

    def join(self, scientific_names: Sequence[str | None]) -> LocalList:
        """The prior for classes (C,) of these names, as in `Taxonomy.scientific_names`; None joins nothing."""
        rows = {name_key(name): row for row, name in enumerate(self.names)}
        found = np.array([rows.get(name_key(name), -1) if name else -1 for name in scientific_names], np.int64)
        frequency = np.full((PERIODS + 1, len(found)), np.nan)
        frequency[:, found >= 0] = self.frequencies[found[found >= 0]].T
        log_prior = np.zeros_like(frequency)
        known = np.isfinite(frequency)
        for period in range(PERIODS + 1):
            listed = np.maximum(frequency[period, known[period]], LOWEST_FREQUENCY)
            if listed.size:
                log_prior[period, known[period]] = np.log(listed / listed.mean())
        unmatched = {name for name, row in zip(scientific_names, found, strict=True) if name and row < 0}
        return LocalList(frequency.astype(np.float32), log_prior.astype(np.float32), tuple(sorted(unmatched)))

    def log_prior(self, scientific_names: Sequence[str | None], period: int = WHOLE_YEAR) -> NDArray[np.float32]:
        """A row of `join`: float32 (C,), to add to logits."""
        return self.join(scientific_names).log_prior[period]


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
