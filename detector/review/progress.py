"""How far a person is, and how long the rest may take at the pace of now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

PAUSE_S = 120.0  # who says nothing for longer does something else
RECENT_S = 1_200.0  # of work, which the pace is of
LEAST_UNITS = 10  # before anything is said of a pace
FEWEST_S = 20.0


@dataclass
class Pace:
    """Pictures judged, and the time that went by meanwhile.

    Attributes:
        clock: Tells seconds.
    """

    clock: Callable[[], float] = monotonic
    _steps: deque[tuple[float, int]] = field(default_factory=deque)  # seconds of work, pictures judged by it
    _last: float | None = None

    def count(self, units: int) -> None:
        """So many pictures were judged by one mark; below 0: they were taken back."""
        now = self.clock()
        if self._last is not None and now - self._last <= PAUSE_S:
            self._steps.append((now - self._last, units))
        self._last = now
        while sum(seconds for seconds, _ in self._steps) > RECENT_S:
            self._steps.popleft()

    def seconds_for(self, units: int) -> float | None:
        """How long so many more may take; None: nothing is known of the pace yet."""
        spent = sum(seconds for seconds, _ in self._steps)
        judged = sum(count for _, count in self._steps)
        if judged < LEAST_UNITS or spent < FEWEST_S:
            return None
        return units * spent / judged
