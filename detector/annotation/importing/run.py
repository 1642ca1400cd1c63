"""`classify-crops` without its command line: boxes of another tool in, classified facts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backbones.errors import DataError
from detector.annotation.decoding import with_capture
from detector.annotation.distributed.engine import classify_on_cluster
from detector.annotation.distributed.work import Places
from detector.annotation.facts import RowsOptions
from detector.annotation.importing.filtering import FilteredDetections
from detector.annotation.importing.formats import ImportedDetections, ImportedFile, ImportedFrame
from detector.annotation.importing.media import FolderOfCrops, MediaFolder, Survey, as_upright, survey_media
from detector.annotation.importing.object_folder import ObjectFolder, files_among
from detector.annotation.importing.reading import read_detections
from detector.annotation.importing.rows import imported_rows
from detector.annotation.listing.shard import ListShard
from detector.annotation.local_crops import LocalClassification
from detector.annotation.report import Outcome, Receipt, RunReport
from detector.annotation.request import DEFAULT, RunSettings
from detector.annotation.run import species_entry, versions
from detector.annotation.running import Settled, run_store
from detector.annotation.stages import MAYBE_BIRD
from detector.annotation.values import BoxedFrame, BoxedItem, ClassifiedItem, ItemFacts
from detector.base.objects.address import Address, Place
from detector.footage.cards import Card
from detector.footage.discovery import media_type
from detector.footage.heads import capture_of_head, capture_of_name
from detector.species.classifier import SpeciesClassifier
from detector.species.names.kinds import kind_of_label
from detector.store.media_ids import MediaIds
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
        lowest_score: Boxes with a lower score are left out; None: none.
        only: Categories whose boxes are kept; empty: all.
    """

    classify_from: float = LOWEST_SCORE
    embeddings: bool = False
    lowest_score: float | None = None
    only: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """As `run.json` holds them; what is not asked for is not in it, as before it could be."""
        later = {"lowest_score": self.lowest_score, "only": list(self.only) or None}
        chosen = {name: value for name, value in later.items() if value is not None}
        return {"classify_from": self.classify_from, "embeddings": self.embeddings, **chosen}


@dataclass(frozen=True)
class CropsRequest:
    """Boxes of another tool that are to be classified.

    Attributes:
        detections: Files of boxes (see `read_detections`), or one folder of crops, which is `media` then.
        media: The folder, or the address, under which the files are that the files of boxes name.
        output: The store; what it holds already is not done again.
        options: What decides what is seen.
        shard: The part of the files that is done; None: all.
    """

    detections: Sequence[Place]
    media: Place
    output: Path
    options: ImportOptions = field(default_factory=ImportOptions)
    shard: ListShard | None = None


def classify_crops(request: CropsRequest, species: SpeciesClassifier, settings: RunSettings = DEFAULT) -> RunReport:
    """Write facts with another tool's boxes, classified; see `run_store`. Files that are missing are failures.

    Args:
        request: Which boxes, and of which files.
        species: The classifier.
        settings: How it goes about it.

    Raises:
        DataError: A file of boxes cannot be used.
        HoopoeError: As `annotate` does.
    """
    place = _media_of(request)
    imported = _read(request, place)
    if request.shard is not None:
        imported = _PartOfRecords(imported, place, request.shard)
    if not len(imported):
        hint = "give a file with records of photos or videos"
        raise DataError("it names no files", where=request.detections[0], hint=hint)
    with FactsWriter(request.output, retry_failed=settings.retry_failed) as writer:
        survey = survey_media(imported, place, writer.finished, request.detections[0])
        merge_run(request.output, _run_file(place.card, imported, species, request.options))
        rows = RowsOptions(imported.categories, species.net.embedding_size, request.options.embeddings)
        job = _ImportedMedia(imported, place, survey, rows, writer, request.options.classify_from)
        engine = LocalClassification(species, imported.categories, request.options.classify_from, settings)
        if settings.cluster is None:
            report = run_store(engine, job, "classifying", settings.quiet, settings.forecast())
        else:
            seen = Places.of(writer, {place.card.id: place.card.root})
            report = classify_on_cluster(engine, job, seen, rows, writer)
        report.notes += [*place.notes, *(job.notes() if report.signal is None else [])]
    return report


def _media_of(request: CropsRequest) -> MediaFolder | ObjectFolder:
    if isinstance(request.media, Address):
        return ObjectFolder.of(request.media, request.output)
    return MediaFolder.of(request.media, request.output)


def _read(request: CropsRequest, place: MediaFolder | ObjectFolder) -> ImportedDetections:
    folders = [path for path in request.detections if isinstance(path, Path) and path.is_dir()]
    if not folders:
        imported = read_detections(files_among(request.detections))
    elif len(request.detections) > 1:
        problem = "a folder of crops is one input, and no other goes with it"
        raise DataError(problem, where=folders[0], hint="give them one by one")
    elif isinstance(place, ObjectFolder):
        raise DataError("a folder of crops goes with itself", where=folders[0], hint="leave --media out")
    else:
        imported = FolderOfCrops(place)
    options = request.options
    if options.lowest_score is None and not options.only:
        return imported
    return FilteredDetections(imported, options.lowest_score or 0.0, options.only)


class _PartOfRecords:
    """The records of the files that are in one part of all; an `ImportedDetections`."""

    def __init__(self, imported: ImportedDetections, place: MediaFolder | ObjectFolder, shard: ListShard) -> None:
        self.imported, self.place, self.shard = imported, place, shard
        self.detector, self.categories = imported.detector, imported.categories

    def __len__(self) -> int:
        return len(self.imported)

    def __iter__(self) -> Iterator[ImportedFile]:
        return (file for file in self.imported if self.shard.holds(self.place.item(file.path)))


class _ImportedMedia:
    """Records of boxes, and the rows of their files; a `Job`.

    Args:
        imported: The records.
        place: Where the files are.
        survey: Which of them are there.
        options: What of an item becomes rows.
        writer: Takes the rows.
        classify_from: Boxes with a lower score are not classified.
    """

    def __init__(
        self,
        imported: ImportedDetections,
        place: MediaFolder | ObjectFolder,
        survey: Survey,
        options: RowsOptions,
        writer: FactsWriter,
        classify_from: float = LOWEST_SCORE,
    ) -> None:
        self.imported, self.place, self.survey, self.options, self.writer = imported, place, survey, options, writer
        self.classify_from = classify_from
        self.report = RunReport()
        self.left_out: Counter[str] = Counter()  # over all records
        self.named = MediaIds()  # of the items that records are of
        self.not_read = 0  # objects in which nothing is to be classified
        self.sizes: Counter[str] = Counter()  # records whose stated size is not that of the upright picture
        self.may_be_bird = np.array([kind_of_label(name) in MAYBE_BIRD for name in imported.categories], bool)

    @property
    def total(self) -> int:
        return self.survey.to_do

    def items(self) -> Iterator[BoxedItem | Settled[ClassifiedItem]]:
        """The items to classify; what is finished is passed over, what cannot be read is a failure already."""
        for file in self.imported:
            item = self.place.item(file.path)
            if item.media_id in self.named:  # a photo counts as the first record has it
                self.left_out[SECOND_RECORD] += 1
                continue
            self.named.add(item.media_id)
            self.left_out.update(file.left_out)
            if item.media_id in self.writer.finished:
                self.report.note_finished(self.writer.failed.get(item.media_id))
            elif failure := file.failure or self._failure(item):
                yield Settled(ClassifiedItem(BoxedItem(item, ()), self._head(item), failure=failure))
            elif isinstance(self.place, ObjectFolder) and not self._is_to_read(file):
                self.not_read += 1
                boxed = BoxedItem(item, _boxed_frames(file, item, len(self.imported.categories)))
                yield Settled(ClassifiedItem(boxed, with_capture(ItemFacts(), capture_of_name(item))))
            else:
                turned, doubt = as_upright(file, item)
                if doubt is not None:
                    self.sizes[doubt] += 1
                losses = [f"{count} {what}: left out" for what, count in file.left_out.items()]
                warnings = tuple([*losses, doubt] if doubt else losses)
                yield BoxedItem(item, _boxed_frames(turned, item, len(self.imported.categories)), warnings)

    def _is_to_read(self, file: ImportedFile) -> bool:
        """Whether a record has a box that the classifier is to see."""
        return any(
            (self.may_be_bird[frame.labels] & (frame.scores >= self.classify_from)).any() for frame in file.frames
        )

    def _failure(self, item: MediaItem) -> str | None:
        if media_type(item.path) is None:
            return "this is neither a photo nor a video"
        if isinstance(self.place, ObjectFolder):
            return None if self.place.holds(item) else "its path leads out of the address of media"
        if item.media_id not in self.survey.missing:
            return None
        outside = not self.place.holds(item)
        return "its path leads out of the folder of media" if outside else "the file is missing in the folder of media"

    def _head(self, item: MediaItem) -> ItemFacts:
        """When a file was taken that is not read: its day is one on which its camera worked."""
        there = item.media_type == "photo" and item.media_id not in self.survey.missing
        return with_capture(ItemFacts(), capture_of_head(item) if there else capture_of_name(item))

    def notes(self) -> list[str]:
        """What cannot be used of the records, in sentences with counts."""
        said = [f"{count} {what}: left out" for what, count in self.left_out.items()]
        said += [f"{count} records: {doubt}" for doubt, count in self.sizes.items()]
        if self.not_read:
            what = "objects without a box to classify were not fetched: their times are those of their names"
            said.append(f"{self.not_read} {what}")
        unnamed = 0 if isinstance(self.imported, _PartOfRecords) else self.place.unnamed(self.named)
        return said + ([f"{unnamed} photos and videos in the folder of media have no record"] if unnamed else [])

    def save(self, done: ClassifiedItem | Receipt) -> Outcome | None:
        """Keep the rows of an item.

        Raises:
            MediaError: Its file was there when the run began, and is not now.
        """
        if isinstance(done, Receipt):
            if done.gone:
                self.place.check_there(done.path)
                self.report.note_unseen(done.path)
            return None if done.gone else done.outcome
        rows = imported_rows(done, self.options)
        outcome = Outcome.of(rows)
        if outcome != Outcome() and rows[0].media_id not in self.survey.missing:
            self.place.check_there(rows[0].path)
        self.writer.add(rows)
        return outcome

    def flush_if_due(self) -> None:
        self.writer.flush_if_due()

    def close(self) -> None:
        self.writer.flush()


def _boxed_frames(file: ImportedFile, item: MediaItem, labels: int) -> tuple[BoxedFrame, ...]:
    """The frames of a record; a photo has one, whatever the record says."""
    if item.media_type == "video":
        return tuple(_boxed_frame(frame.number, [frame], labels) for frame in file.frames)
    return (_boxed_frame(0, file.frames, labels),)


def _boxed_frame(number: int, frames: Sequence[ImportedFrame], labels: int) -> BoxedFrame:
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(frame.boxes_xywh for frame in frames)])
    scores = np.zeros((len(boxes), labels), np.float32)
    if len(boxes):
        of_box = np.concatenate([frame.labels for frame in frames])
        scores[np.arange(len(boxes)), of_box] = np.concatenate([frame.scores for frame in frames])
    return BoxedFrame(number, boxes, scores)


def _run_file(card: Card, imported: ImportedDetections, species: SpeciesClassifier, options: ImportOptions) -> RunFile:
    return RunFile(
        cards={card.id: CardEntry(root=str(card.root), inputs=list(card.inputs))},
        detector=DetectorEntry(name=imported.detector, categories=list(imported.categories)),
        species=species_entry(species),
        options={"imported": True, **options.as_dict()},
        versions=versions(),
    )
