"""Who holds something: a process, by what tells its machine, and tells whether it has gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BOOT, _NUMBERS = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
_GONE = ("Z", "X")  # states of processes that have ended, and whose parents have not asked yet


@dataclass(frozen=True)
class Holder:
    """A process.

    Args:
        pid: Its number.
        host: The name of its machine.
        machine: What only processes have that count numbers alike: one boot of one machine, and one namespace of
            process numbers, as containers have their own; None: this system does not tell.
        started: When it began, in ticks since that boot: numbers are given out again.
    """

    pid: int
    host: str
    machine: str | None = None
    started: int | None = None

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        state = _state(os.getpid())
        return cls(os.getpid(), socket.gethostname(), _machine(), None if state is None else state[1])

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Holder | None:
        """From what `facts` has given; None: it says something else."""
        pid, host, machine, started = (content.get(name) for name in ("pid", "host", "machine", "started"))
        if not isinstance(pid, int) or not isinstance(host, str):
            return None
        both = isinstance(machine, str) and isinstance(started, int)
        return cls(pid, host, machine, started) if both else cls(pid, host)

    def facts(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)

    @property
    def has_gone(self) -> bool:
        """Whether it has ended for certain; of another machine, or where the system tells nothing, nobody knows."""
        if self.machine is None or (self.host, self.machine) != (socket.gethostname(), _machine()):
            return False
        state = _state(self.pid)
        return not _answers(self.pid) if state is None else state[0] in _GONE or state[1] != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@cache
def _machine() -> str | None:
    try:
        return f"{_BOOT.read_text().strip()} {os.readlink(_NUMBERS)}"
    except OSError:  # not Linux
        return None


def _answers(pid: int) -> bool:
    """Whether there is such a process, which may be hidden from this user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _state(pid: int) -> tuple[str, int] | None:
    """State and beginning of a process of this machine; None: none is seen, or this is not Linux."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return words[0], int(words[19])  # fields 3 and 22; the name before them may hold anything
