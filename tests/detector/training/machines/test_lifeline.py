"""A process that goes is told to all others, with its host and what to do."""

import os
import socket
import threading
from types import SimpleNamespace

import pytest
import torch

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.training.machines import lifeline
from detector.training.machines.lifeline import Lifeline
from detector.training.machines.losses import Loss, Member
from detector.training.machines.sharing import Account, facts_of, file_of_first, refuse_differing

MEMBERS = [Member(0, 0, "node-a"), Member(1, 0, "node-a"), Member(2, 1, "node-b"), Member(3, 1, "node-b")]


def fabric_of(process: int, processes: int, said: list) -> SimpleNamespace:
    """What of Fabric a lifeline uses; the first process says where it listens into a list."""

    def broadcast(value: object) -> object:
        said.append(value)
        return said[0]

    return SimpleNamespace(
        global_rank=process, world_size=processes, node_rank=0, is_global_zero=process == 0, broadcast=broadcast
    )


@pytest.fixture
def held(monkeypatch):
    """The lifelines of some processes, which are threads here: held(2)."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setattr(lifeline, "GRACE_S", 0.2)
    monkeypatch.setattr(lifeline, "_gathered", lambda member, processes: MEMBERS[:processes])
    monkeypatch.setattr(lifeline.os, "register_at_fork", lambda **_: None)
    ended: list[int] = []
    monkeypatch.setattr(lifeline.os, "_exit", ended.append)

    def hold(processes: int) -> list[Lifeline]:
        said: list = []
        lines: list = [None] * processes

        def first() -> None:
            lines[0] = Lifeline(fabric_of(0, processes, said))

        waiting = threading.Thread(target=first)
        waiting.start()
        while not said:
            pass
        with socket.create_connection(("127.0.0.1", said[0][0])) as stranger:
            stranger.sendall(b"who are you\n")
        for process in range(1, processes):
            lines[process] = Lifeline(fabric_of(process, processes, said))
        waiting.join()
        return lines

    hold.ended = ended
    return hold


def test_one_process_alone_has_nobody_to_lose() -> None:
    with Lifeline(fabric_of(0, 1, [])) as alone:
        assert alone.explains(RuntimeError("Connection closed by peer")) is None


def test_processes_that_finish_one_after_the_other_lose_nobody(held) -> None:
    lines = held(3)
    for line in lines:
        line.__enter__()
    for line in (lines[2], lines[0], lines[1]):
        line.__exit__(None, None, None)
    assert held.ended == []
    assert all(line.explains(RuntimeError("nothing of the network")) is None for line in lines)


def test_an_error_of_one_is_told_by_the_others_at_once(held) -> None:
    lines = held(3)
    for line in lines:
        line.__enter__()
    own = DataError("this picture has gone", where="bird.jpg")
    lines[2].__exit__(DataError, own, None)  # it raises its own
    torn = RuntimeError("Connection closed by peer [10.0.0.2]")
    with pytest.raises(HoopoeError, match=r"process 2 on node-b has failed: this picture has gone \(bird.jpg\)"):
        lines[0].__exit__(RuntimeError, torn, None)
    with pytest.raises(SystemExit):  # the first one of its machine has spoken
        lines[1].__exit__(RuntimeError, torn, None)


def test_a_process_that_hangs_for_one_that_was_killed_is_ended(held, capsys) -> None:
    lines = held(2)
    closed = threading.Event()
    lines[0].at_end = closed.set
    lines[0].__enter__()
    lines[1]._connections[0].close()  # what the system does when it is killed
    for thread in threading.enumerate():
        if thread.name == "lifeline":
            thread.join(30)
    assert held.ended == [2]
    assert closed.is_set()
    said = capsys.readouterr().err
    assert "process 1 on node-a has ended without a word" in said
    assert "--resume" in said


def test_what_is_sent_is_read_and_nonsense_is_not() -> None:
    loss = Loss(2, "failed", "a\x1b[31m\nb" + "x" * 1000)
    found = Loss.read(loss.message(), 4)
    assert found is not None
    assert (found.process, found.cause, len(found.words)) == (2, "failed", 300)
    assert found.words.isprintable()
    for message in ({}, {"lost": 4, "cause": "ended"}, {"lost": "0", "cause": "ended"}, {"lost": 0, "cause": "x"}):
        assert Loss.read(message, 4) is None


def test_a_silent_machine_is_told_with_its_name_and_what_to_do() -> None:
    error = Loss(3, "silent").error(MEMBERS)
    assert "process 3 on node-b was not heard of for 40 s" in error.problem
    assert error.where == "machine node-b"
    assert "--resume" in str(error.hint)


def account(process: int, checkpoint: bool = False, **settings: object) -> Account:
    return Account(MEMBERS[process], {"train.lr": 1e-3} | settings, facts_of("abc", True), checkpoint)


def test_machines_that_would_train_otherwise_are_refused(tmp_path) -> None:
    refuse_differing([account(0)], tmp_path)
    refuse_differing([account(0, True), account(1, True), account(2, **{"data.workers": 9})], tmp_path)
    with pytest.raises(ConfigError, match=r"train.lr: 0.001 in process 0 on node-a, 0.1 in process 2 on node-b"):
        refuse_differing([account(0), account(2, **{"train.lr": 0.1})], tmp_path)
    other = Account(MEMBERS[2], {"train.lr": 1e-3}, facts_of("xyz", True), False)
    with pytest.raises(ConfigError, match="annotations' fingerprint: abc in process 0 on node-a, xyz"):
        refuse_differing([account(0), other], tmp_path)


def test_a_run_that_lies_on_another_machine_is_not_begun_anew(tmp_path) -> None:
    with pytest.raises(ConfigError, match="lies on node-b, and not on the first machine"):
        refuse_differing([account(0), account(2, True)], tmp_path)


def test_the_first_process_keeps_its_own_file(tmp_path) -> None:
    fabric = fabric_of(0, 1, [])
    path = tmp_path / "last.pt"
    path.write_bytes(b"weights")
    with file_of_first(path, fabric) as found:
        assert found == path
    with file_of_first(None, fabric) as found:
        assert found is None


def test_memory_that_runs_out_is_no_lost_process(held) -> None:
    assert held(2)[0].explains(torch.OutOfMemoryError("CUDA out of memory; connection")) is None
    assert os.environ["MASTER_ADDR"] == "127.0.0.1"
