"""`annotate` without its command line: cards in, facts out, as often as one likes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torchvision

from backbones.errors import MediaError
from detector import __version__
from detector.annotation.cards import cards_of as cards_of
from detector.annotation.cards import find_cards
from detector.annotation.counted import CountedFiles
from detector.annotation.local import Annotation
from detector.annotation.options import WorkOptions
from detector.annotation.readers import Readers
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.base.reporting import task
from detector.base.stopping import StopRequest
from detector.models.detector import Detector
from detector.species.classifier import SpeciesClassifier
from detector.store.facts import FactRow
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import merge_run, read_run, set_card_root
from detector.store.writer import FactsWriter

DEFAULT = RunSettings()


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        files: Media files looked at now.
        finished_before: Media files that the store held already.
        failures: Reason -> files.
        warnings: What was lost of files that could be read in part -> files.
        failures_before: Likewise, of those files that the store held already.
        lost: Files that were counted and then went away; nothing is recorded of them.
        problems: Folders and files that could not be listed.
        notes: What a person should know, in sentences.
        passed_over: Suffix -> files that are neither photos nor videos.
        seconds: How long it took.
        signal: Number of the signal that ended it before all was done; None: none did.
    """

    files: int = 0
    finished_before: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    failures_before: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[MediaError] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    signal: int | None = None

    def note(self, rows: Sequence[FactRow]) -> None:
        """Count an item that is done."""
        self.files += 1
        if rows[0].failure is not None:
            self.failures[rows[0].failure] += 1
        elif rows[0].warning is not None:
            self.warnings[rows[0].warning] += 1

    def note_finished(self, failure: str | None) -> None:
        """Count an item that the store held already, with the reason why it could not be read, if so."""
        self.finished_before += 1
        if failure is not None:
            self.failures_before[failure] += 1

    @property
    def failed(self) -> int:
        """Files that failed now."""
        return self.failures.total()

    @property
    def all_well(self) -> bool:
        """Whether every file of the inputs was read, in this run or in one before."""
        return not (self.failures or self.failures_before or self.problems or self.lost)


def annotate(request: AnnotateRequest, models: Models, settings: RunSettings = DEFAULT) -> RunReport:
    """Write the facts of all media of some cards that the store does not hold yet.

    Ctrl-C or SIGTERM ends it after the current batch, with all that is finished saved; a second Ctrl-C at once.

    Args:
        request: Which cards, and what is seen in them.
        models: The networks.
        settings: How it goes about it.

    Raises:
        HoopoeError: An input does not exist, the store was made otherwise or is in use, the disk is full ...
    """
    report, output, roots = RunReport(), request.output, request.roots
    work = settings.work_on(models.device)
    before = read_run(output)
    found = find_cards(request.inputs, output, roots)  # refuses what cannot be before anything is written
    with FactsWriter(output, retry_failed=settings.retry_failed) as writer:
        if read_run(output) != before:
            found = find_cards(request.inputs, output, roots)
        report.notes += found.notes
        for card, root in roots.items():
            set_card_root(output, card, os.path.abspath(root))
        entries = {
            "cards": {card.id: CardEntry(root=str(card.root), inputs=list(card.inputs)) for card in found.cards},
            "options": request.seeing.as_dict(),
            "versions": versions(),
        }
        merge_run(output, models_entry(models.detector, models.species).model_copy(update=entries))
        counted = CountedFiles({card.id: card.root for card in found.cards})
        for each in found.cards:
            for item in each.media(report.problems.append, lambda suffix: report.passed_over.update((suffix,))):
                if item.media_id in writer.finished:
                    report.note_finished(writer.failed.get(item.media_id))
                else:
                    counted.add(item)
        with (
            StopRequest().listening() as stop,
            task("annotating", len(counted), "files", quiet=settings.quiet) as progress,
            reading(settings.readers, work) as processes,
        ):

            def finished(rows: Sequence[FactRow]) -> None:
                first = rows[0]
                spoiled = first.failure is not None or first.warning is not None
                if spoiled and counted.has_lost(first.card, first.path, writer.finished):
                    return
                writer.add(rows)
                report.note(rows)
                progress.advance(failed=first.failure is not None)

            annotation = Annotation(
                detector=models.detector,
                species=models.species,
                seeing=request.seeing,
                work=work,
                readers=processes,
                finished=finished,
                tick=writer.flush_if_due,
                stopping=lambda: stop.requested,
            )
            annotation.run(counted)
            report.lost = counted.lost
            report.seconds = progress.seconds
            report.signal = stop.signal if report.files + len(counted.lost) < len(counted) else None
    return report


def models_entry(detector: Detector, species: SpeciesClassifier | None) -> RunFile:
    """A run.json that names the models, and nothing else."""
    return RunFile(
        detector=DetectorEntry(name=detector.name, sha256=detector.sha256, categories=list(detector.categories)),
        species=species_entry(species),
    )


def species_entry(species: SpeciesClassifier | None) -> SpeciesEntry | None:
    """The classifier as run.json names it."""
    if species is None:
        return None
    return SpeciesEntry(
        name=species.name, sha256=species.sha256, classes=list(species.class_names), size=species.size_hw
    )


def versions() -> dict[str, str]:
    """Of what a run's results depend on."""
    return {"hoopoe": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__}


@contextmanager
def reading(readers: Readers | None, work: WorkOptions) -> Iterator[Readers]:
    """Reading processes: those given, or some of its own."""
    if readers is None:
        with Readers(work.workers) as own:
            yield own
        return
    try:
        yield readers
    finally:
        readers.forget()
