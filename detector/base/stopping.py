"""Requests to stop: Ctrl-C, `docker stop`, the end of a Slurm job, a terminal that closes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# SIGBREAK is Ctrl-Break on Windows; a system without one of them does not send it
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


class StopRequest:
    """A wish to end, remembered until the work has come to a good place; the second Ctrl-C ends at once.

    Attributes:
        signal: The number of the first signal that came; None: go on.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether it came."""
        return self.signal is not None

    def heed(self) -> None:
        """Raise `Ended` if it came."""
        if self.signal is not None:
            raise Ended(self.signal)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Listen to the signals, and give them back to whom they belonged; threads hear of none."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        # what is ignored stays so: `nohup` means it
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
        for number in before:
            signal.signal(number, self._remember)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Ended(KeyboardInterrupt):
    """A signal came while nothing was listening to it.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def ending_by_exception() -> Iterator[None]:
    """Let a signal that would end the process on the spot raise `Ended`, so that nothing unfinished is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended(number)

    ours = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
