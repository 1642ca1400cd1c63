"""When decisions are made anew: soon; where that takes long, in a pause, or when somebody waits for it."""

from __future__ import annotations

import signal
import threading
from time import sleep

import pytest

from backbones.errors import HoopoeError
from detector.base.stopping import StopRequest
from detector.review import deciding
from detector.review.deciding import Deciding


class Jobs:
    """What was done, in its order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.was_parted = threading.Event()

    def whole(self) -> None:
        self.done.append("whole")

    def part(self) -> None:
        self.done.append("part")
        self.was_parted.set()


def test_it_decides_soon_and_once_for_all_that_is_asked_meanwhile():
    jobs = Jobs()
    with Deciding(jobs.whole, jobs.part, takes_s=0) as deciding_of:
        assert not deciding_of.is_due
        for _ in range(3):
            deciding_of.ask()
        assert deciding_of.wait(30)
        assert not deciding_of.is_due
    assert jobs.done == ["whole"]


def test_what_takes_long_is_counted_in_part_until_somebody_waits_for_the_whole():
    jobs = Jobs()
    with Deciding(jobs.whole, jobs.part, takes_s=100) as deciding_of:
        deciding_of.ask()
        assert jobs.was_parted.wait(30)
        assert (jobs.done, deciding_of.is_due) == (["part"], True)
        assert deciding_of.wait(30)
    assert jobs.done == ["part", "whole"]


def test_what_is_due_is_decided_at_the_end():
    jobs = Jobs()
    with Deciding(jobs.whole, jobs.part, takes_s=100) as deciding_of:
        deciding_of.ask()
    assert jobs.done[-1] == "whole"


@pytest.mark.parametrize("error", [HoopoeError("another process writes", hint="wait"), ValueError("a fault of ours")])
def test_what_goes_wrong_is_said_and_ends_nothing(monkeypatch, error):
    monkeypatch.setattr(deciding, "RETRY_S", 0.01)
    failures = [error]

    def job() -> None:
        if failures:
            raise failures.pop()

    with Deciding(job, job, takes_s=0) as deciding_of:
        deciding_of.ask()
        assert deciding_of.wait(30)
        assert (deciding_of.problem is None) == isinstance(error, HoopoeError)
        deciding_of.ask()
        assert deciding_of.wait(30)
        assert deciding_of.problem is None


def test_an_interrupt_at_the_end_leaves_what_is_due_to_the_next_start(monkeypatch):
    stop, begun = StopRequest(), threading.Event()

    def job() -> None:
        begun.set()
        while not stop.requested:
            sleep(0.001)
        stop.heed()

    deciding_of = Deciding(job, job, takes_s=0)
    deciding_of.ask()
    assert begun.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(deciding_of._thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            deciding_of.close()
    stop.signal = signal.SIGINT
    deciding_of.close()
    assert deciding_of.problem == "the decisions were left to the next start"


def interrupted(_: float) -> None:
    raise KeyboardInterrupt
