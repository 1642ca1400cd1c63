"""The one way in which items go through an engine into a store: interruptible, shown while it lasts, counted.

An engine knows nothing of stores, and a job nothing of how its items are done: an engine on many machines takes the
place of the one in this process (`local`, `local_crops`) without either knowing the other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from detector.annotation.forecast import Forecast
from detector.annotation.report import Outcome, RunReport
from detector.base.reporting import task
from detector.base.stopping import StopRequest
from detector.cluster.dispatch import Ending

Item = TypeVar("Item")
Done = TypeVar("Done")
Item_co = TypeVar("Item_co", covariant=True)
Item_contra = TypeVar("Item_contra", contravariant=True)
Done_co = TypeVar("Done_co", covariant=True)


class Engine(Protocol[Item_contra, Done_co]):
    """Does the work: takes items one by one, no faster than it can do them, and yields them as they are finished.

    Order is free. It yields None where it may be told to end, twice a second at least, by `Ending`: what it does not
    yield then is dropped. Closing it lets go of all that it holds.
    """

    def __call__(self, items: Iterable[Item_contra]) -> Generator[Done_co | None]: ...


@dataclass(frozen=True, eq=False)
class Settled(Generic[Done_co]):
    """An item that is finished without an engine: its file is missing, or nothing is to be done with it."""

    done: Done_co


class Job(Protocol[Item_co, Done]):
    """What is to be done with a store: the items, and where they go when they are finished."""

    report: RunReport

    @property
    def total(self) -> int:
        """Files to do."""

    def items(self) -> Iterator[Item_co | Settled[Done]]:
        """Those files."""

    def save(self, done: Done) -> Outcome | None:
        """Keep a finished item; None: its file has gone away, and nothing is recorded of it."""

    def flush_if_due(self) -> None:
        """Write what has waited for long."""

    def close(self) -> None:
        """Write what is left, when all is done or the run was told to end; an error passes it by."""


def run_store(
    engine: Engine[Item, Done],
    job: Job[Item, Done],
    verb: str,
    quiet: bool = False,
    forecast: Forecast | None = None,
) -> RunReport:
    """Have all items of a job done.

    Ctrl-C or SIGTERM ends it after the current batch, with all that is finished saved; a second Ctrl-C at once.

    Args:
        engine: Does them.
        job: Has them, takes them back while the store is locked, and has the report that is filled.
        verb: What happens to them, such as "annotating".
        quiet: Show no progress.
        forecast: Says what the rest takes.

    Raises:
        HoopoeError: The store cannot be written to, a card is gone, or the device has no room.
    """
    report, done_with = job.report, 0
    with StopRequest().listening() as stop, task(verb, job.total, "files", quiet=quiet) as progress:

        def save(done: Done) -> None:
            nonlocal done_with
            outcome = job.save(done)
            done_with += 1
            if outcome is not None:
                report.note(outcome)
                progress.advance(failed=outcome.failure is not None)
                if forecast is not None:
                    forecast.note(progress)

        def unsettled() -> Iterator[Item]:
            for each in job.items():
                if isinstance(each, Settled):
                    save(each.done)
                else:
                    yield each

        with closing(engine(unsettled())) as finished:
            for done in finished:
                if done is not None:
                    save(done)
                    continue
                job.flush_if_due()
                if stop.requested:
                    for last in _finished_yet(finished):
                        save(last)
                    break
        job.close()
        report.seconds = progress.seconds
        report.signal = stop.signal if done_with < job.total else None
        if forecast is not None:
            report.cost = forecast.cost()
    return report


def _finished_yet(engine: Generator[Done | None]) -> Iterator[Done]:
    """What an engine that is told to end has finished."""
    with suppress(Ending, StopIteration):
        done = engine.throw(Ending())
        while True:
            if done is not None:
                yield done
            done = next(engine)
