"""Making the decisions of a store anew while people go on: in a thread, some moments after the last mark.

Where that takes long, only what a mark touches is counted anew at once, and the whole when people pause or wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic

from backbones.errors import HoopoeError
from detector.base.closing import Closing
from detector.base.stopping import Ended

QUIET_S = 0.7  # after a mark, in case another follows
RETRY_S = 5.0  # after another process was at it
SLOW_S = 3.0  # a job that takes longer waits for a pause
PAUSE_S = 30.0
JOIN_S = 0.5


class Deciding(Closing):
    """Runs a job soon after it is asked for, once for all that is asked meanwhile.

    Args:
        job: Decides and takes the new decisions; runs in a thread of its own. `Ended` leaves it undone.
        part: The same of what was asked for last alone, without writing it; runs in that thread, too.
        takes_s: How long the job takes, about.
    """

    def __init__(self, job: Callable[[], None], part: Callable[[], None], takes_s: float) -> None:
        self.problem: str | None = None
        self._job, self._part = job, part
        self._waiting = 0
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._closed = False
        self._took_s = takes_s
        self._thread = threading.Thread(target=self._run, name="deciding", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Something was said."""
        with self._changed:
            self._asked += 1
            self._changed.notify_all()

    @property
    def is_due(self) -> bool:
        """Whether something was said that is not decided yet."""
        return self._asked > self._done

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that was said is decided; whether it is."""
        with self._changed:
            asked = self._asked
            self._waiting += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._done >= asked or self._closed, timeout_s)
            finally:
                self._waiting -= 1

    def close(self) -> None:
        """Decide what is due, and end; an interrupt comes through, and it may be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        while self._thread.is_alive():
            self._thread.join(JOIN_S)  # with an end: on Windows no interrupt comes through one without

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.is_due or self._closed)
                if not self.is_due:
                    return
                self._pause(QUIET_S)
            if self._took_s > SLOW_S and not self._is_pressed:
                seen = self._asked
                self._try(self._part)
                with self._changed:
                    self._pause(PAUSE_S, partial(self._was_asked_after, seen))
                    if self._was_asked_after(seen) and not self._is_pressed:
                        continue
            with self._changed:
                asked = self._asked
            began = monotonic()
            if not self._try(self._job) and not self._closed:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, RETRY_S)
                continue
            self._took_s = monotonic() - began
            with self._changed:
                self._done = asked
                self._changed.notify_all()

    @property
    def _is_pressed(self) -> bool:
        return self._closed or self._waiting > 0

    def _was_asked_after(self, count: int) -> bool:
        return self._asked > count

    def _pause(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait so long, or until somebody is in a hurry."""
        self._changed.wait_for(lambda: self._is_pressed or until(), seconds)

    def _try(self, job: Callable[[], None]) -> bool:
        """Run a job; whether it is done, or can never be."""
        try:
            job()
            self.problem = None
        except HoopoeError as error:
            self.problem = str(error)
            return False
        except Ended:
            self.problem = "the decisions were left to the next start"
        except Exception as error:  # a thread that ends says nothing
            self.problem = f"the decisions could not be made: {error!r}"
        return True
