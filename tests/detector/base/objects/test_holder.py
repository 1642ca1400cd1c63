"""A process that has ended is told from one that lives, and from one of which nothing is known."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from detector.base.objects import holder
from detector.base.objects.holder import Holder


def test_what_is_no_holder_is_none() -> None:
    for content in ({}, {"pid": "4711", "host": "a"}, {"pid": 4711}, {"holder": "process 1 on a"}):
        assert Holder.read(content) is None


def test_a_holder_comes_back_from_what_was_written() -> None:
    assert Holder.read(json.loads(json.dumps(Holder.here().facts()))) == Holder.here()
    assert Holder.read({"pid": 1, "host": "a", "machine": None, "started": "x"}) == Holder(1, "a")
    assert str(Holder(4711, "node-a")) == "process 4711 on node-a"


def test_this_process_lives() -> None:
    assert not Holder.here().has_gone


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_process_that_was_killed_has_gone_also_before_its_parent_asks() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    state = holder._state(process.pid)
    assert state is not None
    other = replace(Holder.here(), pid=process.pid, started=state[1])
    assert not other.has_gone
    assert replace(other, started=state[1] - 1).has_gone, "another process has its number now"
    process.kill()
    while (holder._state(process.pid) or "gone")[0] not in ("Z", "g"):
        pass
    assert replace(other).has_gone
    process.communicate()
    assert replace(other).has_gone


def test_of_another_machine_another_boot_or_another_container_nobody_knows() -> None:
    gone = replace(Holder.here(), pid=2**22 + 1)  # above all numbers of processes
    assert not replace(gone, host="elsewhere").has_gone
    assert not replace(gone, machine="another boot").has_gone
    assert not replace(gone, machine=None).has_gone


def test_a_process_that_is_hidden_from_this_user_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Holder.here()
    monkeypatch.setattr(holder, "_state", lambda _: None)
    assert not own.has_gone
