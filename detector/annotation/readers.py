"""The reading processes as a service: tasks go in at any time, what they read comes out as it is there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from backbones.errors import DiskFullError
from detector.annotation.decoding import CropTask, DecodedFrame, DecodeTask, FrameCrops, Reading, perform
from detector.base.closing import Closing
from detector.base.objects.errors import ServiceError
from detector.footage.isolation import Failed, Finished, IsolatedReaders

READY_BYTES = 256 << 20  # of pictures that are received ahead: a hundred photos, or ten frames of a 4K video
_PAUSE_S = 0.02  # all processes without work have asked again after this time


@dataclass(frozen=True, eq=False)
class Arrival:
    """Something of a task: what was read, or its end.

    Attributes:
        task: The number that `submit` gave.
        reading: None at the end.
        failure: Why the task ended early; what was read before counts.
    """

    task: int
    reading: Reading | None
    failure: str | None = None


@dataclass(frozen=True, eq=False)
class _Numbered:
    """A task with its number; None is a pause."""

    number: int
    task: DecodeTask | CropTask | None


def _perform(numbered: _Numbered) -> Iterator[Reading]:
    """What a reading process does; at the top of a module, so that it can be found there."""
    if numbered.task is not None:
        torch.set_num_threads(1)  # there is a process for each core
        yield from perform(numbered.task)


class _Mailbox:
    """Arrivals between two threads, of a bounded size in bytes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: deque[tuple[int, Arrival | BaseException]] = deque()
        self._bytes = 0
        self._closed = False

    def put(self, arrival: Arrival | BaseException) -> None:
        """Leave something; waits while there is much already."""
        size = _size(arrival.reading) if isinstance(arrival, Arrival) else 0
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._held or self._bytes + size <= READY_BYTES)
            self._held.append((size, arrival))
            self._bytes += size
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Arrival | BaseException | None:
        """Take what was left first, or is left within this time; None: nothing was."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._held, timeout_s):
                return None
            size, arrival = self._held[0]
            if isinstance(arrival, BaseException):
                return arrival  # it stays, as nothing comes after it
            self._held.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return arrival

    def close(self) -> None:
        """Let `put` wait no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _size(reading: Reading | None) -> int:
    if isinstance(reading, DecodedFrame):
        return reading.nbytes
    return reading.crops.nbytes if isinstance(reading, FrameCrops) else 0


class Readers(Closing):
    """Reading processes, for one run after the other; a context manager that ends them.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._pool: IsolatedReaders[_Numbered, Reading] = IsolatedReaders(workers, _perform, name=_path)
        self._arrivals = _Mailbox()
        self._pause_s = _PAUSE_S / workers
        self._tasks: deque[_Numbered] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._count = self._forgotten = 0
        self._thread = threading.Thread(target=self._receive, name="readers", daemon=True)
        self._thread.start()

    def submit(self, task: DecodeTask | CropTask, *, urgent: bool = False) -> int:
        """Have a task done, an urgent one before those that wait; its number."""
        with self._changed:
            self._count += 1
            numbered = _Numbered(self._count, task)
            if urgent:
                self._tasks.appendleft(numbered)
            else:
                self._tasks.append(numbered)
            self._changed.notify()
            return numbered.number

    def next(self, timeout_s: float) -> Arrival | None:
        """What has come, or comes within this time; None: nothing did.

        Raises:
            HoopoeError: The processes cannot be started; again each time.
        """
        while (arrival := self._arrivals.get(timeout_s)) is not None:
            if isinstance(arrival, BaseException):
                raise arrival
            if arrival.task > self._forgotten:
                return arrival
        return None

    def forget(self) -> None:
        """Drop all tasks so far; nothing more comes of them."""
        with self._changed:
            self._tasks.clear()
            self._forgotten = self._count

    def close(self) -> None:
        """End the processes; what they were at is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._arrivals.close()
        self._thread.join()
        self._pool.close()

    def _receive(self) -> None:
        try:
            for event in self._pool.run(self._feed()):
                if self._closed:
                    return
                if event.task.task is None:
                    continue
                number = event.task.number
                if isinstance(event, Finished):
                    self._arrivals.put(Arrival(number, None))
                elif isinstance(event, Failed):
                    if isinstance(event.error, ServiceError | DiskFullError):  # not the file's fault: the run ends
                        raise event.error
                    self._arrivals.put(Arrival(number, None, event.error.problem))
                else:
                    self._arrivals.put(Arrival(number, event.value))
        except BaseException as error:  # raised where the arrivals are taken
            self._arrivals.put(error)

    def _feed(self) -> Iterator[_Numbered]:
        """Tasks for the pool, which never ends by itself: pauses while there are none, as more may come of results."""
        while not self._closed:
            with self._changed:
                if not self._tasks:
                    self._changed.wait(self._pause_s)
                numbered = self._tasks.popleft() if self._tasks else _Numbered(0, None)
            yield numbered


@contextmanager
def reading(readers: Readers | None, workers: int) -> Iterator[Readers]:
    """Reading processes: those given, which forget what is under way afterwards, or some that end then."""
    if readers is None:
        with Readers(workers) as own:
            yield own
        return
    try:
        yield readers
    finally:
        readers.forget()


def _path(numbered: _Numbered) -> str:
    return "" if numbered.task is None else str(numbered.task.item.file)
