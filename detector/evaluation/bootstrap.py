"""How far a figure may be trusted: intervals by drawing cameras (or pictures) again and again, with replacement.

Efron 1979, https://doi.org/10.1214/aos/1176344552. Pictures of one camera resemble each other, so that whole cameras
are drawn (Cameron and others 2008, https://doi.org/10.1162/rest.90.3.414). Nothing is matched anew: matching is by
picture, and a draw only says how often each picture counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.coco import RECALL_STEPS
from detector.evaluation.inputs import EvaluationInputs, Floats, Integers, Mask, rows_by_group
from detector.evaluation.matching import Matches

Counts = NDArray[np.int32]

DRAWS = 200
SEED = 0
PERCENTILES = (2.5, 97.5)  # a 95 % interval
ROWS_AT_ONCE = 4_000_000  # draws x detections, so that large sets do not fill the memory


@dataclass(frozen=True)
class Estimate:
    """A figure in 0..1 and its 95 % interval; None where there is nothing to measure, or nothing to draw from."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Floats, *, drawn: bool) -> Estimate:
        """From the figure of the set itself and of each draw; NaN where a draw had nothing to find.

        Args:
            values: float64 (1 + draws,).
            drawn: Whether there was more than one thing to draw.
        """
        if not np.isfinite(values[0]):
            return cls(None)
        draws = values[1:][np.isfinite(values[1:])]
        if not drawn or not len(draws):
            return cls(float(values[0]))
        low, high = np.percentile(draws, PERCENTILES)
        return cls(float(values[0]), float(low), float(high))


@dataclass(frozen=True, eq=False)
class Ranking:
    """What average precision needs of one category at one IoU.

    Args:
        images: int64 (D,), positions of the images of the detections that count, surest first.
        hits: bool (D,), whether a detection found a bird.
        truth_images: int64 (G,), positions of the images of the birds to find.
    """

    images: Integers
    hits: Mask
    truth_images: Integers

    def within(self, part: Mask) -> Ranking:
        """The same in some of the images: bool (I,)."""
        kept = part[self.images]
        return Ranking(self.images[kept], self.hits[kept], self.truth_images[part[self.truth_images]])


def draw(groups: Integers, draws: int = DRAWS, seed: int = SEED) -> Counts:
    """How often each image counts: int32 (1 + draws, I); the first row is the set itself, each image once.

    Args:
        groups: int64 (I,), which images are drawn together.
        draws: Number of draws, each of as many groups as there are.
        seed: The same draws for the same seed.
    """
    numbers, group_of = np.unique(groups, return_inverse=True)
    once = np.ones((1, len(groups)), dtype=np.int32)
    if not len(numbers):
        return np.repeat(once, 1 + draws, axis=0)
    counts = np.random.default_rng(seed).multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=draws)
    return np.concatenate([once, counts[:, group_of].astype(np.int32)])


def rankings(
    inputs: EvaluationInputs, matches: Matches, area_range: tuple[float, float] | None = None
) -> list[Ranking]:
    """A ranking for each category.

    Args:
        inputs: The data set.
        matches: Its matching at one IoU.
        area_range: Square pixels, from and below: other birds, and what found them, count neither for nor against, nor
            does a false alarm of another size. One matching serves all ranges, where COCO matches for each anew: they
            differ where a detection overlaps birds of two ranges.
    """
    truth, predictions = inputs.truth, inputs.predictions
    wanted, counted = ~truth.crowd, ~matches.ignored
    hits = matches.truth_of_prediction >= 0
    if area_range is not None:
        wanted = wanted & _between(truth.areas, area_range)
        counted = counted & _between(predictions.boxes_xywh[:, 2] * predictions.boxes_xywh[:, 3], area_range)
        counted[hits] = wanted[matches.truth_of_prediction[hits]]
    order = np.argsort(-predictions.scores, kind="stable")
    order = order[counted[order]]
    ranked = rows_by_group(predictions.categories[order])
    birds = rows_by_group(truth.categories[wanted])
    nothing = np.zeros(0, dtype=np.int64)
    listed = []
    for category in range(len(inputs.category_ids)):
        rows = order[ranked.get(category, nothing)]
        images = truth.images[wanted][birds.get(category, nothing)]
        listed.append(Ranking(predictions.images[rows], hits[rows], images))
    return listed


def average_precision(ranking: Ranking, weights: Counts) -> Floats:
    """AP of one category at one IoU for each draw: float64 (W,), NaN where there is no bird to find.

    It is COCO's mean of precision at 101 recalls, each picture counted as often as it was drawn: a repeated hit raises
    precision at every step, and a repeated false alarm adds no recall, so that weights give what copies would.

    Args:
        ranking: Detections and birds.
        weights: int32 (W, I), see `draw`.
    """
    if not len(ranking.truth_images):
        return np.full(len(weights), np.nan)
    at_once = max(1, ROWS_AT_ONCE // max(1, len(ranking.images)))
    parts = [_average_precision(ranking, weights[start : start + at_once]) for start in range(0, len(weights), at_once)]
    return np.concatenate(parts)


def recall(found: Mask, images: Integers, weights: Counts) -> Floats:
    """The share of birds found for each draw: float64 (W,), NaN where there is none.

    Args:
        found: bool (G,), whether each bird was found.
        images: int64 (G,), positions of their images.
        weights: int32 (W, I).
    """
    birds = weights[:, images].sum(axis=1, dtype=np.float64)
    hits = weights[:, images[found]].sum(axis=1, dtype=np.float64)
    return np.divide(hits, birds, out=np.full(len(weights), np.nan), where=birds > 0)


def mean_of_categories(values: list[Floats]) -> Floats:
    """The mean of float64 (W,) over the categories that have a bird in a draw; NaN where none has."""
    stacked = np.array(values)
    known = np.isfinite(stacked)
    counts = known.sum(axis=0)
    return np.divide(
        np.where(known, stacked, 0).sum(axis=0), counts, out=np.full(len(counts), np.nan), where=counts > 0
    )


def _average_precision(ranking: Ranking, weights: Counts) -> Floats:
    birds = weights[:, ranking.truth_images].sum(axis=1, dtype=np.float64)
    hits = np.flatnonzero(ranking.hits)
    if not len(hits):
        return np.where(birds > 0, 0.0, np.nan)
    counted = weights[:, ranking.images]
    seen = np.cumsum(counted, axis=1)[:, hits]  # (W, hits): detections down to each hit
    found = np.cumsum(counted[:, hits], axis=1)
    precision = np.divide(found, seen, out=np.zeros(seen.shape), where=seen > 0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # recalls never reached
    reached = found / np.maximum(birds, 1)[:, None]
    at = np.array([np.searchsorted(row, RECALL_STEPS) for row in reached])
    values = np.take_along_axis(precision, at, axis=1).mean(axis=1)
    return np.where(birds > 0, values, np.nan)


def _between(areas: Floats, area_range: tuple[float, float]) -> Mask:
    return (areas >= area_range[0]) & (areas < area_range[1])
