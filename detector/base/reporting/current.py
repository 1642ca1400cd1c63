"""The log of this process: where whatever works in it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from detector.base.reporting.tasks import Log, Task
from detector.base.reporting.text_log import QuietLog, TextLog

Item = TypeVar("Item")

_logs: list[Log] = [TextLog()]  # the last one is in use


@contextmanager
def using(log: Log) -> Iterator[Log]:
    """Show everything there for as long as the context is open."""
    _logs.append(log)
    try:
        yield log
    finally:
        _logs.pop()


def current() -> Log:
    """The log in use."""
    return _logs[-1]


def task(verb: str, total: float | None, unit: str, *, first: float = 0, quiet: bool = False) -> Task:
    """A task in the log of this process; see `Task`.

    Args:
        verb: What happens.
        total: How much there is to do, if that is known.
        unit: Of what.
        first: How much was done before now.
        quiet: Show nothing of it, as another process does.
    """
    return Task(QuietLog() if quiet else current(), verb, total, unit, first)


def track(items: Iterable[Item], verb: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """The items, advancing a task as they are done; see `task`."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    with task(verb, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()


def say(text: str) -> None:
    """Show a line about the work; `--quiet` leaves it out."""
    current().say(text)


def warn(text: str) -> None:
    """Show a line that nobody should miss."""
    current().warn(text)
