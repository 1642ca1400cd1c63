"""`reclassify` without its command line: another classifier over the boxes of a store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from backbones.errors import MediaError
from detector.annotation.distributed.engine import classify_on_cluster
from detector.annotation.distributed.work import Places
from detector.annotation.facts import RowsOptions
from detector.annotation.listing.media_list import HINT
from detector.annotation.local_crops import LocalClassification
from detector.annotation.report import Outcome, RunReport
from detector.annotation.request import DEFAULT, RunSettings
from detector.annotation.run import species_entry, versions
from detector.annotation.running import Settled, run_store
from detector.annotation.values import BoxedFrame, BoxedItem, ClassifiedItem
from detector.base.names import located
from detector.base.objects.address import Place, absolute_place, place_of
from detector.species.classifier import SpeciesClassifier
from detector.store.facts import FactRow, OverlayRow
from detector.store.presence import absent_cards, is_there, sizes_under
from detector.store.reader import FactsReader
from detector.store.run_file import RunFile
from detector.store.run_json import load_run, set_card_root, update_run
from detector.store.schema import LOWEST_SCORE, pack_vector
from detector.store.writer import NOT_DONE, OverlayWriter
from detector.types import MediaItem

_HASH_DIGITS = 8
NOT_THERE = "the file is not there now"


def overlay_name(species: SpeciesClassifier) -> str:
    """The folder under species/ for a classifier: its name, and the first digits of its hash."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', Path(species.name).stem)}-{species.sha256[:_HASH_DIGITS]}"


def reclassify(
    output: Path,
    species: SpeciesClassifier,
    settings: RunSettings = DEFAULT,
    roots: Mapping[str, Place] | None = None,
) -> RunReport:
    """Classify the boxes of a store again; see `run_store`.

    The new logits count once all are there; a run that was ended goes on. Files that are not there, or cannot be read
    any more, get no name of the new classifier, and are listed.

    Args:
        output: The store.
        species: The classifier that is to count.
        settings: How it goes about it.
        roots: Where cards are now.

    Raises:
        DataError: There is no store, or a part of it is damaged.
        MediaError: A card is not where it was, most files are not, or they go away meanwhile.
        HoopoeError: Another process writes to the store, or the disk is full.
    """
    load_run(output)  # says that there is no store before a folder is made
    name = overlay_name(species)
    with OverlayWriter(output, name, retry_failed=settings.retry_failed) as writer:
        for card, root in (roots or {}).items():
            set_card_root(output, card, absolute_place(root))
        run = load_run(output)
        categories = tuple(run.detector.categories) if run.detector else ()
        classify_from = run.options.get("classify_from", LOWEST_SCORE)
        assert isinstance(classify_from, float | int)
        engine = LocalClassification(species, categories, float(classify_from), settings)
        job = _KnownBoxes(output, run, writer)
        if settings.cluster is None:
            report = run_store(engine, job, "classifying", settings.quiet, settings.forecast())
        else:
            roots_now = {card: place_of(entry.root) for card, entry in run.cards.items()}
            seen = Places(output.absolute(), None, roots_now)
            report = classify_on_cluster(engine, job, seen, RowsOptions(categories), None)
        if not writer.pending():
            entry = species_entry(species)
            assert entry is not None
            counts = entry.model_copy(update={"overlay": name})
            update_run(
                output,
                lambda now: now.model_copy(update={"species": counts, "versions": {**now.versions, **versions()}}),
            )
    return report


def _check_roots(output: Path, run: RunFile) -> None:
    for card, reason in absent_cards(output, {card: entry.root for card, entry in run.cards.items()}).items():
        hint = f"put the disk in, or say where it is: --root {card}=PATH"
        raise MediaError(f"card '{card}' is not there: {reason}", where=run.cards[card].root, hint=hint)


def _rows_of(reader: FactsReader, part: Path) -> Iterator[tuple[str, str, str, int]]:
    """(media_id, card, path, number of boxes) of each frame."""
    for batch in reader.batches(part, ["media_id", "card", "path", "detections.list.element.x"]):
        boxes = pc.fill_null(pc.list_value_length(batch.column("detections")), 0).to_pylist()
        yield from zip(*(batch.column(name).to_pylist() for name in ("media_id", "card", "path")), boxes, strict=True)


class _PendingFiles:
    """The files with boxes that are to be read again, and which of them were not there when the run began.

    Args:
        reader: Of the store.
        run: Says where the cards are.
        pending: Parts that are to be done, each with the media ids that failed before; empty: all of the part.

    Raises:
        MediaError: Most of them are not there.
    """

    def __init__(self, reader: FactsReader, run: RunFile, pending: Mapping[Path, Mapping[str, str]]) -> None:
        self.roots = {entry.label or card: place_of(entry.root) for card, entry in run.cards.items()}
        self.card_ids = {entry.label or card: card for card, entry in run.cards.items()}
        self.count = with_boxes = 0
        self.absent: set[str] = set()
        sizes = {card: sizes_under(root) for card, root in self.roots.items()}
        example: Place | None = None
        for part, failures in pending.items():
            for item, frames in groupby(_rows_of(reader, part), key=itemgetter(0)):
                if failures and item not in failures:
                    continue
                self.count += 1
                boxed = next((frame for frame in frames if frame[3]), None)
                if boxed is None:
                    continue
                with_boxes += 1
                _, card, path, _ = boxed
                if sizes[card](path) is None:
                    self.absent.add(item)
                    example = example or self.roots[card] / path
        if 2 * len(self.absent) > with_boxes:
            problem = f"{len(self.absent)} of the {with_boxes} files with boxes are not there"
            hint = "put the card in, or say where it is: --root CARD=PATH; nothing was recorded of these files"
            raise MediaError(problem, where=example, hint=hint)

    def item(self, row: FactRow) -> MediaItem:
        """The media item of a row, whose card is called by its label."""
        file = located(self.roots[row.card], row.path)
        return MediaItem(self.card_ids[row.card], row.path, row.media_type, row.size_bytes, file)

    def check(self, item: MediaItem) -> None:
        """Refuse to go on when a file that was there has gone away.

        Raises:
            MediaError: It has.
        """
        if item.media_id not in self.absent and not is_there(item.file):
            hint = f"{HINT}; nothing was recorded of this part of the files"
            raise MediaError("a file that was there when the run began is gone", where=item.file, hint=hint)


@dataclass
class _OpenPart:
    """A part of the facts, some items of which are under way.

    Attributes:
        path: Of the part.
        rows: Media id -> rows of its overlay, in the order of the facts.
        failures: Media id -> why not all of its boxes are classified.
        waiting: Ids of the items that are not done.
        all_known: Whether all items of the part were handed out.
    """

    path: Path
    rows: dict[str, list[OverlayRow]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    all_known: bool = False


class _KnownBoxes:
    """The items of a store, part by part, whose boxes are to be classified again; a `Job`.

    Args:
        output: The store.
        run: What it was made from.
        writer: Takes the overlay of each part.

    Raises:
        MediaError: A card, or most files, are not there.
    """

    def __init__(self, output: Path, run: RunFile, writer: OverlayWriter) -> None:
        self.writer, self.report = writer, RunReport()
        self.labels = len(run.detector.categories) if run.detector else 0
        self.keep_embeddings = bool(run.options.get("embeddings"))
        self.reader = FactsReader(output)
        self.pending = {part: writer.to_do(part) for part in writer.pending()}
        for part in self.reader.parts():
            kept = writer.failures(part).items() - self.pending.get(part, {}).items()
            self.report.failures_before.update(reason for _, reason in kept)
        if self.pending:
            _check_roots(output, run)
        self.files = _PendingFiles(self.reader, run, self.pending)
        self.open: dict[Path, _OpenPart] = {}
        self.part_of: dict[str, _OpenPart] = {}  # of the items under way

    @property
    def total(self) -> int:
        return self.files.count

    def items(self) -> Iterator[BoxedItem | Settled[ClassifiedItem]]:
        for path in self.pending:
            part = self.open[path] = _OpenPart(path)
            for rows in self._items_of(path):
                media_id = rows[0].media_id
                part.rows[media_id] = []
                part.waiting.add(media_id)
                self.part_of[media_id] = part
                yield self._boxed(rows)
            part.all_known = True
            self._write_if_done(part)

    def _items_of(self, path: Path) -> Iterator[tuple[FactRow, ...]]:
        failed = self.pending[path]
        return (item for item in self.reader.items(path) if not failed or item[0].media_id in failed)

    def _boxed(self, rows: tuple[FactRow, ...]) -> BoxedItem | Settled[ClassifiedItem]:
        frames = tuple(_boxed_frame(row, self.labels) for row in rows if row.detections)
        boxed = BoxedItem(self.files.item(rows[0]), frames)
        if rows[0].media_id in self.files.absent:
            return Settled(ClassifiedItem(boxed, failure=NOT_THERE))
        return boxed if boxed.frames else Settled(ClassifiedItem(boxed))

    def save(self, done: ClassifiedItem) -> Outcome | None:
        failure, item = _failure(done), done.boxed.item
        if failure is not None:
            self.files.check(item)
        if done.gone:
            self.report.note_unseen(f"{item.card}/{item.path}")
            failure = NOT_DONE
        media_id = item.media_id
        part = self.part_of.pop(media_id)
        part.rows[media_id] = self._rows(done)
        part.waiting.discard(media_id)
        if failure is not None:
            part.failures[media_id] = failure
        self._write_if_done(part)
        return None if done.gone else Outcome(failure)

    def _rows(self, done: ClassifiedItem) -> list[OverlayRow]:
        rows = []
        for number, (_, finds) in sorted(done.frames.items()):
            for place, box in enumerate(finds.classified.tolist()):
                embedding = pack_vector(finds.embeddings[place]) if self.keep_embeddings else None
                logits = pack_vector(finds.logits[place])
                rows.append(OverlayRow(done.boxed.item.media_id, number, box, logits, embedding))
        return rows

    def _write_if_done(self, part: _OpenPart) -> None:
        if part.all_known and not part.waiting:
            self._write(part)

    def _write(self, part: _OpenPart) -> None:
        del self.open[part.path]
        self.writer.write(part.path, [row for rows in part.rows.values() for row in rows], part.failures)

    def flush_if_due(self) -> None:
        """Parts are written as they are done."""

    def close(self) -> None:
        for part in list(self.open.values()):
            failed = self.pending[part.path]
            to_do = {item for item, *_ in _rows_of(self.reader, part.path) if not failed or item in failed}
            part.failures |= dict.fromkeys(to_do - (part.rows.keys() - part.waiting), NOT_DONE)
            self._write(part)


def _failure(done: ClassifiedItem) -> str | None:
    """Why not all frames with boxes came; None: they did."""
    missing = len(done.boxed.frames) - len(done.frames)
    if done.failure is not None or not missing:
        return done.failure
    return "; ".join(done.warnings) or f"{missing} of {len(done.boxed.frames)} frames with boxes did not come again"


def _boxed_frame(row: FactRow, labels: int) -> BoxedFrame:
    boxes = row.detections or ()
    shares = np.array([(box.x, box.y, box.w, box.h) for box in boxes], np.float32).reshape(-1, 4)
    scores = np.array([box.label_scores for box in boxes], np.float32).reshape(-1, labels)
    return BoxedFrame(row.frame_number, shares, scores)
