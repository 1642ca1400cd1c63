"""`annotate` without its command line: cards in, facts out, as often as one likes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import torch
import torchvision

from backbones.errors import ConfigError, MediaError
from detector import __version__
from detector.annotation.detecting import RunDetector
from detector.annotation.local import Annotation
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.progress import FilesProgress
from detector.annotation.readers import Readers
from detector.base.stopping import StopRequest
from detector.footage.cards import Card, name_cards, reroot
from detector.footage.discovery import PassOver, Report
from detector.species.classifier import SpeciesClassifier
from detector.store.displaced import displaced_cards
from detector.store.facts import FactRow
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import merge_run, read_run, set_card_root
from detector.store.writer import FactsWriter
from detector.types import MediaItem


@dataclass
class RunReport:
    """What a run did.

    Attributes:
        files: Media files looked at now.
        finished_before: Media files that the store held already.
        failures: Reason -> files.
        warnings: What was lost of files that could be read in part -> files.
        problems: Folders and files that could not be listed.
        passed_over: Suffix -> files that are neither photos nor videos.
        seconds: How long it took.
        signal: Number of the signal that ended it before all was done; None: none did.
    """

    files: int = 0
    finished_before: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    problems: list[MediaError] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    signal: int | None = None

    @property
    def failed(self) -> int:
        """Files that failed."""
        return self.failures.total()


def annotate(
    inputs: Sequence[Path],
    output: Path,
    detector: RunDetector,
    species: SpeciesClassifier | None,
    seeing: SeeingOptions,
    work: WorkOptions,
    roots: Mapping[str, Path] | None = None,
    quiet: bool = False,
    readers: Readers | None = None,
    retry_failed: bool = False,
) -> RunReport:
    """Write the facts of all media of some cards that the store does not hold yet.

    Ctrl-C or SIGTERM ends it after the current batch, with all that is finished saved; a second Ctrl-C at once.

    Args:
        inputs: Files and folders.
        output: The store.
        detector: The detector.
        species: The classifier; None leaves birds unnamed.
        seeing: What decides what is seen.
        work: How the work is spread.
        roots: Where known cards are now.
        quiet: Show no progress.
        readers: Reading processes to use; by default some are started, and ended afterwards.
        retry_failed: Look again at the files that could not be read.

    Raises:
        HoopoeError: An input does not exist, the store was made otherwise or is in use, the disk is full ...
    """
    report = RunReport()
    cards_of(inputs, output, roots or {})  # refuses what cannot be before anything is written
    with FactsWriter(output, retry_failed=retry_failed) as writer:
        cards = cards_of(inputs, output, roots or {})
        for card, root in (roots or {}).items():
            set_card_root(output, card, os.path.abspath(root))
        entries = {
            "cards": {card.id: CardEntry(root=str(card.root), inputs=list(card.inputs)) for card in cards},
            "options": seeing.as_dict(),
            "versions": versions(),
        }
        merge_run(output, models_entry(detector, species).model_copy(update=entries))
        total = 0
        for item in _media(cards, report.problems.append, lambda suffix: report.passed_over.update((suffix,))):
            total += item.media_id not in writer.finished
            report.finished_before += item.media_id in writer.finished
        remaining = (item for item in _media(cards) if item.media_id not in writer.finished)
        root_of = {card.id: card.root for card in cards}
        with (
            StopRequest().listening() as stop,
            FilesProgress(total, "annotating", quiet) as progress,
            reading(readers, work) as processes,
        ):

            def finished(rows: Sequence[FactRow]) -> None:
                if rows[0].failure is not None:
                    _check_root(root_of[rows[0].card])
                writer.add(rows)
                note(report, rows)
                progress.advance(failed=rows[0].failure is not None)

            annotation = Annotation(
                detector=detector,
                species=species,
                seeing=seeing,
                work=work,
                readers=processes,
                finished=finished,
                tick=writer.flush_if_due,
                stopping=lambda: stop.requested,
            )
            annotation.run(remaining)
            for root in root_of.values():
                _check_root(root)
            report.seconds = progress.seconds
            report.signal = stop.signal if report.files < total else None
    return report


def _check_root(root: Path) -> None:
    """A card that is pulled out must not make failures of all the files that are left on it."""
    if not root.exists():
        raise MediaError("the card is gone", where=root, mend="put it in again: the same command goes on from here")


def note(report: RunReport, rows: Sequence[FactRow]) -> None:
    """Count an item that is done."""
    report.files += 1
    if rows[0].failure is not None:
        report.failures[rows[0].failure] += 1
    elif rows[0].warning is not None:
        report.warnings[rows[0].warning] += 1


def cards_of(inputs: Sequence[Path], output: Path, roots: Mapping[str, Path]) -> list[Card]:
    """The cards that inputs belong to, without the store where it lies inside one.

    Cards go through one reader, and cameras begin anew at IMG_0001: where other files lie at a known card's root than
    those that the store knows of it, that is a new card.

    Raises:
        ConfigError: The store is an input itself, or a root is given for a card that is not known.
        MediaError: An input does not exist.
    """
    before = read_run(output)
    known = reroot({} if before is None else {card: entry.root for card, entry in before.cards.items()}, roots)
    store = os.path.realpath(output)
    cards = []
    for card in name_cards(inputs, known, displaced_cards(output, known)):
        root = os.path.realpath(card.root)
        if store == root:
            mend = "choose a folder of its own for --output"
            raise ConfigError("the results would lie among the photos and videos", where=output, mend=mend)
        if store.startswith(os.path.join(root, "")):
            inside = PurePath(os.path.relpath(store, root)).as_posix()
            card = replace(card, excluded=(*card.excluded, inside))
        cards.append(card)
    return cards


def _media(
    cards: Sequence[Card], problem: Report = lambda _: None, pass_over: PassOver = lambda _: None
) -> Iterator[MediaItem]:
    for card in cards:
        yield from card.media(problem, pass_over)


def models_entry(detector: RunDetector, species: SpeciesClassifier | None) -> RunFile:
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
