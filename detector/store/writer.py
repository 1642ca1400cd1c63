"""Writing facts: finished media items gather in memory and go out as whole parts.

A part never changes but that failures are taken out of it, to be tried again, and that an audit adds what it finds.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from detector.base.closing import Closing
from detector.base.files import remove_unfinished, rename
from detector.store.facts import FactRow, OverlayRow, facts_table, overlay_table
from detector.store.files import open_parquet, write_table
from detector.store.joining.journal import end_joining
from detector.store.layout import facts_folder, last_number, overlay_folder, overlay_folders, part_name, parts
from detector.store.lock import StoreLock
from detector.store.marks import Marks, classifier_key, marks_of, new_part_id
from detector.store.media_ids import MediaIds
from detector.store.reader import MEND_FACTS, MEND_OVERLAY, FactsReader, failed, finished, open_facts
from detector.store.run_json import read_run
from detector.store.schema import OVERLAY

PART_ROWS = 20_000
PART_BYTES = 64 << 20
PART_SECONDS = 30.0  # what a power cut may cost
GROUP_ROWS = 4_096  # rows that a reader holds at a time: 5 MB with one classified box each
_STAGING = ".staging-"  # folders of a store
_BOX_BYTES = 128  # a box without its vectors, roughly
_ROW_BYTES = 256
NOT_DONE = "it was not its turn before the run was told to end"


class FactsWriter(Closing):
    """The one writer of a store's facts; a context manager that writes what is left also when an error passes through.

    Taking it locks the store (see `StoreLock`) and clears away what a killed run left, so take it before anything else
    is changed there.

    Args:
        folder: The store; made if it is not there.
        part_rows: A part is written when it has so many frames,
        part_bytes: or about so many bytes before compression,
        part_seconds: or when its first item has waited so long.
        retry_failed: Forget the items of which nothing could be seen, so that they can be added again.

    Raises:
        HoopoeError: Another process writes to the store.
        DataError: A part of it is damaged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        part_rows: int = PART_ROWS,
        part_bytes: int = PART_BYTES,
        part_seconds: float = PART_SECONDS,
        retry_failed: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self._limits = part_rows, part_bytes, part_seconds
        self._lock = StoreLock(self.folder)
        try:
            facts_folder(self.folder).mkdir(exist_ok=True)
            remove_unfinished(facts_folder(self.folder))
            end_joining(facts_folder(self.folder), overlay_folders(self.folder))
            _remove_staging(self.folder)
            if retry_failed:
                _forget_failures(self.folder)
            self.finished: MediaIds = finished(self.folder)
            self.failed: dict[str, str] = failed(self.folder)  # of those, why nothing could be seen
        except BaseException:
            self._lock.close()
            raise
        self._number = last_number(facts_folder(self.folder))
        self._pending: list[FactRow] = []
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, rows: Sequence[FactRow]) -> None:
        """Take all rows of one media item: a row a frame, by rising frame number; one row if it failed.

        Args:
            rows: At least one.

        Raises:
            ValueError: The rows are of several items, out of order, or of an item that the store holds already.
            DiskFullError: A part was due, and there is no room; the items that wait are kept for the next call.
        """
        _check_item(rows)
        if rows[0].media_id in self.finished:
            raise ValueError(f"{rows[0].path} is in the store already")
        if not self._pending:
            self._since = time.monotonic()
        self._pending.extend(rows)
        self.finished.add(rows[0].media_id)
        self._bytes += sum(_size(row) for row in rows)
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Write a part if the items that wait are many, or have waited long; for those who wait for a slow item."""
        part_rows, part_bytes, part_seconds = self._limits
        waited = time.monotonic() - self._since
        if self._pending and (len(self._pending) >= part_rows or self._bytes >= part_bytes or waited >= part_seconds):
            self.flush()

    def flush(self) -> None:
        """Write what waits as one part.

        Raises:
            DiskFullError: There is no room; the items wait on.
        """
        if not self._pending:
            return
        write_facts(self._next_part(), self._pending, self.classifier())
        self._pending.clear()
        self._bytes = 0

    def staging(self) -> Path:
        """A new folder in the store for whole parts that other processes write; it goes when the writer is closed.

        A part counts once it is taken with `adopt`: one that a process writes which was given up, and whose items
        another has done meanwhile, never does.
        """
        folder = self.folder / f"{_STAGING}{secrets.token_hex(4)}"
        folder.mkdir()
        return folder

    def adopt(self, part: Path, items: Collection[str]) -> None:
        """Take a part that another process has written into `staging`, by `write_facts`, in one step.

        Args:
            part: Where it is; it is moved.
            items: Ids of the media items in it.

        Raises:
            ValueError: The store holds one of them already.
        """
        if known := next((item for item in items if item in self.finished), None):
            raise ValueError(f"{known} is in the store already")
        rename(part, self._next_part())
        self.finished.update(items)

    def replace(self, part: Path, items: Iterable[Sequence[FactRow]]) -> None:
        """Write a part anew with other rows of its items, in one step: a kill leaves the one or the other.

        Its logits are those of the classifier that counts: it is another part now, over which no overlay lies. What
        could not be classified under the overlay before stays noted.

        Args:
            part: Of the facts.
            items: All rows of each of its items, as `FactsReader.items` gives them; see `add`.
        """
        rows: list[FactRow] = []
        for item in items:
            _check_item(item)
            rows += item
        write_facts(part, rows, self.classifier(), self._unclassified(part))

    def _unclassified(self, part: Path) -> Mapping[str, str]:
        """Media id -> why not all of its boxes are classified by the classifier that counts."""
        run, marks = read_run(self.folder), marks_of(part, MEND_FACTS)
        if run is not None and run.species is not None and run.species.overlay is not None:
            path = overlay_folder(self.folder, run.species.overlay) / part.name
            over = marks_of(path, MEND_OVERLAY) if path.exists() else None
            if over is not None and over.part == marks.part:
                return over.failures
        return marks.failures

    def classifier(self) -> str | None:
        """Key of the classifier that counts in the store now; see `Marks`."""
        run = read_run(self.folder)
        return None if run is None else classifier_key(run.species)

    def next_name(self) -> str:
        """The file name that the next part will have."""
        return part_name(self._number + 1)

    def _next_part(self) -> Path:
        self._number += 1
        return facts_folder(self.folder) / part_name(self._number)

    def close(self) -> None:
        """Write what waits, and let others write to the store; a second call does nothing."""
        try:
            self.flush()
        finally:
            _remove_staging(self.folder)
            self._lock.close()


class OverlayWriter(Closing):
    """Writes another classifier's logits over those of the facts: a part over each part, of the same name.

    They count when `run.json` names the overlay as `species.overlay`, which is set when `pending` is empty. It locks
    the store as `FactsWriter` does.

    Args:
        folder: The store.
        name: Folder under species/.
        retry_failed: Let parts in which something failed be pending, too.
    """

    def __init__(self, folder: Path, name: str, *, retry_failed: bool = False) -> None:
        self.folder = Path(folder)
        self.target = overlay_folder(self.folder, name)
        self._lock = StoreLock(self.folder)
        self._written: set[str] = set()
        run = read_run(self.folder)
        counts = run is not None and run.species is not None and run.species.overlay == name
        self._own = classifier_key(run.species) if run is not None and counts else None
        self._retry_failed = retry_failed
        self.target.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.target)

    def pending(self) -> list[Path]:
        """Parts of the facts that have no overlay yet; a killed run goes on with these."""
        return [part for part in parts(facts_folder(self.folder)) if not self._is_done(part)]

    def _is_done(self, part: Path) -> bool:
        marks = self._marks(part)
        if marks is None or NOT_DONE in marks.failures.values():
            return False
        return part.name in self._written or not (self._retry_failed and marks.failures)

    def _marks(self, part: Path) -> Marks | None:
        """Those of what holds the classifier's logits of a part; None where nothing does.

        That is the overlay of just this part, or the part itself, written after the overlay began to count.
        """
        facts = marks_of(part, MEND_FACTS)
        if (over := self._overlay_marks(part, facts)) is not None:
            return over
        return facts if self._own is not None and facts.classifier == self._own else None

    def _overlay_marks(self, part: Path, facts: Marks) -> Marks | None:
        path = self.target / part.name
        marks = marks_of(path, MEND_OVERLAY) if path.exists() else None
        return marks if marks is not None and marks.part == facts.part else None

    def failures(self, part: Path) -> dict[str, str]:
        """Media id -> why not all of its boxes are classified, of a part that was written before."""
        marks = self._marks(part)
        return {} if marks is None else dict(marks.failures)

    def to_do(self, part: Path) -> dict[str, str]:
        """The failures of a pending part that are tried again; empty: all items of the part are to be done."""
        return {
            item: reason for item, reason in self.failures(part).items() if self._retry_failed or reason == NOT_DONE
        }

    def write(self, part: Path, rows: Sequence[OverlayRow], failures: Mapping[str, str] | None = None) -> None:
        """Write the overlay of one part of the facts; what is there of items that were not `to_do` stays.

        Args:
            part: Of the facts.
            rows: A row a box that was classified.
            failures: Media id -> why not all of its boxes are; `NOT_DONE` for those that the next run is to do.
        """
        before = self.to_do(part)
        failures = {item: why for item, why in self.failures(part).items() if item not in before} | dict(failures or {})
        table = overlay_table(rows)
        if before:
            old = self._before(part)
            kept = old.filter(pc.invert(pc.is_in(old["media_id"], pa.array(list(before), pa.string()))))
            table = pa.concat_tables([kept.replace_schema_metadata(), table])
        marks = Marks(marks_of(part, MEND_FACTS).part, None, failures)
        write_table(self.target / part.name, marks.on(table), GROUP_ROWS)
        self._written.add(part.name)

    def _before(self, part: Path) -> pa.Table:
        """The classifier's logits of a part as they are now."""
        if self._overlay_marks(part, marks_of(part, MEND_FACTS)) is not None:
            with open_parquet(self.target / part.name, MEND_OVERLAY, OVERLAY) as file:
                return file.read()
        boxes = (
            OverlayRow(row.media_id, row.frame_number, number, box.logits, box.embedding)
            for rows in FactsReader(self.folder).items(part)
            for row in rows
            for number, box in enumerate(row.detections or ())
        )
        return overlay_table([box for box in boxes if box.logits is not None])

    def close(self) -> None:
        """Let others write to the store."""
        self._lock.close()


def write_facts(
    part: Path, rows: Sequence[FactRow], classifier: str | None, unclassified: Mapping[str, str] | None = None
) -> None:
    """Write rows as a part of the facts.

    Args:
        part: Where it is to be.
        rows: All rows of some media items.
        classifier: Key of the one whose logits they hold, see `Marks`.
        unclassified: Media id -> why not all of its boxes have them.

    Raises:
        DiskFullError: There is no room.
    """
    write_table(part, Marks(new_part_id(), classifier, unclassified or {}).on(facts_table(rows)), GROUP_ROWS)


def _remove_staging(folder: Path) -> None:
    for old in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(old, ignore_errors=True)


def _forget_failures(folder: Path) -> None:
    """Write the parts with failures anew without them; one killed between two parts leaves the others as they were."""
    for path in parts(facts_folder(folder)):
        with open_facts(path) as file:
            failures = file.read(["failure"])["failure"]
            if failures.null_count == len(failures):
                continue
            table = file.read()
        write_table(path, table.filter(pc.is_null(failures)), GROUP_ROWS)


def _check_item(rows: Sequence[FactRow]) -> None:
    if not rows:
        raise ValueError("a media item has at least one row")
    if any(row.media_id != rows[0].media_id for row in rows):
        raise ValueError(f"{rows[0].path}: rows of several media items")
    if any(later.frame_number <= row.frame_number for row, later in pairwise(rows)):
        raise ValueError(f"{rows[0].path}: frame numbers must rise")


def _size(row: FactRow) -> int:
    return _ROW_BYTES + sum(
        _BOX_BYTES + len(box.logits or b"") + len(box.embedding or b"") for box in row.detections or ()
    )
