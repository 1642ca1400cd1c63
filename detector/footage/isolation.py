"""Work in processes of its own, so that a crash or hang in a native decoder costs the one file that caused it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Generic, TypeVar

from backbones.errors import HoopoeError, MediaError
from detector.base.closing import Closing
from detector.footage.worker import FAILED, FINISHED, READY, Worker

Task = TypeVar("Task")
Value = TypeVar("Value")

START_TIMEOUT_S = 300.0  # until a process has imported what it needs; slow disks and virus scanners take their time
LISTENED_S = 1.0  # at a time; more than that was no listening: the computer slept, or this process was held
HELD_EVENTS = 16  # of later tasks, while an earlier one goes on, where the order counts; a photo may take 40 MB
_MEND = "copy the file from the card again, or leave it out"


@dataclass(frozen=True, eq=False)
class Produced(Generic[Task, Value]):
    """A task has produced one of its values."""

    task: Task
    value: Value


@dataclass(frozen=True, eq=False)
class Finished(Generic[Task]):
    """A task is through: all of its values have come."""

    task: Task


@dataclass(frozen=True, eq=False)
class Failed(Generic[Task]):
    """A task has ended early, by an error of its own, a crash, or a hang; values may have come before."""

    task: Task
    error: HoopoeError


Event = Produced[Task, Value] | Finished[Task] | Failed[Task]


class IsolatedReaders(Closing, Generic[Task, Value]):
    """Processes that work on tasks, each of which produces a stream of values.

    A process that dies or is silent for too long is replaced: its task has failed, the others go on. What time a laptop
    is shut does not count. Each process holds the value that it has made until it is asked for, so memory stays
    bounded. All happens in the thread that asks for the next event: to have values ready while other work is done, ask
    in a thread of its own. `close` alone may be called from any thread, and is final.

    The processes are no forks of this one, and do not run the caller's script, which needs no
    `if __name__ == "__main__":`.
    They end with this process, also when it is killed, and leave Ctrl-C to it.

    Args:
        workers: How many processes; they start with the first tasks.
        task: What they do: a function at the top of a module that takes a task and yields values. Tasks and values are
            pickled; large arrays in values pass beside the pickle. What the function raises ends the task.
        timeout_s: Silence after which a process counts as hanging.
        name: The words for a task in errors.
    """

    def __init__(
        self,
        workers: int,
        task: Callable[[Task], Iterable[Value]],
        timeout_s: float = 120.0,
        *,
        name: Callable[[Task], str] = str,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be >= 1, not {workers}")
        self._function = task
        self._timeout_s = timeout_s
        self._name = name
        self._count = workers
        self._workers: list[Worker[Task]] = []
        self._closed = False
        self._changing = threading.Lock()

    def close(self) -> None:
        """End all processes, at once where they are at work; a run in another thread fails, and none begins again."""
        with self._changing:
            self._closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()

    def run(self, tasks: Iterable[Task], *, in_order: bool = False) -> Iterator[Event[Task, Value]]:
        """Work on tasks and yield what happens. One run at a time.

        Args:
            tasks: Taken one by one, as processes become free.
            in_order: Yield the events of a task only after all those of the tasks before it. The events of one task are
                in order in either case.

        Yields:
            For each task any number of `Produced`, then one `Finished` or `Failed`.

        Raises:
            HoopoeError: If a process cannot start, or `close` was called. What `tasks` raises comes out as well.
            RuntimeError: If another run is not over.
        """
        if any(worker.busy for worker in self._workers):
            raise RuntimeError("another run of these processes is not over")
        queue = enumerate(tasks)
        order: _InOrder[Task, Value] | None = _InOrder() if in_order else None
        try:
            for worker in [*self._workers, *[None] * (self._count - len(self._workers))]:
                self._give(worker, queue)
            while busy := [worker for worker in self._workers if worker.busy]:
                readable = busy if order is None else order.readable(busy)
                for worker in self._heard(readable):
                    number = worker.number
                    event = self._event(worker)
                    if event is None:
                        continue
                    if not isinstance(event, Produced):
                        self._give(worker, queue)
                    yield from (event,) if order is None else order.add(number, event)
            if self._closed:
                raise _ended()
        finally:
            self._drop([worker for worker in self._workers if worker.busy])

    def _give(self, worker: Worker[Task] | None, queue: Iterator[tuple[int, Task]]) -> None:
        """Give a process the next task, if there is one: a new process in place of none or a dead one."""
        item = next(queue, None)
        if item is None:
            return
        if worker is None or not worker.alive:
            self._drop([worker] if worker in self._workers else [])
            try:
                worker = Worker(self._function)
            except (OSError, EOFError) as error:  # none can be made, or the process that they are forks of has died
                raise _not_started() from error
            with self._changing:
                if not self._closed:
                    self._workers.append(worker)
            if self._closed:
                worker.kill()
                raise _ended()
        worker.begin(*item)

    def _heard(self, workers: list[Worker[Task]]) -> list[Worker[Task]]:
        """Wait a moment for these processes; returns those that have something to say, or were silent for too long."""
        patience = min(LISTENED_S, *(self._patience(worker) for worker in workers))
        start = time.monotonic()
        ready = set(wait([worker.results for worker in workers], max(0.0, patience)))
        waited = min(LISTENED_S, time.monotonic() - start)
        for worker in workers:  # only the time in which this process listened counts as silence
            worker.silent_s = 0.0 if worker.results in ready else worker.silent_s + waited
        return [worker for worker in workers if worker.results in ready or self._patience(worker) <= 0]

    def _patience(self, worker: Worker[Task]) -> float:
        return (self._timeout_s if worker.ready else START_TIMEOUT_S) - worker.silent_s

    def _event(self, worker: Worker[Task]) -> Event[Task, Value] | None:
        """What a process has to say; None: only that it is there."""
        task = worker.task
        if self._patience(worker) <= 0:
            return self._lost(worker, f"reading it made no progress for {self._timeout_s:.0f} s and was stopped")
        try:
            kind, content = worker.hear()
        except (EOFError, OSError):
            return self._lost(worker, f"reading it crashed ({worker.death()})")
        if kind == READY:
            return None
        if kind == FINISHED:
            return Finished(task)
        if kind == FAILED:
            error = content if isinstance(content, HoopoeError) else self._error(task, content)
            return Failed(task, error)
        return Produced(task, content)

    def _lost(self, worker: Worker[Task], problem: str) -> Failed[Task]:
        started = worker.ready
        self._drop([worker])
        if not started:
            raise _not_started()
        return Failed(worker.task, self._error(worker.task, problem))

    def _error(self, task: Task, problem: str) -> MediaError:
        return MediaError(problem, where=self._name(task), hint=_MEND)

    def _drop(self, workers: list[Worker[Task]]) -> None:
        for worker in workers:
            with self._changing:
                if worker not in self._workers:  # `close` is ending it: two threads would close its pipes twice
                    continue
                self._workers.remove(worker)
            worker.kill()


def _not_started() -> HoopoeError:
    return HoopoeError("the processes that read files do not start", hint="is memory left?")


def _ended() -> HoopoeError:
    return HoopoeError("the processes that read files were ended meanwhile", hint="begin again")


class _InOrder(Generic[Task, Value]):
    """Puts the events of many tasks into the tasks' order."""

    def __init__(self) -> None:
        self._next = 0  # number of the task whose events go out
        self._held: dict[int, list[Event[Task, Value]]] = {}  # of later tasks

    def readable(self, busy: list[Worker[Task]]) -> list[Worker[Task]]:
        """The processes to listen to: with enough held only the one that is next, so that the others wait."""
        if sum(map(len, self._held.values())) < HELD_EVENTS:
            return busy
        return [worker for worker in busy if worker.number == self._next]

    def add(self, number: int, event: Event[Task, Value]) -> list[Event[Task, Value]]:
        """Take an event of a task; returns those that may go out now."""
        self._held.setdefault(number, []).append(event)
        out: list[Event[Task, Value]] = []
        while self._next in self._held:
            out += self._held.pop(self._next)
            if isinstance(out[-1], Produced):
                break
            self._next += 1
        return out
