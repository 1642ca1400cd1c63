"""How several parts become one in a single step, although a disk can only rename one file at a time.

While parts are joined, a journal beside them names the new part and those that it replaces. As long as it says that the
new one is not done, that one is not there; from the moment in which it says so, the others are not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from detector.base.files import write_bytes

_JOURNAL = ".joining.json"


@dataclass(frozen=True)
class Joining:
    """What is under way in a folder of parts: names of files.

    Attributes:
        new: The part that is written.
        old: Those that it replaces.
        done: Whether it is written.
    """

    new: str
    old: Sequence[str]
    done: bool = False

    @property
    def hidden(self) -> frozenset[str]:
        """Files that are not there for anybody."""
        return frozenset(self.old) if self.done else frozenset((self.new,))


def read_joining(folder: Path) -> Joining | None:
    """What is under way in a folder; None: nothing."""
    path = folder / _JOURNAL
    try:
        return Joining(**json.loads(path.read_bytes())) if path.exists() else None
    except FileNotFoundError:  # it has just come to its end
        return None


def write_joining(folder: Path, joining: Joining) -> None:
    """Say what is under way in a folder, in one step."""
    write_bytes(folder / _JOURNAL, json.dumps(asdict(joining)).encode())


def end_joining(folder: Path, beside: Sequence[Path] = ()) -> None:
    """Bring to an end what is under way, or what a killed process left; only for those who alone write there.

    Args:
        folder: The folder of parts.
        beside: Folders in which files of the same names go along.
    """
    joining = read_joining(folder)
    if joining is None:
        return
    for name in joining.hidden:
        for each in (*beside, folder):
            (each / name).unlink(missing_ok=True)
    (folder / _JOURNAL).unlink()
