"""The interval of a share, by Wilson 1927."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

Z95 = 1.959963984540054  # of the normal distribution, for 95 %


class Interval(NamedTuple):
    """A share, and where it lies with 95 % confidence."""

    share: float
    low: float
    high: float


def wilson(right: float, of: float, independent: float | None = None) -> Interval:
    """The share of so many, and its interval by Wilson.

    Args:
        right: How many are right.
        of: How many there are, above 0.
        independent: How many of them do not depend on others; by default all.
    """
    n = of if independent is None else independent
    share = right / of
    middle, scale = share + Z95**2 / (2 * n), 1 + Z95**2 / n
    reach = Z95 * sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return Interval(share, max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0))
