"""Many small parts into few: parts of clusters and of long runs are small, and a reader opens each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from detector.base.files import atomic_path
from detector.base.reporting import track
from detector.store.files import PARQUET, open_parquet
from detector.store.joining.journal import Joining, end_joining, write_joining
from detector.store.layout import facts_folder, last_number, overlay_folders, part_name, parts
from detector.store.lock import DECISIONS_LOCK, StoreLock
from detector.store.marks import Marks, marks_of, new_part_id
from detector.store.reader import MEND_FACTS, MEND_OVERLAY, open_facts, written_batches
from detector.store.run_json import load_run
from detector.store.schema import FACTS, OVERLAY
from detector.store.writer import GROUP_ROWS

PART_ROWS, PART_BYTES = 100_000, 256 << 20  # of a part, at most; one of half of either stays as it is


@dataclass(frozen=True)
class Compacted:
    """How many parts there were, and are."""

    before: int
    after: int


def compact(folder: Path, most_rows: int = PART_ROWS, most_bytes: int = PART_BYTES) -> Compacted:
    """Join small parts of a store's facts, with the logits that lie over them. Nothing else changes.

    Each joined part takes the place of its pieces in one step (see `journal`): killed at any moment, the store holds
    every media item once.

    Args:
        folder: The store.
        most_rows: Of a joined part.
        most_bytes: Of a joined part on the disk, about.

    Raises:
        DataError: There is no store, or a part is damaged.
        HoopoeError: Another process writes to the store or decides.
    """
    load_run(folder)
    with StoreLock(folder), StoreLock(folder, DECISIONS_LOCK):
        facts, overlays = facts_folder(folder), overlay_folders(folder)
        end_joining(facts, overlays)
        before = len(parts(facts))
        for group in track(list(_groups(folder, most_rows, most_bytes)), "joining", "parts"):
            _join(folder, group)
        return Compacted(before, len(parts(facts)))


@dataclass(frozen=True)
class _Group:
    """Parts that become one: the classifier whose logits they hold, and the folders of those that lie over them."""

    classifier: str | None
    overlays: tuple[Path, ...]
    parts: tuple[Path, ...]


def _groups(folder: Path, most_rows: int, most_bytes: int) -> Iterator[_Group]:
    """Small parts that are marked alike, in their order."""
    small: dict[tuple[str | None, tuple[Path, ...]], list[Path]] = defaultdict(list)
    for part in parts(facts_folder(folder)):
        with open_facts(part) as file:
            large = 2 * file.metadata.num_rows > most_rows
        if large or 2 * part.stat().st_size > most_bytes:
            continue
        marks = marks_of(part, MEND_FACTS)
        over = (each for each in overlay_folders(folder) if (each / part.name).exists())
        fitting = tuple(each for each in over if marks_of(each / part.name, MEND_OVERLAY).part == marks.part)
        small[marks.classifier, fitting].append(part)
    for (classifier, overlays), found in small.items():
        for together in _packed(found, most_rows, most_bytes):
            if len(together) > 1:
                yield _Group(classifier, overlays, tuple(together))


def _packed(found: Sequence[Path], most_rows: int, most_bytes: int) -> Iterator[list[Path]]:
    together: list[Path] = []
    rows = size = 0
    for part in found:
        with open_facts(part) as file:
            more_rows, more_bytes = file.metadata.num_rows, part.stat().st_size
        if together and (rows + more_rows > most_rows or size + more_bytes > most_bytes):
            yield together
            together, rows, size = [], 0, 0
        together.append(part)
        rows, size = rows + more_rows, size + more_bytes
    yield together


def _join(folder: Path, group: _Group) -> None:
    facts = facts_folder(folder)
    new = part_name(last_number(facts) + 1)
    joining = Joining(new, [part.name for part in group.parts])
    write_joining(facts, joining)
    marks = Marks(new_part_id(), group.classifier, _failures(group.parts, MEND_FACTS))
    _write(facts / new, marks, FACTS, (batch for part in group.parts for batch in written_batches(part)))
    for overlay in group.overlays:
        old = [overlay / part.name for part in group.parts]
        batches = (batch for part in old for batch in _overlay_batches(part))
        _write(overlay / new, Marks(marks.part, None, _failures(old, MEND_OVERLAY)), OVERLAY, batches)
    write_joining(facts, Joining(joining.new, joining.old, done=True))
    end_joining(facts, overlay_folders(folder))


def _failures(pieces: Sequence[Path], hint: str) -> dict[str, str]:
    """What could not be classified again in some parts."""
    return {item: why for part in pieces for item, why in marks_of(part, hint).failures.items()}


def _overlay_batches(part: Path) -> Iterator[pa.RecordBatch]:
    with open_parquet(part, MEND_OVERLAY, OVERLAY) as file:
        yield from file.iter_batches(GROUP_ROWS, columns=OVERLAY.names)


def _write(path: Path, marks: Marks, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Write batches as they come, in groups of `GROUP_ROWS` rows or more."""
    schema = marks.on(schema.empty_table()).schema
    with atomic_path(path) as unfinished, pq.ParquetWriter(unfinished, schema, **PARQUET) as writer:
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch.replace_schema_metadata(schema.metadata))
            if sum(map(len, held)) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(held).cast(schema), GROUP_ROWS)
                held = []
        if held:
            writer.write_table(pa.Table.from_batches(held).cast(schema), GROUP_ROWS)
