"""Temperature scaling: one number that makes a classifier as sure as it is right.

Guo et al. 2017, On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from detector.boxes import Floats

LOWEST, HIGHEST = 0.05, 20.0  # temperatures beyond say that the data, not the network, is odd


@dataclass(frozen=True)
class TemperatureFit:
    """A fitted temperature.

    Attributes:
        temperature: T.
        nll_before: Mean negative log-likelihood of the right class at T = 1, nats.
        nll_after: The same at T.
        doubtful: Whether the data does not determine T: all crops are right (T is then 1), or T is at an end of what is
            allowed, because the labels have nothing to do with the logits.
    """

    temperature: float
    nll_before: float
    nll_after: float
    doubtful: bool


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> TemperatureFit:
    """The temperature of least negative log-likelihood.

    The likelihood is concave in 1 / T, so there is one optimum, which a bounded search of log T finds from anywhere.

    Args:
        logits: (N, C), finite, N at least 1; of single crops, without a prior.
        labels: (N,), the right class of each.

    Raises:
        ValueError: If there is no crop, or a logit is not finite.
    """
    logits = np.asarray(logits, np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError("a temperature is fitted on one crop at least, with finite logits")

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(logits / np.exp(log_temperature), labels)

    if (logits[np.arange(len(labels)), labels] >= logits.max(axis=1)).all():
        return TemperatureFit(1.0, loss(0.0), loss(0.0), doubtful=True)  # the likeliest T would be 0: never in doubt
    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    found = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    before, after = loss(0.0), loss(found)
    doubtful = min(found - bounds[0], bounds[1] - found) < 1e-3
    return TemperatureFit(float(np.exp(found)), before, after, doubtful)


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean over rows of -log softmax(logits)[label], nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Log-probabilities (N, C) of logits (N, C), without underflow."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
