"""A piece of long work: how much of it is done, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol


class Log(Protocol):
    """Where tasks, words, warnings and errors are shown."""

    def started(self, task: Task) -> None:
        """A task has begun."""

    def progress(self, task: Task, stated: bool = False) -> None:
        """A task has come further; `stated`: it has new figures, which are to be shown now."""

    def finished(self, task: Task) -> None:
        """A task is over, done or not."""

    def say(self, text: str) -> None:
        """Show a line about the work."""

    def warn(self, text: str) -> None:
        """Show a line that nobody should miss."""

    def error(self, problem: str, where: str | None, hint: str | None) -> None:
        """Show what is wrong."""


class Task:
    """Counts what is done of some work; a context manager, which shows it while it is open.

    Args:
        log: Where it is shown.
        verb: What happens, such as "annotating".
        total: How much there is to do; None while that is not known.
        unit: Of what, in the plural, such as "files".
        first: How much was done before now.
    """

    def __init__(self, log: Log, verb: str, total: float | None, unit: str, first: float = 0) -> None:
        self.log, self.verb, self.total, self.unit = log, verb, total, unit
        self.first = self.done = first
        self.failed = 0
        self.figures: dict[str, float] = {}
        self.text: str | None = None
        self.began = time.monotonic()

    def __enter__(self) -> Task:
        self.began = time.monotonic()
        self.log.started(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.finished(self)

    def advance(self, count: float = 1, failed: bool = False) -> None:
        """So much more is done."""
        self.done += count
        self.failed += failed
        self.log.progress(self)

    def reach(self, done: float) -> None:
        """So much is done in all."""
        self.done = done
        self.log.progress(self)

    def skip(self) -> None:
        """One of them need not be done."""
        if self.total is not None:
            self.total -= 1

    def state(self, text: str, figures: dict[str, float]) -> None:
        """Say how it goes.

        Args:
            text: For people, in place of counts and speed.
            figures: The same for programs.
        """
        self.text, self.figures = text, figures
        self.log.progress(self, stated=True)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def per_second(self) -> float:
        """How much is done in a second."""
        return (self.done - self.first) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """As the speed so far lets expect; None where nothing is known."""
        if self.total is None or self.done <= self.first:
            return None
        return max(self.total - self.done, 0) / max(self.per_second, 1e-9)

    def counts(self) -> str:
        """How much is done of all, in words."""
        of = f"/{self.total:.10g}" if self.total is not None else ""
        return f"{self.done:.2f}{of}" if isinstance(self.done, float) else f"{self.done}{of}"

    def pace(self) -> str:
        """Speed, time left and failures, in words; or what was stated."""
        if self.text is not None:
            return self.text
        told = self.unit and self.per_second >= 0.05  # below, it is printed as 0.0
        parts = [f"{self.per_second:.1f} {self.unit}/s"] if told else []
        if self.seconds_left is not None:
            parts.append(f"{timedelta(seconds=round(self.seconds_left))} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)
