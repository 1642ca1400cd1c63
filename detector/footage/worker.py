"""A process that works on one task after another for another process; see `isolation`."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from backbones.errors import HoopoeError
from detector.base.failures import failure_words
from detector.base.memory import bound_memory, keep_freed_memory
from detector.base.stopping import SIGNALS
from detector.base.torn import hear_decoders
from detector.footage.transport import receive, send

Task = TypeVar("Task")

STOP_TIMEOUT_S = 2.0  # for a process to end by itself
SLOW_IMPORTS = ("torch", "cv2", "av", "PIL.Image", "s3fs")  # of our own none: another copy of it might be found
READY, PRODUCED, FINISHED, FAILED = range(4)  # what a process can say


_started: weakref.WeakSet[Worker[Any]] = weakref.WeakSet()
_imported_by = os.getpid()


@atexit.register
def _kill_all() -> None:
    """Those that nobody ended: multiprocessing would send them a SIGTERM, which they do not hear, and wait for ever."""
    for worker in list(_started):
        worker.kill()


class Worker(Generic[Task]):
    """The handle of one process.

    Attributes:
        results: Readable when the process has something to say, or has died.
        ready: Whether it has started up.
        silent_s: How long it has been listened to in vain; kept by the caller.
        number: Of the task at work, as `begin` was told; -1: none.
        task: The task at work, or the last one.
    """

    task: Task

    def __init__(self, function: Callable[[Task], Iterable[Any]]) -> None:
        with _interrupts_blocked(), _without_main(function):
            context: Any = _start_context()
            tasks, self._tasks = context.Pipe(duplex=False)
            self.results, results = context.Pipe(duplex=False)
            self._process = context.Process(target=_work, args=(tasks, results, function), daemon=True)
            self._process.start()
        _started.add(self)
        tasks.close()  # this process must not hold the other's ends, or none would notice the other's death
        results.close()
        self.ready = False
        self.silent_s = 0.0
        self.number = -1

    @property
    def busy(self) -> bool:
        """Whether a task is at work."""
        return self.number >= 0

    @property
    def alive(self) -> bool:
        """Whether the process runs and can be given tasks."""
        return not self._tasks.closed and self._process.is_alive()

    def begin(self, number: int, task: Task) -> None:
        """Give it a task."""
        self.number, self.task, self.silent_s = number, task, 0.0
        with suppress(OSError):  # it has just died, which shows when it is listened to
            send(self._tasks, task)

    def hear(self) -> tuple[int, Any]:
        """What it says next: one of the constants above, and a value or an error.

        Raises:
            EOFError, OSError: If it has died.
        """
        kind, content = receive(self.results)
        if kind == READY:
            self.ready = True
        elif kind != PRODUCED:
            self.number = -1
        return kind, content

    def death(self) -> str:
        """How it died, in words."""
        self._process.join(STOP_TIMEOUT_S)
        code = self._process.exitcode
        if code is None:
            return "it no longer answers"
        if code == -getattr(signal, "SIGKILL", 9):
            return "killed, perhaps because memory ran out"
        if code < 0:
            return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"exit code {code:#x}" if code > 255 else f"exit code {code}"

    def stop(self) -> None:
        """Tell it to end: by closing its pipe, which one without a task notices, or by force."""
        self._tasks.close()
        if self.busy:
            self._process.kill()

    def join(self) -> None:
        """Wait until it has ended, and make it end if it does not."""
        self._process.join(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.join()
        self._tasks.close()
        self.results.close()
        self.number = -1


def _start_context() -> Any:
    """How processes start: never as forks of this one, which would copy threads' locks, and all memory.

    On Linux they are forks of a process that does nothing but import once what takes seconds and this one has imported.
    A fork of this process cannot use that one. Call it where the process may start: signals are blocked, and the
    caller's script is hidden.
    """
    if sys.platform != "linux" or os.getpid() != _imported_by:
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver  # there is none elsewhere

    context = multiprocessing.get_context("forkserver")
    own = getattr(forkserver._forkserver, "_preload_modules", [])  # what the user's program has asked for
    own = [] if own == ["__main__"] else [name for name in own if name not in SLOW_IMPORTS]  # that is the default
    context.set_forkserver_preload([*own, *(name for name in SLOW_IMPORTS if name in sys.modules)])
    try:
        forkserver.ensure_running()
    except OSError:  # no socket can be made in the temporary folder, as where its name is long
        return multiprocessing.get_context("spawn")
    return context


@contextmanager
def _without_main(function: Callable[..., Any]) -> Iterator[None]:
    """Let a process that is spawned not run the caller's script again, which then needs no `if __name__ == ...`."""
    main: Any = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__spec__", "__file__") if name in vars(main)}
    if function.__module__ == "__main__":  # it would not be found
        kept = {}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        vars(main).update(kept)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Signals to end reach all processes of a terminal or a job; one started in here never sees them.

    Whether and when the work ends is the other process's to say.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(tasks: Connection, results: Connection, function: Callable[[Task], Iterable[Any]]) -> None:
    """The life of the process: one task after another, until the other side is gone."""
    for number in SIGNALS:  # for systems on which they cannot be blocked
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hear_decoders()
    bound_memory()
    keep_freed_memory()
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)  # there is a process for each core
    with suppress(EOFError, OSError):
        send(results, (READY, None))
        while True:
            for answer in _answers(function, receive(tasks)):
                send(results, answer)


def _answers(function: Callable[[Task], Iterable[Any]], task: Task) -> Iterator[tuple[int, Any]]:
    try:
        for value in function(task):
            yield PRODUCED, value
    except HoopoeError as error:
        yield FAILED, error
    except Exception as error:  # whatever a decoder raises is the file's fault, and costs this file only
        yield FAILED, failure_words(error)
    else:
        yield FINISHED, None


def _end_with_parent() -> None:
    """End also in the middle of a task, where nobody reads from or writes to a pipe."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
