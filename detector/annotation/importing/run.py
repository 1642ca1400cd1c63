"""`classify-crops` without its command line: boxes of another tool in, classified facts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backbones.errors import DataError
from detector.annotation.facts import ItemRows
from detector.annotation.importing.formats import (
    ImportedDetections,
    ImportedFile,
    ImportedFrame,
    read_detections,
)
from detector.annotation.importing.media import FolderOfCrops, MediaFolder, as_upright, missing_media
from detector.annotation.looking import with_capture
from detector.annotation.request import RunSettings
from detector.annotation.run import DEFAULT, RunReport, reading, species_entry, versions
from detector.annotation.second_look import KnownFrame, KnownItem, SecondLook, SecondSight
from detector.annotation.stages import unclassified
from detector.annotation.values import FrameFacts, ItemFacts
from detector.base.reporting import Task, task
from detector.base.stopping import StopRequest
from detector.footage.appearance import SIDE
from detector.footage.cards import Card
from detector.footage.discovery import media_type
from detector.footage.heads import capture_of_head, capture_of_name
from detector.species.classifier import SpeciesClassifier
from detector.store.facts import FactRow
from detector.store.run_file import CardEntry, DetectorEntry, RunFile
from detector.store.run_json import merge_run
from detector.store.schema import LOWEST_SCORE
from detector.store.writer import FactsWriter
from detector.types import MediaItem

SECOND_RECORD = "records are of files that another record is of, too"


@dataclass(frozen=True)
class ImportOptions:
    """What decides what is seen; see `SeeingOptions`.

    Attributes:
        classify_from: Boxes with a lower score are kept, but not classified.
        embeddings: Keep the classifier's embeddings.
    """

    classify_from: float = LOWEST_SCORE
    embeddings: bool = False


@dataclass(frozen=True)
class CropsRequest:
    """Boxes of another tool that are to be classified.

    Attributes:
        detections: Files of boxes (see `read_detections`), or one folder of crops, which is `media` then.
        media: The folder in which the files are that the files of boxes name.
        output: The store; what it holds already is not done again.
        options: What decides what is seen.
    """

    detections: Sequence[Path]
    media: Path
    output: Path
    options: ImportOptions = field(default_factory=ImportOptions)


def classify_crops(request: CropsRequest, species: SpeciesClassifier, settings: RunSettings = DEFAULT) -> RunReport:
    """Write facts with another tool's boxes, classified. Files that are missing are recorded as failures.

    Args:
        request: Which boxes, and of which files.
        species: The classifier.
        settings: How it goes about it.

    Raises:
        DataError: A file of boxes cannot be used.
        HoopoeError: As `annotate` does.
    """
    options, output = request.options, request.output
    work = settings.work_on(next(species.net.parameters()).device)
    place = MediaFolder.of(request.media, output)
    imported = _read(request.detections, place)
    if not len(imported):
        raise DataError(
            "it names no files", where=request.detections[0], hint="give a file with records of photos or videos"
        )
    with FactsWriter(output, retry_failed=settings.retry_failed) as writer:
        missing = missing_media(imported, place, writer.finished, request.detections[0])
        merge_run(output, _run_file(place.card, imported, species, options))
        with (
            StopRequest().listening() as stop,
            task("classifying", len(imported), "files", quiet=settings.quiet) as progress,
            reading(settings.readers, work) as processes,
        ):
            run = _Import(imported, place, options, writer, progress, species.net.embedding_size, missing)
            second_look = SecondLook(
                species=species,
                categories=imported.categories,
                classify_from=options.classify_from,
                work=work,
                readers=processes,
                tick=writer.flush_if_due,
                stopping=lambda: stop.requested,
            )
            for sight in second_look.run(run.items()):
                run.save(run.rows(sight))
            run.report.seconds = progress.seconds
            run.report.signal = stop.signal if run.report.files + run.report.finished_before < len(imported) else None
            run.report.notes += [*place.notes, *(run.notes() if run.report.signal is None else [])]
    return run.report


def _read(detections: Sequence[Path], place: MediaFolder) -> ImportedDetections:
    folders = [path for path in detections if path.is_dir()]
    if not folders:
        return read_detections(detections)
    if len(detections) > 1:
        problem = "a folder of crops is one input, and no other goes with it"
        raise DataError(problem, where=folders[0], hint="give them one by one")
    return FolderOfCrops(place)


class _Import:
    """Turns records of boxes into items to look at, and what was seen into rows.

    Args:
        imported: The records.
        place: Where the files are.
        options: What decides what is seen.
        writer: Takes the rows.
        progress: Shows how far it is.
        embedding_size: Of the classifier.
        missing: Ids of the items whose files were not there when the run began.
    """

    def __init__(
        self,
        imported: ImportedDetections,
        place: MediaFolder,
        options: ImportOptions,
        writer: FactsWriter,
        progress: Task,
        embedding_size: int,
        missing: Collection[str],
    ) -> None:
        self.imported, self.place, self.options = imported, place, options
        self.writer, self.progress, self.embedding_size = writer, progress, embedding_size
        self.missing = missing
        self.report = RunReport()
        self.left_out: Counter[str] = Counter()  # over all records
        self.seen: set[str] = set()  # ids of the items that records are of
        self.sizes: Counter[str] = Counter()  # records whose stated size is not that of the upright picture
        self.warnings: dict[str, str] = {}  # of items under way, by their ids

    def items(self) -> Iterator[KnownItem]:
        """The items to look at; what is finished is passed over, what cannot be looked at is saved as a failure."""
        before = set(self.writer.finished)
        seen = self.seen
        for file in self.imported:
            item = self.place.item(file.path)
            if item.media_id in seen:  # a photo counts as the first record has it
                self.left_out[SECOND_RECORD] += 1
                self.progress.skip()
                continue
            seen.add(item.media_id)
            self.left_out.update(file.left_out)
            if item.media_id in before:
                self.report.note_finished(self.writer.failed.get(item.media_id))
                self.progress.skip()
            elif failure := file.failure or self._failure(item):
                self.save(ItemRows(item, self.imported.categories, facts=self._head(item)).done(failure))
            else:
                turned, doubt = as_upright(file, item)
                if doubt is not None:
                    self.sizes[doubt] += 1
                losses = [f"{count} {what}: left out" for what, count in file.left_out.items()]
                self.warnings[item.media_id] = "; ".join([*losses, doubt] if doubt else losses)
                yield KnownItem(item, _known_frames(turned, item, len(self.imported.categories)))

    def _failure(self, item: MediaItem) -> str | None:
        if media_type(item.path) is None:
            return "this is neither a photo nor a video"
        if item.media_id not in self.missing:
            return None
        outside = not self.place.holds(item)
        return "its path leads out of the folder of media" if outside else "the file is missing in the folder of media"

    def _head(self, item: MediaItem) -> ItemFacts:
        """When a file was taken at which nobody looks: its day is one on which its camera worked."""
        there = item.media_type == "photo" and item.media_id not in self.missing
        return with_capture(ItemFacts(), capture_of_head(item) if there else capture_of_name(item))

    def notes(self) -> list[str]:
        """What cannot be used of the records, in sentences with counts."""
        said = [f"{count} {what}: left out" for what, count in self.left_out.items()]
        said += [f"{count} records: {doubt}" for doubt, count in self.sizes.items()]
        unnamed = self.place.unnamed(self.seen)
        return said + ([f"{unnamed} photos and videos in the folder of media have no record"] if unnamed else [])

    def rows(self, sight: SecondSight) -> list[FactRow]:
        """The rows of an item."""
        item = sight.known.item
        rows = ItemRows(item, self.imported.categories, self.embedding_size, self.options.embeddings, facts=sight.facts)
        readable = sight.failure is None or sight.frames
        for frame in sight.known.frames if readable else ():
            seen = sight.frames.get(frame.number)
            if seen is None:  # no boxes, or it could not be decoded
                looks = np.zeros((len(frame.boxes_xywh), SIDE * SIDE), np.uint8)
                finds = unclassified(frame.boxes_xywh, frame.label_scores, looks)
                seen = _frame_facts(frame, sight.facts), finds
            rows.add(len(rows), *seen)
        warnings = [*sight.warnings, self.warnings.pop(item.media_id)]
        return rows.done(sight.failure, "; ".join(filter(None, warnings)) or None)

    def save(self, rows: Sequence[FactRow]) -> None:
        """Keep the rows of an item.

        Raises:
            MediaError: Its file was there when the run began, and is not now.
        """
        first = rows[0]
        if (first.failure or first.warning) and first.media_id not in self.missing:
            self.place.check_there(first.path)
        self.writer.add(rows)
        self.report.note(rows)
        self.progress.advance(failed=rows[0].failure is not None)


def _known_frames(file: ImportedFile, item: MediaItem, labels: int) -> tuple[KnownFrame, ...]:
    """The frames of a record; a photo has one, whatever the record says."""
    if item.media_type == "video":
        return tuple(_known_frame(frame.number, [frame], labels) for frame in file.frames)
    return (_known_frame(0, file.frames, labels),)


def _known_frame(number: int, frames: Sequence[ImportedFrame], labels: int) -> KnownFrame:
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(frame.boxes_xywh for frame in frames)])
    scores = np.zeros((len(boxes), labels), np.float32)
    if len(boxes):
        of_box = np.concatenate([frame.labels for frame in frames])
        scores[np.arange(len(boxes)), of_box] = np.concatenate([frame.scores for frame in frames])
    return KnownFrame(number, boxes, scores)


def _frame_facts(frame: KnownFrame, facts: ItemFacts) -> FrameFacts:
    """Of a frame that was not decoded."""
    time_s = frame.number / facts.frame_rate if facts.frame_rate else 0.0
    return FrameFacts(frame.number, time_s, (facts.width or 1, facts.height or 1))


def _run_file(card: Card, imported: ImportedDetections, species: SpeciesClassifier, options: ImportOptions) -> RunFile:
    return RunFile(
        cards={card.id: CardEntry(root=str(card.root), inputs=list(card.inputs))},
        detector=DetectorEntry(name=imported.detector, categories=list(imported.categories)),
        species=species_entry(species),
        options={"imported": True, **vars(options)},
        versions=versions(),
    )
