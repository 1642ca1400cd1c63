"""A process of a run that has gone, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from backbones.errors import HoopoeError

IDLE_S, INTERVAL_S, PROBES = 10, 6, 5  # of keep-alive probes
SILENT_S = IDLE_S + INTERVAL_S * PROBES  # after which a machine counts as lost
Cause = Literal["ended", "silent", "failed"]
_LONGEST_WORDS = 300  # characters


@dataclass(frozen=True)
class Member:
    """A process of a run.

    Args:
        process: Its number, over all machines.
        machine: The number of its machine.
        host: The name of its machine.
    """

    process: int
    machine: int
    host: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


@dataclass(frozen=True)
class Loss:
    """A process that has gone.

    Args:
        process: Its number.
        cause: ended: it was killed, or fell over, without a word; silent: its machine does not answer; failed: it said
            why.
        words: What it said.
        by: The number of the process that found it; None: not said.
    """

    process: int
    cause: Cause
    words: str = ""
    by: int | None = None

    def message(self) -> dict[str, Any]:
        """As it is sent to others."""
        return {"lost": self.process, "cause": self.cause, "words": self.words[:_LONGEST_WORDS], "by": self.by}

    @classmethod
    def read(cls, message: Mapping[str, Any], processes: int) -> Loss | None:
        """From what another process has sent; None: it says something else."""
        process, cause, words, by = (message.get(name) for name in ("lost", "cause", "words", "by"))
        if not isinstance(process, int) or not 0 <= process < processes:
            return None
        if not isinstance(by, int) or not 0 <= by < processes:
            by = None
        if cause != "ended" and cause != "silent" and cause != "failed":
            return None
        plain = "".join(each if each.isprintable() else " " for each in str(words or ""))
        return cls(process, cause, plain[:_LONGEST_WORDS], by)

    def error(self, members: Sequence[Member]) -> HoopoeError:
        """In words, for people at the other machines."""
        who = members[self.process]
        finder = "" if self.by is None else f" by {members[self.by]}"
        what = {
            "ended": "has ended without a word: it was killed, or its machine ran out of memory",
            "silent": f"was not heard of for {SILENT_S} s{finder}: its machine is down, or the network between is cut",
            "failed": f"has failed: {self.words}",
        }[self.cause]
        hint = (
            "mend that, then start the run again on all machines with --resume: it goes on after its last checkpoint, "
            "also with other numbers of machines and devices that share out train.batch_size evenly"
        )
        return HoopoeError(f"the run has ended, as {who} {what}", where=f"machine {who.host}", hint=hint)
