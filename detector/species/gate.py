"""Is it a bird? By the detector's label where that says it, else by the energy of the classifier's logits.

Liu et al. 2020, Energy-based Out-of-distribution Detection, https://arxiv.org/abs/2010.03759.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.types import Kind

BIRD_COST = 0.05  # the share of labelled birds that may be taken for something else
ANIMAL_COST = 0.05  # the share of labelled non-birds that may be taken for birds


def energy(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """Energy -T logsumexp(z / T): low where the network has seen the like, high where it has not.

    Args:
        logits: (N, C), C at least 1; without a prior, and of single boxes.
        temperature: Liu et al. find 1 best; it is not the temperature of the probabilities.

    Returns:
        float32 (N,).
    """
    scaled = np.asarray(logits, np.float64) / temperature
    highest = scaled.max(axis=1, initial=-np.inf)
    return (-temperature * (highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1)))).astype(np.float32)


@dataclass(frozen=True)
class GateThresholds:
    """Energies up to `low` are a bird's, energies above `high` are not, what is between is uncertain.

    Raises:
        ValueError: If low is above high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"the gate's low threshold {self.low} is above its high one {self.high}")


def fit_gate(
    bird_energies: NDArray[np.floating],
    other_energies: NDArray[np.floating],
    bird_cost: float = BIRD_COST,
    animal_cost: float = ANIMAL_COST,
) -> GateThresholds:
    """Thresholds on labelled crops.

    `high` lets at most `bird_cost` of the birds be taken for something else, `low` at most `animal_cost` of the others
    for birds. Where one threshold does both, the gate is never uncertain: it lies halfway between the two.

    Args:
        bird_energies: (B,), of crops of birds, at least one.
        other_energies: (M,), of crops of anything else, at least one.
        bird_cost: Share of birds, 0..1.
        animal_cost: Share of others, 0..1.

    Raises:
        ValueError: If there are no birds or no others.
    """
    if not len(bird_energies) or not len(other_energies):
        raise ValueError("the gate is fitted on birds and on others; one of them is missing")
    high = float(np.quantile(bird_energies, 1 - bird_cost, method="higher"))  # at least so many birds are at or below
    low = float(np.quantile(other_energies, animal_cost, method="lower"))
    low = float(np.nextafter(np.float32(low), np.float32(-np.inf)))  # those at the quantile itself are no birds
    return GateThresholds(low, high) if low <= high else GateThresholds((low + high) / 2, (low + high) / 2)


def gate(
    kinds: NDArray[np.int8], energies: NDArray[np.floating], thresholds: GateThresholds | None
) -> NDArray[np.int8]:
    """Decide the boxes of which the detector says no more than that they are animals.

    Args:
        kinds: (N,), `Kind.code` of each label's kind.
        energies: (N,); NaN for boxes that no classifier saw.
        thresholds: None where none were fitted: then none of them is decided.

    Returns:
        int8 (N,): of those bird, animal or still uncertain; the others as they are.
    """
    decided = np.full(len(kinds), Kind.UNCERTAIN.code, np.int8)
    if thresholds is not None:
        decided[energies <= thresholds.low] = Kind.BIRD.code
        decided[energies > thresholds.high] = Kind.ANIMAL.code
    return np.where(kinds == Kind.UNCERTAIN.code, decided, kinds)
