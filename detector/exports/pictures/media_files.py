"""Pictures made of the media files themselves: a folder of them, with an index.

Files are read in processes of their own, so that one that cannot be read, or crashes a decoder, costs only itself.
Each picture is written whole; index.csv comes last. Pictures of an earlier export that are no longer among the new
ones are removed by its index, and nothing else is: what people put into the folder stays, and so do the pictures of a
card that is not there.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backbones.errors import DataError, HoopoeError
from detector.base.names import located
from detector.base.tables import Row, read_table
from detector.exports.files import whole_text
from detector.exports.names import safe_name
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import Cell, as_text
from detector.footage.isolation import Failed, IsolatedReaders, Produced
from detector.store.presence import is_there
from detector.store.records import DetectionRecord, MediaRecord

INDEX = "index.csv"
MAX_INDEX = 1 << 30  # bytes: some millions of pictures
SILENCE_S = 600.0  # a long video is drawn without a word in between
MOST_WORKERS = 8
FAILURES_SAID = 5


@dataclass(frozen=True)
class MediaTask:
    """A media file to make pictures of.

    Attributes:
        file: Where it is now.
        record: The media item.
        shown: Its detections to show.
        folder: Where the pictures go.
    """

    file: Path
    record: MediaRecord
    shown: tuple[DetectionRecord, ...]
    folder: Path


@dataclass(frozen=True)
class WrittenPicture:
    """A picture that is there now.

    Attributes:
        name: Its path under the folder, with forward slashes.
        cells: What the index says of it, behind its name.
    """

    name: str
    cells: tuple[Cell, ...]


def make_pictures(
    source: ExportSource,
    folder: Path,
    options: ExportOptions,
    make: Callable[[MediaTask], Iterable[WrittenPicture]],
    columns: Sequence[str],
    wanted: Callable[[MediaRecord], bool],
) -> Path:
    """Make pictures of all media files that show something.

    Args:
        source: The store.
        folder: Where the pictures and their index go.
        options: Threshold and where the cards are.
        make: Makes the pictures of one file; a function at the top of a module, for it runs in other processes.
        columns: Of the index, behind the picture's name.
        wanted: Which files; those that could not be read or show nothing are passed over in any case.

    Returns:
        The index.

    Raises:
        ConfigError: `options` names a card that the store does not know.
    """
    index = folder / INDEX
    failures: list[HoopoeError] = []
    with closing(sqlite3.connect("")) as disk:  # a temporary file: a million names are not kept in memory
        disk.execute("CREATE TABLE made (name TEXT PRIMARY KEY)")
        disk.execute("CREATE TABLE kept (media_id TEXT PRIMARY KEY)")  # of which no pictures could be made now

        def keep(record: MediaRecord) -> None:
            disk.execute("INSERT OR IGNORE INTO kept VALUES (?)", [record.media_id])

        with whole_text(index, bom=True) as out:
            writer = csv.writer(out)
            writer.writerow(["picture", *columns])
            tasks = _tasks(source, folder, options, wanted, keep, failures)
            for picture in _made(tasks, make, keep, failures):
                disk.execute("INSERT OR IGNORE INTO made VALUES (?)", [picture.name])
                writer.writerow([picture.name, *map(as_text, picture.cells)])
            stale = []
            for row in _made_before(index, options):
                if disk.execute(_IS_MADE, [row["picture"]]).fetchone():
                    continue
                if disk.execute(_IS_KEPT, [row["media_id"]]).fetchone():
                    writer.writerow([row["picture"], *(as_text(row[column]) for column in columns)])
                else:
                    stale.append(row["picture"])
        _remove(folder, stale)
    _tell(folder.name, failures, options)
    return index


_IS_MADE = "SELECT 1 FROM made WHERE name = ?"
_IS_KEPT = "SELECT 1 FROM kept WHERE media_id = ?"


def picture_stem(record: MediaRecord) -> str:
    """The beginning of a picture's file name: readable, and of no other media item."""
    stem = PurePosixPath(record.path).stem
    return f"{safe_name(f'{record.deployment_id} {stem}')}_{record.media_id}"


def locate(record: MediaRecord, roots: dict[str, str]) -> Path:
    """Where a media file is now.

    Raises:
        HoopoeError: Its card is not known, or its path leads out of the card.
    """
    path = PurePosixPath(record.path)
    if record.card not in roots or path.is_absolute() or ".." in path.parts:
        hint = "the store is damaged: run `hoopoe decide` again"
        raise HoopoeError("this is not under a card of the store", where=record.path, hint=hint)
    return located(Path(roots[record.card]), record.path)


def _tasks(
    source: ExportSource,
    folder: Path,
    options: ExportOptions,
    wanted: Callable[[MediaRecord], bool],
    keep: Callable[[MediaRecord], None],
    failures: list[HoopoeError],
) -> Iterator[MediaTask]:
    roots = options.card_roots(source.run)
    absent = source.absent(roots)
    missed: Counter[str] = Counter()
    for record in source.media():
        shown = record.shown(options.score_threshold)
        if record.failure is not None or not shown or not wanted(record):
            continue
        try:
            file = locate(record, roots)
        except HoopoeError as error:
            failures.append(error)
            continue
        if record.card not in absent and is_there(file):
            yield MediaTask(file, record, shown, folder)
        else:
            keep(record)
            missed[record.card] += 1
    for card, count in missed.items():
        if card in absent:
            problem = f"card '{card}' is not there ({absent[card]}): its {count} files keep the pictures that they had"
        else:
            problem = f"{count} files of card '{card}' are not there now: they keep the pictures that they had"
        failures.append(HoopoeError(problem, where=roots[card], hint=f"put it in, or give --root {card}=PATH"))


def _made(
    tasks: Iterator[MediaTask],
    make: Callable[[MediaTask], Iterable[WrittenPicture]],
    keep: Callable[[MediaRecord], None],
    failures: list[HoopoeError],
) -> Iterator[WrittenPicture]:
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    with IsolatedReaders(workers, make, SILENCE_S, name=lambda task: str(task.file)) as readers:
        for event in readers.run(tasks, in_order=True):
            if isinstance(event, Produced):
                yield event.value
            elif isinstance(event, Failed):
                keep(event.task.record)
                failures.append(event.error)


def _made_before(index: Path, options: ExportOptions) -> Iterator[Row]:
    """Rows of the pictures that an earlier export made; none where its index is missing or somebody broke it."""
    if not index.exists():
        return
    try:
        for row in read_table(
            index, what="the index", required=["picture"], optional=["media_id"], max_bytes=MAX_INDEX
        ):
            name = row["picture"]
            path = PurePosixPath(name)
            if name and not path.is_absolute() and ".." not in path.parts and ":" not in name and "\\" not in name:
                yield row
    except DataError as error:
        options.notify(f"{error}; pictures of the earlier export stay")


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        path.unlink(missing_ok=True)
        if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _tell(what: str, failures: list[HoopoeError], options: ExportOptions) -> None:
    for error in failures[:FAILURES_SAID]:
        options.fault(f"{what}: {error}")
    if len(failures) > FAILURES_SAID:
        options.fault(f"{what}: {len(failures) - FAILURES_SAID} more files could not be read")
