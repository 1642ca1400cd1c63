"""Making the decisions of a store anew while people go on: in a thread, some moments after the last mark."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from backbones.errors import HoopoeError
from detector.base.closing import Closing

QUIET_S = 0.7  # after a mark, in case another follows
RETRY_S = 5.0  # after another process was at it


class Deciding(Closing):
    """Runs a job soon after it is asked for, once for all that is asked meanwhile.

    Args:
        job: Decides and takes the new decisions; runs in a thread of its own.
    """

    def __init__(self, job: Callable[[], None]) -> None:
        self.problem: str | None = None
        self._job = job
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._closed = False
        self._took_s = 0.0
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
            return self._changed.wait_for(lambda: self._done >= asked or self._closed, timeout_s)

    def close(self) -> None:
        """Decide what is due, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.is_due or self._closed)
                if not self.is_due:
                    return
                # a store that takes long is not decided all the time
                end = monotonic() + max(QUIET_S, min(self._took_s, RETRY_S))
                while not self._closed and (left := end - monotonic()) > 0:
                    self._changed.wait(left)
                asked = self._asked
            began = monotonic()
            try:
                self._job()
                self.problem = None
            except HoopoeError as error:
                self.problem = str(error)
                if not self._closed:
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed, RETRY_S)
                    continue
            except Exception as error:  # a thread that ends says nothing
                self.problem = f"the decisions could not be made: {error!r}"
            self._took_s = monotonic() - began
            with self._changed:
                self._done = asked
                self._changed.notify_all()
