"""What a run did, file by file and as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from backbones.errors import MediaError
from detector.annotation.forecast import Cost
from detector.annotation.listing.media_list import MOST_LOST
from detector.store.facts import FactRow


@dataclass(frozen=True)
class Outcome:
    """How a file came out: why nothing could be seen of it, or what of it was lost; None: neither."""

    failure: str | None = None
    warning: str | None = None

    @classmethod
    def of(cls, rows: Sequence[FactRow]) -> Outcome:
        """The outcome of a file with these rows."""
        return cls(rows[0].failure, rows[0].warning)


@dataclass(frozen=True)
class Receipt:
    """What is left of a media item whose rows another process wrote.

    Attributes:
        card: Of the item.
        path: Of the item, under the card's root.
        outcome: How it came out.
        gone: Nothing was written of it, as its file has gone away, or may not be had.
    """

    card: str
    path: str
    outcome: Outcome
    gone: bool = False


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        files: Media files that were done now.
        finished_before: Media files that the store held already.
        failures: Reason -> files.
        warnings: What was lost of files that could be read in part -> files.
        failures_before: Reason -> files, of those that the store held already.
        lost: Files that were counted and then went away; nothing is recorded of them.
        problems: Folders and files that could not be listed.
        notes: What a person should know, in sentences.
        passed_over: Suffix -> files that are neither photos nor videos.
        seconds: How long it took.
        signal: Number of the signal that ended it before all was done; None: none did.
        audited: What was done to audit what had been passed over; None: nothing.
        cost: What it took of machines and money; None: not counted.
    """

    files: int = 0
    finished_before: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    failures_before: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[MediaError] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    signal: int | None = None
    audited: RunReport | None = None
    cost: Cost | None = None

    def note(self, outcome: Outcome) -> None:
        """Count a file that is done."""
        self.files += 1
        if outcome.failure is not None:
            self.failures[outcome.failure] += 1
        elif outcome.warning is not None:
            self.warnings[outcome.warning] += 1

    def note_unseen(self, file: str) -> None:
        """Count a file as lost that is there, but was not for the machine that looked at it.

        Raises:
            MediaError: They are many: that machine has lost the card.
        """
        self.lost.append(file)
        if len(self.lost) > MOST_LOST:
            hint = "mount its disk again; nothing was recorded of these files, and the same command goes on from here"
            raise MediaError("a machine of the cluster does not see files that are there", where=file, hint=hint)

    def note_finished(self, failure: str | None) -> None:
        """Count a file that the store held already, with the reason why it could not be read, if so."""
        self.finished_before += 1
        if failure is not None:
            self.failures_before[failure] += 1

    @property
    def failed(self) -> int:
        """Files that failed now."""
        return self.failures.total()

    @property
    def all_well(self) -> bool:
        """Whether every file of the inputs was read, in this run or in one before."""
        return not (self.failures or self.failures_before or self.problems or self.lost)
