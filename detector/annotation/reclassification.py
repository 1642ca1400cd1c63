"""`reclassify` without its command line: another classifier over the boxes of a store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from backbones.errors import MediaError
from detector.annotation.counted import HINT
from detector.annotation.options import WorkOptions
from detector.annotation.readers import Readers
from detector.annotation.request import RunSettings
from detector.annotation.run import DEFAULT, RunReport, reading, species_entry, versions
from detector.annotation.second_look import KnownFrame, KnownItem, SecondLook, SecondSight
from detector.base.names import located
from detector.base.reporting import Task, task
from detector.base.stopping import StopRequest
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
    roots: Mapping[str, Path] | None = None,
) -> RunReport:
    """Classify the boxes of a store again. The new logits count once all are there; an ended run goes on.

    Files that are not there, or cannot be read any more, get no name of the new classifier, and are listed.

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
    report = RunReport()
    work = settings.work_on(next(species.net.parameters()).device)
    name = overlay_name(species)
    with OverlayWriter(output, name, retry_failed=settings.retry_failed) as writer:
        for card, root in (roots or {}).items():
            set_card_root(output, card, os.path.abspath(root))
        run = load_run(output)
        reader = FactsReader(output)
        pending = {part: writer.to_do(part) for part in writer.pending()}
        for part in reader.parts():
            kept = writer.failures(part).items() - pending.get(part, {}).items()
            report.failures_before.update(reason for _, reason in kept)
        if pending:
            _check_roots(output, run)
        files = _PendingFiles(reader, run, pending)
        with (
            StopRequest().listening() as stop,
            task("classifying", files.count, "files", quiet=settings.quiet) as progress,
            reading(settings.readers, work) as processes,
        ):
            look = _Look(run, species, work, processes, lambda: stop.requested, report, progress, files)
            for part, failed in pending.items():
                items = (item for item in reader.items(part) if not failed or item[0].media_id in failed)
                rows, failures = look.at(items)
                if stop.requested:
                    of_part = {item for item, *_ in _rows_of(reader, part) if not failed or item in failed}
                    failures |= dict.fromkeys(of_part - look.done, NOT_DONE)
                writer.write(part, rows, failures)
                if stop.requested:
                    break
            report.seconds = progress.seconds
            report.signal = stop.signal if writer.pending() else None
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
    """The files with boxes that are to be looked at, and which of them were not there when the run began.

    Args:
        reader: Of the store.
        run: Says where the cards are.
        pending: Parts that are to be done, each with the media ids that failed before; empty: all of the part.

    Raises:
        MediaError: Most of them are not there.
    """

    def __init__(self, reader: FactsReader, run: RunFile, pending: Mapping[Path, Mapping[str, str]]) -> None:
        self.roots = {entry.label or card: Path(entry.root) for card, entry in run.cards.items()}
        self.count = with_boxes = 0
        self.absent: set[str] = set()
        sizes = {card: sizes_under(root) for card, root in self.roots.items()}
        example: Path | None = None
        for part, failures in pending.items():
            last, looked = None, False
            for item, card, path, boxes in _rows_of(reader, part):
                if failures and item not in failures:
                    continue
                if item != last:
                    self.count += 1
                    last, looked = item, False
                if boxes and not looked:
                    looked = True
                    with_boxes += 1
                    if sizes[card](path) is None:
                        self.absent.add(item)
                        example = example or self.roots[card] / path
        if 2 * len(self.absent) > with_boxes:
            problem = f"{len(self.absent)} of the {with_boxes} files with boxes are not there"
            hint = "put the card in, or say where it is: --root CARD=PATH; nothing was recorded of these files"
            raise MediaError(problem, where=example, hint=hint)

    def check(self, item: MediaItem) -> None:
        """Refuse to go on when a file that was there has gone away.

        Raises:
            MediaError: It has.
        """
        if item.media_id not in self.absent and not is_there(item.file):
            hint = f"{HINT}; nothing was recorded of this part of the files"
            raise MediaError("a file that was there when the run began is gone", where=item.file, hint=hint)


class _Look:
    """Classifies the items of one part after the other."""

    def __init__(
        self,
        run: RunFile,
        species: SpeciesClassifier,
        work: WorkOptions,
        readers: Readers,
        stopping: Callable[[], bool],
        report: RunReport,
        progress: Task,
        files: _PendingFiles,
    ) -> None:
        self.run, self.species, self.report, self.progress, self.files = run, species, report, progress, files
        self.categories = tuple(run.detector.categories) if run.detector else ()
        self.keep_embeddings = bool(run.options.get("embeddings"))
        classify_from = run.options.get("classify_from", LOWEST_SCORE)
        assert isinstance(classify_from, float | int)
        self.done: set[str] = set()  # ids of the items of the part at work
        self.second_look = SecondLook(
            species=species,
            categories=self.categories,
            classify_from=float(classify_from),
            work=work,
            readers=readers,
            stopping=stopping,
        )

    def at(self, items: Iterator[tuple[FactRow, ...]]) -> tuple[list[OverlayRow], dict[str, str]]:
        """The overlay of one part of the facts, and why items of it failed."""
        order: list[str] = []
        rows: dict[str, list[OverlayRow]] = {}
        failures: dict[str, str] = {}
        self.done = set()
        for sight in self.second_look.run(self._known(items, order, failures)):
            item = sight.known.item
            rows[item.media_id] = self._rows(sight)
            self.done.add(item.media_id)
            failure = _failure(sight)
            if failure is not None:
                self.files.check(item)
                failures[item.media_id] = failure
                self.report.failures[failure] += 1
            self.report.files += 1
            self.progress.advance(failed=failure is not None)
        return [row for media_id in order for row in rows.get(media_id, ())], failures

    def _known(
        self, items: Iterator[tuple[FactRow, ...]], order: list[str], failures: dict[str, str]
    ) -> Iterator[KnownItem]:
        for rows in items:
            first = rows[0]
            frames = tuple(_known_frame(row, len(self.categories)) for row in rows if row.detections)
            absent = first.media_id in self.files.absent
            if frames and not absent:
                file = located(self.files.roots[first.card], first.path)
                order.append(first.media_id)
                yield KnownItem(MediaItem(first.card, first.path, first.media_type, first.size_bytes, file), frames)
                continue
            self.done.add(first.media_id)
            if absent:
                failures[first.media_id] = NOT_THERE
                self.report.failures[NOT_THERE] += 1
            self.report.files += 1
            self.progress.advance(failed=absent)

    def _rows(self, sight: SecondSight) -> list[OverlayRow]:
        rows = []
        for number, (_, finds) in sorted(sight.frames.items()):
            for place, box in enumerate(finds.classified.tolist()):
                embedding = pack_vector(finds.embeddings[place]) if self.keep_embeddings else None
                logits = pack_vector(finds.logits[place])
                rows.append(OverlayRow(sight.known.item.media_id, number, box, logits, embedding))
        return rows


def _failure(sight: SecondSight) -> str | None:
    """Why not all frames with boxes came; None: they did."""
    missing = len(sight.known.frames) - len(sight.frames)
    if sight.failure is not None or not missing:
        return sight.failure
    return "; ".join(sight.warnings) or f"{missing} of {len(sight.known.frames)} frames with boxes did not come again"


def _known_frame(row: FactRow, labels: int) -> KnownFrame:
    boxes = row.detections or ()
    shares = np.array([(box.x, box.y, box.w, box.h) for box in boxes], np.float32).reshape(-1, 4)
    scores = np.array([box.label_scores for box in boxes], np.float32).reshape(-1, labels)
    return KnownFrame(row.frame_number, shares, scores)
