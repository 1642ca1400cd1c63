"""What the rest of a run takes is said once enough files are done."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detector.annotation import forecast
from detector.annotation.forecast import Forecast
from detector.base.reporting import TextLog, using
from detector.base.reporting.tasks import Task
from detector.cluster.work import Machines


class Log(TextLog):
    """Keeps what is said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def warn(self, text):
        self.said.append(text)


def run(monkeypatch, price, machines, files=2_000, done=1_000, seconds=3_600):
    now = iter(range(0, 10 * seconds, seconds))
    monkeypatch.setattr(forecast, "time", SimpleNamespace(monotonic=lambda: float(next(now))))  # this room's alone
    with using(Log()) as log:
        told = Forecast(price, machines)
        task = Task(log, "annotating", files, "files")
        task.done = done
        told.note(task)
        told.note(task)
    return log.said, told, task


def test_before_enough_files_nothing_is_said(monkeypatch):
    assert run(monkeypatch, None, None, done=999)[0] == []


def test_money_is_that_of_the_machines_that_work(monkeypatch):
    said, told, task = run(monkeypatch, 0.5, Machines(4))
    assert len(said) == 1
    assert "1,000 of 2,000 files" in said[0]
    assert "on 4 machines" in said[0]
    assert set(task.figures) == {"cost", "cost_left"}
    assert task.figures["cost_left"] == pytest.approx(task.figures["cost"])  # half is done
    cost = told.cost()
    assert cost.money == pytest.approx(cost.machine_hours * 0.5)


def test_without_a_price_there_is_no_money(monkeypatch):
    said, told, task = run(monkeypatch, None, Machines(1))
    assert "after" not in said[0]
    assert task.figures == {}
    assert told.cost().money is None
