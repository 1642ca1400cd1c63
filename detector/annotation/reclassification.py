"""`reclassify` without its command line: another classifier over the boxes of a store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from backbones.errors import MediaError
from detector.annotation.options import WorkOptions
from detector.annotation.progress import FilesProgress
from detector.annotation.readers import Readers
from detector.annotation.run import RunReport, reading, species_entry, versions
from detector.annotation.second_look import KnownFrame, KnownItem, SecondLook, SecondSight
from detector.base.stopping import StopRequest
from detector.species.classifier import SpeciesClassifier
from detector.store.facts import FactRow, OverlayRow
from detector.store.presence import absent_cards
from detector.store.reader import FactsReader
from detector.store.run_file import RunFile
from detector.store.run_json import load_run, set_card_root, update_run
from detector.store.schema import LOWEST_SCORE, pack_vector
from detector.store.writer import OverlayWriter
from detector.types import MediaItem

_HASH_DIGITS = 8


def overlay_name(species: SpeciesClassifier) -> str:
    """The folder under species/ for a classifier: its name, and the first digits of its hash."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', Path(species.name).stem)}-{species.sha256[:_HASH_DIGITS]}"


def reclassify(
    output: Path,
    species: SpeciesClassifier,
    work: WorkOptions,
    roots: Mapping[str, Path] | None = None,
    quiet: bool = False,
    readers: Readers | None = None,
) -> RunReport:
    """Classify the boxes of a store again. The new logits count once all are there; an ended run goes on.

    Args:
        output: The store.
        species: The classifier that is to count.
        work: How the work is spread.
        roots: Where cards are now.
        quiet: Show no progress.
        readers: As for `annotate`.

    Raises:
        DataError: There is no store, or a part of it is damaged.
        MediaError: A card is not where it was.
        HoopoeError: Another process writes to the store, or the disk is full.
    """
    load_run(output)  # says that there is no store before a folder is made
    report = RunReport()
    name = overlay_name(species)
    with OverlayWriter(output, name) as writer:
        for card, root in (roots or {}).items():
            set_card_root(output, card, os.path.abspath(root))
        run = load_run(output)
        reader = FactsReader(output)
        pending = writer.pending()
        if pending:
            _check_roots(output, run)
        total = sum(_count_items(reader, part) for part in pending)
        with (
            StopRequest().listening() as stop,
            FilesProgress(total, "classifying", quiet) as progress,
            reading(readers, work) as processes,
        ):
            look = _Look(run, species, work, processes, lambda: stop.requested, report, progress)
            for part in pending:
                rows = look.at(reader.items(part))
                if stop.requested:
                    break
                writer.write(part, rows)
            report.seconds = progress.seconds
            report.signal = stop.signal
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
        mend = f"put the disk in, or say where it is: --root {card}=PATH"
        raise MediaError(f"card '{card}' is not there: {reason}", where=run.cards[card].root, mend=mend)


def _count_items(reader: FactsReader, part: Path) -> int:
    return sum(len(set(batch.column("media_id").to_pylist())) for batch in reader.batches(part, ["media_id"]))


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
        progress: FilesProgress,
    ) -> None:
        self.run, self.species, self.report, self.progress = run, species, report, progress
        self.categories = tuple(run.detector.categories) if run.detector else ()
        self.keep_embeddings = bool(run.options.get("embeddings"))
        classify_from = run.options.get("classify_from", LOWEST_SCORE)
        assert isinstance(classify_from, float | int)
        self.second_look = SecondLook(
            species=species,
            categories=self.categories,
            classify_from=float(classify_from),
            work=work,
            readers=readers,
            stopping=stopping,
        )

    def at(self, items: Iterator[tuple[FactRow, ...]]) -> list[OverlayRow]:
        """The overlay of one part of the facts."""
        order: list[str] = []
        rows: dict[str, list[OverlayRow]] = {}
        for sight in self.second_look.run(self._known(items, order)):
            rows[sight.known.item.media_id] = self._rows(sight)
            if sight.failure is not None:
                self.report.failures[sight.failure] += 1
            self.report.files += 1
            self.progress.advance(failed=sight.failure is not None)
        return [row for media_id in order for row in rows.get(media_id, ())]

    def _known(self, items: Iterator[tuple[FactRow, ...]], order: list[str]) -> Iterator[KnownItem]:
        for rows in items:
            frames = tuple(_known_frame(row, len(self.categories)) for row in rows if row.detections)
            if not frames:
                self.report.files += 1
                self.progress.advance()
                continue
            first = rows[0]
            file = Path(self.run.cards[first.card].root) / first.path
            order.append(first.media_id)
            yield KnownItem(MediaItem(first.card, first.path, first.media_type, first.size_bytes, file), frames)

    def _rows(self, sight: SecondSight) -> list[OverlayRow]:
        rows = []
        for number, (_, finds) in sorted(sight.frames.items()):
            for place, box in enumerate(finds.classified.tolist()):
                embedding = pack_vector(finds.embeddings[place]) if self.keep_embeddings else None
                logits = pack_vector(finds.logits[place])
                rows.append(OverlayRow(sight.known.item.media_id, number, box, logits, embedding))
        return rows


def _known_frame(row: FactRow, labels: int) -> KnownFrame:
    boxes = row.detections or ()
    shares = np.array([(box.x, box.y, box.w, box.h) for box in boxes], np.float32).reshape(-1, 4)
    scores = np.array([box.label_scores for box in boxes], np.float32).reshape(-1, labels)
    return KnownFrame(row.frame_number, shares, scores)
