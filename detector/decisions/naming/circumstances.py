"""Under what circumstances individuals were seen: place, week, size and light."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.linking import Individuals
from detector.decisions.rules import Rules
from detector.deployments.placement import Placement
from detector.species.naming import Circumstances
from detector.species.priors import WHOLE_YEAR, period_of


def circumstances_of(facts: FactsTable, placed: Placement, individuals: Individuals, rules: Rules) -> Circumstances:
    """Of individuals (I).

    Raises:
        ConfigError: A deployment does not say which prior is its own.
    """
    count = len(individuals.size)
    of_box = individuals.of_box
    first_media = facts.box_media[individuals.first_box]
    rows = placed.row[first_media]
    used = np.unique(placed.row).tolist()
    prior_of_row = np.full(len(placed.rows), -1, np.int32)
    prior_of_row[used] = [rules.prior_of(placed.rows[index]) for index in used]
    sides = (facts.xywh[:, 2:] * facts.sizes_wh[facts.box_media]).max(axis=1, initial=0)
    longest = np.zeros(count, np.float32)
    np.maximum.at(longest, of_box, sides)
    unknown_size = ~pc.is_valid(facts.media["width"]).to_numpy()[first_media]
    return Circumstances(
        prior=prior_of_row[rows],
        period=_periods(placed.timestamp[first_media]),
        long_side_px=np.where(unknown_size, np.inf, longest).astype(np.float32),
        brightness=_mean(facts.brightness[facts.box_frame], individuals).astype(np.float32),
        night=_mean(facts.night[facts.box_frame], individuals) > 0.5,
    )


def _mean(values: NDArray[np.float32], individuals: Individuals) -> NDArray[np.float64]:
    """Means by individual of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    owner = individuals.of_box[known]
    count = np.bincount(owner, minlength=len(individuals.size))
    total = np.bincount(owner, weights=values[known], minlength=len(individuals.size))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _periods(times: NDArray[np.datetime64]) -> NDArray[np.int32]:
    periods = np.full(len(times), WHOLE_YEAR, np.int32)
    known = ~np.isnat(times)
    days, place = np.unique(times[known].astype("datetime64[D]"), return_inverse=True)
    periods[known] = np.array([period_of(day) for day in days.tolist()], np.int32)[place]
    return periods
