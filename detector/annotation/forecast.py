"""What the rest of a run takes, in time and in money, once enough files are done to tell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from detector.base.reporting import say
from detector.base.reporting.tasks import Task
from detector.cluster.work import Machines

FILES = 1_000  # after which the speed is known


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        machine_hours: Hours of each machine that worked, together.
        money: For these, in the currency of the price; None: no price was given.
    """

    machine_hours: float
    money: float | None = None


class Forecast:
    """Counts the hours of the machines that work, and says after `FILES` files what the rest takes.

    Args:
        price_per_hour: Of one machine; None: not known.
        machines: Those that work; None: this one.
    """

    def __init__(self, price_per_hour: float | None = None, machines: Machines | None = None) -> None:
        self._price, self._machines = price_per_hour, machines or Machines()
        self._seconds = 0.0  # of machines
        self._last = time.monotonic()
        self._said = False

    def note(self, progress: Task) -> None:
        """Take how far the run is."""
        self._count()
        done = progress.done - progress.first
        if self._price is not None:
            spent = self._seconds / 3600 * self._price
            left = max((progress.total or 0) - progress.done, 0) * spent / max(done, 1)
            progress.figures = {"cost": round(spent, 4), "cost_left": round(left, 4)}
        if done >= FILES and not self._said:
            self._said = True
            say(self._sentence(progress))

    def cost(self) -> Cost:
        """What the run took so far."""
        self._count()
        hours = self._seconds / 3600
        return Cost(hours, None if self._price is None else hours * self._price)

    def _count(self) -> None:
        now = time.monotonic()
        self._seconds += (now - self._last) * self._machines.count
        self._last = now

    def _sentence(self, progress: Task) -> str:
        machines = self._machines.count
        left = timedelta(seconds=round(progress.seconds_left or 0))
        words = [
            f"{progress.done:,.0f} of {progress.total or 0:,.0f} {progress.unit}: {progress.per_second:.1f} a second"
        ]
        if machines > 1:
            words.append(f"on {machines} machines")
        words.append(f"so that the rest takes {left}")
        if self._price is not None:
            words.append(f"and {progress.figures['cost_left']:,.2f}, after {progress.figures['cost']:,.2f} so far")
        return " ".join(words)
