"""A process that goes is told to all others, with its host and what to do."""

import os
import socket
import threading
import time
from collections.abc import Sequence
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
    monkeypatch.setattr(lifeline, "collectives_wait", lambda _: None)
    monkeypatch.setattr(lifeline.os, "register_at_fork", lambda **_: None)
    ended: list[int] = []
    monkeypatch.setattr(lifeline.os, "_exit", ended.append)

    def hold(processes: int, members: Sequence[Member] = MEMBERS) -> list[Lifeline]:
        said: list = []
        lines: list = [None] * processes
        places: list = [None] * processes
        all_told = threading.Barrier(processes)

        def gathered(value: object, _: int) -> list:
            if isinstance(value, Member):
                return list(members[:processes])
            places[int(threading.current_thread().name)] = value
            all_told.wait(30)
            return places

        monkeypatch.setattr(lifeline, "_gathered", gathered)

        def start(process: int) -> None:
            lines[process] = Lifeline(fabric_of(process, processes, said))

        threads = [threading.Thread(target=start, args=[each], name=str(each)) for each in range(processes)]
        threads[0].start()
        until = time.monotonic() + 30
        while not said and time.monotonic() < until:
            time.sleep(0.001)
        with socket.create_connection(("127.0.0.1", said[0][0])) as stranger:
            stranger.sendall(b"who are you\n")
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join(30)
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


def test_what_is_said_with_the_greeting_is_heard() -> None:
    with lifeline._server() as server, socket.create_connection(("127.0.0.1", server.getsockname()[1])) as other:
        other.sendall(b"word 3\n{}\n")
        process, connection = lifeline._welcomed(server, "word")
        with connection:
            assert process == 3
            assert connection.recv(100) == b"{}\n"


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


def test_two_machines_of_which_neither_is_the_first_hold_each_other(held, capsys) -> None:
    lines = held(6, [Member(process, process // 2, f"node-{'abc'[process // 2]}") for process in range(6)])
    assert [sorted(line._connections) for line in lines] == [[1, 2, 3, 4, 5], [0], [0, 4], [0], [0, 2], [0]]
    for line in lines:
        line.__enter__()
    lines[4]._end(Loss(2, "silent", by=4))  # what its system says of the cable between them
    for thread in threading.enumerate():
        if thread.name == "lifeline":
            thread.join(30)
    assert held.ended == [2] * 6  # exit codes
    sentence = "process 2 on node-b was not heard of for 40 s by process 4 on node-c"
    assert capsys.readouterr().err.count(sentence) == 3, "once on each machine"


def test_what_all_processes_of_a_machine_are_refused_is_said_by_one(held) -> None:
    lines = held(4)
    refused = ConfigError("there is no such setting")
    lines[2].__exit__(ConfigError, refused, None)  # it raises its own
    with pytest.raises(SystemExit):
        lines[3].__exit__(ConfigError, refused, None)
    for line in lines[:2]:
        line._preparing = False
        line.__exit__(ConfigError, refused, None)


def test_what_is_sent_is_read_and_nonsense_is_not() -> None:
    loss = Loss(2, "failed", "a\x1b[31m\nb" + "x" * 1000, by=9)
    found = Loss.read(loss.message(), 4)
    assert found is not None
    assert (found.process, found.cause, len(found.words), found.by) == (2, "failed", 300, None)
    assert found.words.isprintable()
    for message in ({}, {"lost": 4, "cause": "ended"}, {"lost": "0", "cause": "ended"}, {"lost": 0, "cause": "x"}):
        assert Loss.read(message, 4) is None


def test_a_silent_machine_is_told_with_its_name_and_what_to_do() -> None:
    error = Loss(3, "silent", by=0).error(MEMBERS)
    assert "process 3 on node-b was not heard of for 40 s by process 0 on node-a" in error.problem
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
