"""One bad task never costs the others."""

import ast
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from backbones.errors import HoopoeError, MediaError
from detector.footage import isolation, worker
from detector.footage.isolation import Failed, Finished, IsolatedReaders, Produced

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # the processes get this path, and import the tasks from it
import reader_tasks  # noqa: E402

PATIENT_S, IMPATIENT_S = 600, 5


@pytest.fixture(scope="module")
def pool() -> Iterator[IsolatedReaders]:
    with IsolatedReaders(2, reader_tasks.obey, PATIENT_S, name=lambda task: f"file {task[1]}") as readers:
        yield readers


@pytest.fixture(scope="module")
def impatient() -> Iterator[IsolatedReaders]:
    """Takes silence for a hang after some seconds."""
    with IsolatedReaders(2, reader_tasks.obey, IMPATIENT_S, name=lambda task: f"file {task[1]}") as readers:
        yield readers


def failures(events: list) -> dict:
    return {event.task: event.error.problem for event in events if isinstance(event, Failed)}


def test_no_tasks_start_no_process(pool: IsolatedReaders) -> None:
    assert list(pool.run([])) == []
    assert pool._workers == []


def test_every_task_ends_once_and_its_values_come_in_order(pool: IsolatedReaders) -> None:
    tasks = [("count", number) for number in (3, 0, 7, 1, 40)]
    events = list(pool.run(tasks))
    for task in tasks:
        own = [event for event in events if event.task == task]
        assert [event.value for event in own[:-1]] == list(range(task[1]))
        assert isinstance(own[-1], Finished)


@pytest.mark.parametrize("order", ["abort", "kill", "raise", "media error", "sleep", "abort after two"])
def test_a_bad_task_costs_itself_only(impatient: IsolatedReaders, order: str) -> None:
    tasks = [("echo", 1), ("echo", 2), (order, 3), ("echo", 4), ("count", 5), ("echo", 6)]
    events = list(impatient.run(tasks))
    assert list(failures(events)) == [(order, 3)]
    if order == "sleep":
        reason = f"reading it made no progress for {IMPATIENT_S:.0f} s and was stopped"
        assert failures(events)[order, 3] == reason
    assert {event.task for event in events if isinstance(event, Finished)} == set(tasks) - {(order, 3)}


def test_reasons_name_file_and_cause(pool: IsolatedReaders) -> None:
    tasks = [("abort", 1), ("kill", 2), ("raise", 3), ("media error", 4), ("address", 6)]
    events = list(pool.run(tasks))
    reasons = failures(events)
    assert "SIGABRT" in reasons["abort", 1]
    assert "memory" in reasons["kill", 2]
    assert reasons["raise", 3] == "ZeroDivisionError: no such luck"
    assert reasons["address", 6] == "OSError: cannot identify image file <object object>"
    assert reasons["media error", 4] == "the file is empty"
    errors = {event.task[1]: event.error for event in events}
    assert all(isinstance(error, MediaError) and error.hint for error in errors.values())
    assert errors[1].where == "file 1"
    assert errors[4].where == "a.jpg"


@pytest.mark.skipif(sys.platform != "linux", reason="no other system bounds a process's memory")
def test_a_file_that_takes_all_memory_fails_and_the_process_goes_on(pool: IsolatedReaders) -> None:
    tasks = [("process", 0), ("allocate", 1), ("allocate", 2), ("process", 3)]
    events = list(pool.run(tasks))
    assert set(failures(events).values()) == {"reading it takes more memory than there is for one file"}
    assert set(failures(events)) == {("allocate", 1), ("allocate", 2)}


def test_values_before_a_crash_are_kept(pool: IsolatedReaders) -> None:
    events = list(pool.run([("abort after two", 0)]))
    assert [event.value for event in events[:2]] == [0, 1]
    assert isinstance(events[2], Failed)
    assert len(events) == 3


def test_in_order_the_tasks_follow_each_other(pool: IsolatedReaders) -> None:
    tasks = [("sleep a little", 0), *(("count", number) for number in range(1, 30)), ("abort", 30), ("echo", 31)]
    events = list(pool.run(tasks, in_order=True))
    ends = [event.task for event in events if not isinstance(event, Produced)]
    assert ends == tasks
    numbers = [event.task[1] for event in events]
    assert numbers == sorted(numbers)


def test_a_thousand_pictures_arrive_whole_while_others_crash(pool: IsolatedReaders) -> None:
    tasks = [("pictures", 1000), ("abort", 0), ("pictures", 200), ("abort", 1)]
    seen = dict.fromkeys(tasks, 0)
    for event in pool.run(tasks):
        if isinstance(event, Produced):
            assert event.value.shape == (300, 400, 3)
            assert (event.value == seen[event.task] % 256).all()
            seen[event.task] += 1
            event.value.fill(0)  # writable: it belongs to the receiver
    assert seen == {("pictures", 1000): 1000, ("abort", 0): 0, ("pictures", 200): 200, ("abort", 1): 0}


def test_a_computer_that_slept_is_not_taken_for_a_hang(pool: IsolatedReaders, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=itertools.count(0, 10 * PATIENT_S).__next__)  # it sleeps whenever it waits
    monkeypatch.setattr(isolation, "time", clock)
    tasks = [("sleep a little", 0), ("count", 30)]
    assert not failures(list(pool.run(tasks)))


def test_a_slow_receiver_is_not_taken_for_a_hang(impatient: IsolatedReaders) -> None:
    events = []
    for event in impatient.run([("count", 3), ("count", 2)]):
        events.append(event)
        time.sleep((IMPATIENT_S + 0.5) / 7)  # seven events: longer than the time after which silence counts
    assert not failures(events)
    assert len(events) == 7


def test_tasks_are_taken_only_as_processes_become_free(pool: IsolatedReaders) -> None:
    taken = 0

    def tasks() -> Iterator[tuple[str, int]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield "echo", number

    events = pool.run(tasks())
    for _ in range(10):
        next(events)
    assert taken <= 10 + 2
    events.close()


def test_it_is_ended_for_good_by_another_thread_also_while_a_process_starts() -> None:
    pool = IsolatedReaders(1, reader_tasks.obey, PATIENT_S)
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(lambda: list(pool.run([("sleep", 0)])))
        while not pool._workers:
            time.sleep(0.001)
        pool.close()
        with pytest.raises((HoopoeError, OSError)):
            run.result(60)
    with pytest.raises(HoopoeError, match="ended meanwhile"):
        list(pool.run([("echo", 1)]))


def test_a_process_is_ended_once_when_a_run_hears_of_it_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = IsolatedReaders(1, reader_tasks.obey, PATIENT_S)
    events = pool.run([("count", 1000)])
    next(events)
    ended: list[worker.Worker] = []
    kill = worker.Worker.kill

    def hear_and_kill(process: worker.Worker) -> None:
        ended.append(process)
        if len(ended) == 1:
            pool._drop([process])  # as a run in another thread: `close` has taken the process, and not ended it yet
        kill(process)

    monkeypatch.setattr(worker.Worker, "kill", hear_and_kill)
    pool.close()
    assert len(ended) == 1


def test_an_abandoned_run_leaves_a_pool_that_works(pool: IsolatedReaders) -> None:
    events = pool.run([("sleep", 0), ("count", 1000)])
    assert next(events).value == 0
    events.close()
    assert [type(event) for event in pool.run([("echo", 1)])] == [Produced, Finished]


def test_processes_that_died_between_runs_are_replaced(pool: IsolatedReaders) -> None:
    tasks = [("process", number) for number in range(20)]
    before = {event.value for event in pool.run(tasks) if isinstance(event, Produced)}
    for process in before:
        os.kill(process, signal.SIGKILL)
    for each in pool._workers:
        each._process.join()
    events = list(pool.run(tasks))
    assert not failures(events)
    assert before.isdisjoint(event.value for event in events if isinstance(event, Produced))


def test_runs_do_not_mix(pool: IsolatedReaders) -> None:
    events = pool.run([("count", 10), ("count", 20)])
    next(events)
    with pytest.raises(RuntimeError, match="another run"):
        next(pool.run([("echo", 1)]))
    assert len(list(events)) == 31


def test_an_error_of_the_task_list_comes_out(pool: IsolatedReaders) -> None:
    def tasks() -> Iterator[tuple[str, int]]:
        yield "sleep", 0
        raise KeyError("the list")

    with pytest.raises(KeyError, match="the list"):
        list(pool.run(tasks()))


MODULES = f"""
import sys
sys.path.insert(0, {HERE!r})
import av, reader_tasks
from detector.footage.isolation import IsolatedReaders, Produced

with IsolatedReaders(1, reader_tasks.loaded_modules) as pool:
    print(*[event.value for event in pool.run([""]) if isinstance(event, Produced)], sep="\\n")
"""


def test_processes_start_with_the_slow_modules_of_their_parent_and_load_no_torch_to_read() -> None:
    answer = subprocess.run([sys.executable, "-c", MODULES], capture_output=True, text=True, check=True, timeout=200)
    at_first, in_the_end = (ast.literal_eval(line) for line in answer.stdout.splitlines())
    assert "detector.footage.video" in in_the_end
    assert "torch" not in in_the_end
    assert ("av" in at_first) == (sys.platform == "linux")


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forks of a server on Linux alone")
def test_processes_start_where_the_temporary_folder_takes_no_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)  # a socket's address has 107 characters at most
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-c", MODULES]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert (answer.returncode, len(answer.stdout.splitlines())) == (0, 2), answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forks of a server on Linux alone")
@pytest.mark.parametrize(("asked", "kept"), [(["__main__"], []), (["colorsys", "av"], ["colorsys"])])
def test_modules_that_a_users_program_preloads_stay(monkeypatch: pytest.MonkeyPatch, asked: list, kept: list) -> None:
    from multiprocessing import forkserver

    server = forkserver.ForkServer()
    monkeypatch.setattr(forkserver, "_forkserver", server)
    monkeypatch.setattr(forkserver, "ensure_running", lambda: None)
    monkeypatch.setattr(forkserver, "set_forkserver_preload", server.set_forkserver_preload)
    server.set_forkserver_preload(asked)
    assert worker._start_context().get_start_method() == "forkserver"
    assert server._preload_modules == [*kept, *(name for name in worker.SLOW_IMPORTS if name in sys.modules)]


def test_a_fork_of_a_process_that_may_have_started_some_starts_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_imported_by", os.getpid() + 1)
    assert worker._start_context().get_start_method() == "spawn"


def test_processes_that_cannot_start_are_an_error_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != HERE])  # so that the import there fails
    with IsolatedReaders(1, reader_tasks.obey) as pool, pytest.raises(HoopoeError, match="do not start"):
        list(pool.run([("echo", 0)]))


SCRIPT = f"""
import sys, time
sys.path.insert(0, {HERE!r})
import reader_tasks
from detector.footage.isolation import IsolatedReaders, Produced

if __name__ == "__main__":
    with IsolatedReaders(2, reader_tasks.obey, 600) as pool:
        for event in pool.run([("process", 0), ("process then sleep", 1), ("process then sleep", 2)]):
            if isinstance(event, Produced):
                print(event.value, flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A process whose two readers hang, and the readers' ids."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        readers = [int(process.stdout.readline()) for _ in range(3)][1:]
        yield process, readers
        process.kill()


def wait_until_gone(readers: list[int]) -> bool:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{reader}/cmdline").exists() and alive(reader) for reader in readers):
            return True
        time.sleep(0.05)
    return False


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_killed_parent_leaves_no_orphans(script: tuple[subprocess.Popen, list[int]]) -> None:
    process, readers = script
    assert all(alive(reader) for reader in readers)
    process.send_signal(signal.SIGKILL)
    assert wait_until_gone(readers)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_an_interrupt_ends_all_and_only_the_parent_speaks(script: tuple[subprocess.Popen, list[int]]) -> None:
    process, readers = script
    for receiver in (*readers, process.pid):  # as a terminal does it: to every process of the group
        os.kill(receiver, signal.SIGINT)
    _, errors = process.communicate(timeout=200)
    assert wait_until_gone(readers)
    assert process.returncode in (-signal.SIGINT, 130)
    assert errors.count("Traceback") == 1
    assert "KeyboardInterrupt" in errors


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_readers_leave_a_signal_to_end_to_the_parent(script: tuple[subprocess.Popen, list[int]]) -> None:
    process, readers = script
    for reader in readers:
        os.kill(reader, signal.SIGTERM)
    assert all(alive(reader) for reader in readers)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=200)  # until the server that they are forks of has ended, too
    assert wait_until_gone(readers)


def test_a_system_that_has_no_room_for_processes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker, "_start_context", no_room)
    with IsolatedReaders(1, reader_tasks.obey) as pool, pytest.raises(HoopoeError, match="do not start"):
        list(pool.run([("echo", 0)]))


def test_at_least_one_process_is_asked_for() -> None:
    with pytest.raises(ValueError, match="workers"):
        IsolatedReaders(0, reader_tasks.obey)


def test_transport_takes_values_of_every_kind(pool: IsolatedReaders) -> None:
    tasks = [("echo value", value) for value in (None, "א", {"a": [1]}, b"")]
    values = [event.value for event in pool.run(tasks, in_order=True) if isinstance(event, Produced)]
    assert values == [None, "א", {"a": [1]}, b""]
    empty = next(iter(pool.run([("echo value", np.zeros((0, 4), np.float32))]))).value
    assert empty.shape == (0, 4)
    assert empty.dtype == np.float32
    turned = np.arange(12).reshape(3, 4).T[::2]
    assert (next(iter(pool.run([("echo value", turned)]))).value == turned).all()
