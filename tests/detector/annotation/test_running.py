"""Any engine goes into a store by the same function: what it finishes is kept, whatever the order and the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import islice

import pytest

from backbones.errors import HoopoeError
from detector.annotation.report import Outcome, RunReport
from detector.annotation.running import Settled, run_store


class Numbers:
    """A job: numbers, of which odd ones need no engine, and what becomes of them."""

    def __init__(self, total: int) -> None:
        self.total, self.report = total, RunReport()
        self.saved: list[int] = []
        self.flushed = self.closed = 0

    def items(self) -> Iterator[int | Settled[int]]:
        yield from (number if number % 2 == 0 else Settled(-number) for number in range(self.total))

    def save(self, done: int) -> Outcome | None:
        self.saved.append(done)
        return None if done == -3 else Outcome("it is five" if done == -5 else None)

    def flush_if_due(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        self.closed += 1


class Engine:
    """Doubles numbers, several at a time, the last first."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.ended = False

    def __call__(self, items):
        try:
            items = iter(items)
            while batch := list(islice(items, 3)):
                if self.fail_at in batch:
                    raise HoopoeError("the device has no room")
                yield from (2 * number for number in reversed(batch))
                yield None
        finally:
            self.ended = True


def test_nothing_to_do_is_done_at_once():
    job, engine = Numbers(0), Engine()
    report = run_store(engine, job, "doubling", quiet=True)
    assert (report.files, report.signal, job.saved, job.closed, engine.ended) == (0, None, [], 1, True)


def test_all_items_are_saved_once_and_counted():
    job, engine = Numbers(10), Engine()
    report = run_store(engine, job, "doubling", quiet=True)
    assert sorted(job.saved) == sorted([*(2 * number for number in range(0, 10, 2)), -1, -3, -5, -7, -9])
    assert (report.files, report.failures) == (9, {"it is five": 1}), "of the one that went away nothing is recorded"
    assert (job.flushed, job.closed, engine.ended) == (2, 1, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_batches_with_what_is_finished_saved(number):
    job, engine = Numbers(40), Engine()
    save = job.save

    def save_and_end(done):
        if len(job.saved) == 4:
            signal.raise_signal(number)
        return save(done)

    job.save = save_and_end
    report = run_store(engine, job, "doubling", quiet=True)
    assert report.signal == number
    assert set(job.saved) >= {0, 4, 8}, "the batch at work is finished"
    assert len(job.saved) < 10
    assert (job.closed, engine.ended) == (1, True)


def test_a_signal_after_the_last_item_says_nothing():
    job = Numbers(1)
    save, job.save = job.save, lambda done: (signal.raise_signal(signal.SIGINT), save(done))[1]
    assert run_store(Engine(), job, "doubling", quiet=True).signal is None


def test_an_engine_that_fails_lets_go_of_all_and_closes_nothing():
    job, engine = Numbers(20), Engine(fail_at=8)
    with pytest.raises(HoopoeError, match="no room"):
        run_store(engine, job, "doubling", quiet=True)
    assert set(job.saved) >= {0, 4, 8}
    assert (job.closed, engine.ended) == (0, True)


def test_a_job_that_fails_ends_the_engine():
    job, engine = Numbers(20), Engine()

    def full(done):
        raise HoopoeError("the disk is full")

    job.save = full
    with pytest.raises(HoopoeError, match="full"):
        run_store(engine, job, "doubling", quiet=True)
    assert engine.ended
