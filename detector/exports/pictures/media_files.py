"""Pictures made of the media files themselves: a folder of them, with an index.

Files are read in processes of their own, so that one that cannot be read, or crashes a decoder, costs only itself.
Each picture is written whole; index.csv comes last. Pictures of an earlier export that are no longer among the new
ones are removed by its index, and nothing else is: what people put into the folder stays, and so do the pictures of a
card that is not there, but for those that may show whom nobody is to recognise.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from backbones.errors import DataError, HoopoeError
from detector.base.names import located
from detector.base.objects.address import Address, Place, place_of
from detector.base.objects.errors import ServiceError
from detector.base.objects.fetching import local_copy
from detector.base.tables.reader import Row, TableForm, read_table
from detector.exports.files import whole_text
from detector.exports.names import safe_name
from detector.exports.pictures.blurring import NONE, Blur, hidden_in
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import Cell, as_text
from detector.footage.isolation import Failed, IsolatedReaders, Produced
from detector.store.presence import is_there
from detector.store.records import DetectionRecord, MediaRecord
from detector.types import MediaType

INDEX = "index.csv"
MAX_INDEX = 1 << 30  # bytes: some millions of pictures
SILENCE_S = 600.0  # a long video is drawn without a word in between
MOST_WORKERS = 8
FAILURES_LISTED = 5


@dataclass(frozen=True)
class MediaTask:
    """A media file to make pictures of.

    Attributes:
        file: Where it is now.
        record: The media item.
        shown: Its detections to show.
        folder: Where the pictures go.
        hidden: The boxes to blur, of `shown` or not.
    """

    file: Place
    record: MediaRecord
    shown: tuple[DetectionRecord, ...]
    folder: Path
    hidden: tuple[DetectionRecord, ...] = ()


@dataclass(frozen=True)
class WrittenPicture:
    """A picture that is there now.

    Attributes:
        name: Its path under the folder, with forward slashes.
        cells: What the index says of it, behind its name.
    """

    name: str
    cells: tuple[Cell, ...]


def _never(_: MediaTask) -> bool:
    return False


@dataclass(frozen=True)
class PictureFormat:
    """A kind of pictures.

    Attributes:
        folder: Where the pictures and their index go, under the store's folder.
        make: Makes the pictures of one file; a function at the top of a module, for it runs in other processes.
        columns: Of the index, behind the picture's name.
        media_types: Of which files.
        choose: The detections of a file to show, from the threshold up.
        blur: What is blurred where the user does not say.
        are_there: Whether the pictures of a file are those of an earlier export, and stay.
    """

    folder: str
    make: Callable[[MediaTask], Iterable[WrittenPicture]]
    columns: Sequence[str]
    media_types: tuple[MediaType, ...]
    choose: Callable[[MediaRecord, float], tuple[DetectionRecord, ...]] = MediaRecord.shown
    blur: Blur = NONE
    are_there: Callable[[MediaTask], bool] = _never


def make_pictures(source: ExportSource, store: Path, options: ExportOptions, pictures: PictureFormat) -> Path:
    """Make pictures of all media files that show something.

    Args:
        source: The store.
        store: Its folder.
        options: Threshold and where the cards are.
        pictures: Which.

    Returns:
        The index.

    Raises:
        ConfigError: `options` names a card that the store does not know.
    """
    folder = store / pictures.folder
    index = folder / INDEX
    with closing(_Ledger()) as ledger:
        with whole_text(index, bom=True) as out:
            writer = csv.writer(out)
            writer.writerow(["picture", *pictures.columns])
            tasks = _tasks(source, folder, options, pictures, ledger)
            for picture in _written(tasks, pictures.make, ledger):
                ledger.write(picture.name)
                writer.writerow([picture.name, *map(as_text, picture.cells)])
            stale = []
            for row in _earlier_rows(index, options):
                if ledger.is_written(row["picture"]):
                    continue
                if ledger.is_kept(row["media_id"]):
                    writer.writerow([row["picture"], *(as_text(row[column]) for column in pictures.columns)])
                else:
                    stale.append(row["picture"])
        _remove(folder, stale)
        _report(folder.name, ledger.failures, options)
    return index


class _Ledger:
    """Which pictures are written, which media items keep those that they had, and what failed."""

    def __init__(self) -> None:
        self.failures: list[HoopoeError] = []
        self._disk = sqlite3.connect("")  # a temporary file: a million names are not kept in memory
        self._disk.execute("CREATE TABLE written (name TEXT PRIMARY KEY)")
        self._disk.execute("CREATE TABLE kept (media_id TEXT PRIMARY KEY)")

    def write(self, name: str) -> None:
        self._disk.execute("INSERT OR IGNORE INTO written VALUES (?)", [name])

    def keep(self, record: MediaRecord) -> None:
        self._disk.execute("INSERT OR IGNORE INTO kept VALUES (?)", [record.media_id])

    def is_written(self, name: str) -> bool:
        return self._disk.execute("SELECT 1 FROM written WHERE name = ?", [name]).fetchone() is not None

    def is_kept(self, media_id: str | None) -> bool:
        return self._disk.execute("SELECT 1 FROM kept WHERE media_id = ?", [media_id]).fetchone() is not None

    def close(self) -> None:
        self._disk.close()


def picture_stem(record: MediaRecord) -> str:
    """The beginning of a picture's file name: readable, and of no other media item."""
    stem = PurePosixPath(record.path).stem
    return f"{safe_name(f'{record.deployment_id} {stem}')}_{record.media_id}"


def locate(record: MediaRecord, roots: dict[str, str]) -> Place:
    """Where a media file is now.

    Raises:
        HoopoeError: Its card is not known, or its path leads out of the card.
    """
    path = PurePosixPath(record.path)
    if record.card not in roots or path.is_absolute() or ".." in path.parts:
        hint = "the store is damaged: run `hoopoe decide` again"
        raise HoopoeError("this is not under a card of the store", where=record.path, hint=hint)
    return located(place_of(roots[record.card]), record.path)


def _tasks(
    source: ExportSource,
    folder: Path,
    options: ExportOptions,
    pictures: PictureFormat,
    ledger: _Ledger,
) -> Iterator[MediaTask]:
    roots = options.card_roots(source.run)
    absent = source.absent(roots)
    missed: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for record in source.media():
        shown = pictures.choose(record, options.score_threshold)
        if record.failure is not None or not shown or record.media_type not in pictures.media_types:
            continue
        try:
            file = locate(record, roots)
        except HoopoeError as error:
            ledger.failures.append(error)
            continue
        task = MediaTask(file, record, shown, folder, hidden_in(record, options.blur or pictures.blur))
        there = record.card not in absent and (isinstance(file, Address) or is_there(file))
        if not there:
            missed[record.card] += 1
        if pictures.are_there(task) or not (there or task.hidden):
            ledger.keep(record)
        elif there:
            yield task
        else:  # what an earlier export showed may not be blurred
            removed[record.card] += 1
    for card, count in missed.items():
        if card in absent:
            problem = f"card '{card}' is not there ({absent[card]}): its {count} files keep the pictures that they had"
        else:
            problem = f"{count} files of card '{card}' are not there now: they keep the pictures that they had"
        if removed[card]:
            problem += f", but for {removed[card]} with people to blur"
        ledger.failures.append(
            HoopoeError(problem, where=roots[card], hint=f"put it in, or give --root {card}=PATH (from Python roots)")
        )


def _written(
    tasks: Iterator[MediaTask], make: Callable[[MediaTask], Iterable[WrittenPicture]], ledger: _Ledger
) -> Iterator[WrittenPicture]:
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    with IsolatedReaders(workers, partial(_made, make), SILENCE_S, name=lambda task: str(task.file)) as readers:
        for event in readers.run(tasks, in_order=True):
            if isinstance(event, Produced):
                yield event.value
            elif isinstance(event, Failed):
                if isinstance(event.error, ServiceError):
                    raise event.error
                if not event.task.hidden:
                    ledger.keep(event.task.record)
                ledger.failures.append(event.error)


def _made(make: Callable[[MediaTask], Iterable[WrittenPicture]], task: MediaTask) -> Iterator[WrittenPicture]:
    """In a reading process: the pictures of a file, which is fetched for it where it is an object."""
    if not isinstance(task.file, Address):
        yield from make(task)
        return
    with local_copy(task.file) as file:
        yield from make(replace(task, file=file))


def _earlier_rows(index: Path, options: ExportOptions) -> Iterator[Row]:
    """Rows of the pictures that an earlier export made; none where its index is missing or somebody broke it."""
    if not index.exists():
        return
    try:
        for row in read_table(index, TableForm("the index", ["picture"], ["media_id"]), MAX_INDEX):
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


def _report(what: str, failures: list[HoopoeError], options: ExportOptions) -> None:
    for error in failures[:FAILURES_LISTED]:
        options.fault(f"{what}: {error}")
    if len(failures) > FAILURES_LISTED:
        options.fault(f"{what}: {len(failures) - FAILURES_LISTED} more files could not be read")
