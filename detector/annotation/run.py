"""`annotate` without its command line: cards in, facts out, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
import torchvision

from detector.annotation.cards import FoundCards, find_cards
from detector.annotation.distributed.engine import ClusterAnnotation
from detector.annotation.facts import Rows
from detector.annotation.listing.shard import ListShard
from detector.annotation.local import LocalAnnotation
from detector.annotation.options import FIRST_PASS_PROPOSALS, FIRST_PASS_SCORE, SeeingOptions
from detector.annotation.remembered import sha256_of_weights, stored_seeing
from detector.annotation.report import Outcome, Receipt, RunReport
from detector.annotation.request import DEFAULT, AnnotateRequest, Models, RunSettings, limited
from detector.annotation.running import Job, run_store
from detector.annotation.sifting.auditing import audit
from detector.base.objects.address import absolute_place
from detector.base.version import __version__
from detector.models.detector import Detector
from detector.species.classifier import SpeciesClassifier
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import merge_run, read_run, set_card_root, update_run
from detector.store.writer import FactsWriter
from detector.types import MediaItem


def annotate(request: AnnotateRequest, models: Models, settings: RunSettings = DEFAULT) -> RunReport:
    """Write the facts of all media of some cards that the store does not hold yet; see `run_store`.

    Args:
        request: Which cards, and what is seen in them.
        models: The networks.
        settings: How it goes about it.

    Raises:
        HoopoeError: An input does not exist, the store was made otherwise or is in use, the disk is full ...
    """
    output = request.output
    seeing = request.seeing or stored_seeing(output)
    if models.first_pass is not None and seeing.first_pass_threshold is None:
        seeing = replace(seeing, first_pass_threshold=FIRST_PASS_SCORE)
    before = read_run(output)
    seeing = replace(
        seeing,
        burst_gate=_gates_bursts(seeing, before),
        first_pass_proposals=_first_pass_proposals(models, seeing, before),
    )
    limited_models = limited(models, seeing)
    # refuses what cannot be before anything is written
    found = find_cards(request.inputs, output, request.roots, request.listed)
    with FactsWriter(output, retry_failed=settings.retry_failed) as writer:
        if read_run(output) != before:
            found = find_cards(request.inputs, output, request.roots, request.listed)
        for card, root in request.roots.items():
            set_card_root(output, card, absolute_place(root))
        entries = {
            "cards": {card.id: CardEntry(root=str(card.root), inputs=list(card.inputs)) for card in found.cards},
            "options": seeing.as_dict(),
            "versions": versions(),
        }
        merge_run(output, models_entry(models).model_copy(update=entries))
        job: Job[MediaItem, Rows | Receipt] = _NewMedia(found, writer, request.shard, seeing.gates_bursts)
        engine: LocalAnnotation | ClusterAnnotation
        if settings.cluster is None:
            engine = LocalAnnotation(limited_models, seeing, settings)
            report = run_store(engine, job, "annotating", settings.quiet, settings.forecast())
        else:
            engine = ClusterAnnotation.of(models, seeing, settings, writer, found.media, job.total)
            report = run_store(engine, job, "annotating", settings.quiet, settings.forecast(engine.machines))
        if request.audit is not None and report.signal is None:
            report.audited, entry = audit(writer, found.media, engine, request.audit)
            report.signal = report.audited.signal
            if entry is not None:
                update_run(output, lambda run: run.model_copy(update={"audit": entry}))
        return report


def _gates_bursts(seeing: SeeingOptions, before: RunFile | None) -> bool | None:
    """Whether the motion gate is one of photos, too: in stores of an earlier version it was of videos alone."""
    stored: Mapping[str, object] = {} if before is None else before.options
    if seeing.burst_gate is not None or not seeing.motion_gate:
        return seeing.burst_gate
    known = stored.get("burst_gate") if stored.get("motion_gate") is True else True
    return known if isinstance(known, bool) else None


def _first_pass_proposals(models: Models, seeing: SeeingOptions, before: RunFile | None) -> int | None:
    """How many proposals a first pass looks at: in stores of an earlier version, as many as its file says."""
    if seeing.first_pass_proposals is not None or models.first_pass is None:
        return seeing.first_pass_proposals
    if before is not None and before.first_pass is not None:
        stored: Mapping[str, object] = before.options
        known = stored.get("first_pass_proposals")
        return known if isinstance(known, int) else None
    if not hasattr(models.first_pass.net, "rpn"):
        return None
    return min(FIRST_PASS_PROPOSALS, models.first_pass.meta.config.proposals)


class _NewMedia:
    """The media of cards that a store does not hold yet; a `Job`."""

    def __init__(self, found: FoundCards, writer: FactsWriter, shard: ListShard | None, whole_folders: bool) -> None:
        self.media, self.writer, self.shard, self.whole_folders = found.media, writer, shard, whole_folders
        self.report = RunReport(
            lost=found.media.lost, notes=found.notes, problems=found.problems, passed_over=found.passed_over
        )
        self.total = 0
        for item in self._own():
            if item.media_id in writer.finished:
                self.report.note_finished(writer.failed.get(item.media_id))
            else:
                self.total += 1

    def _own(self) -> Iterator[MediaItem]:
        shard, whole = self.shard, self.whole_folders
        return (item for item in self.media if shard is None or shard.holds(item, whole))

    def items(self) -> Iterator[MediaItem]:
        return (item for item in self._own() if item.media_id not in self.writer.finished)

    def save(self, done: Rows | Receipt) -> Outcome | None:
        if isinstance(done, Receipt):
            if done.gone and not self.media.has_lost(done.card, done.path, self.writer.finished):
                self.report.note_unseen(f"{done.card}/{done.path}")
            return None if done.gone else done.outcome
        outcome = Outcome.of(done)
        spoiled = outcome != Outcome()
        if spoiled and self.media.has_lost(done[0].card, done[0].path, self.writer.finished):
            return None
        self.writer.add(done)
        return outcome

    def flush_if_due(self) -> None:
        self.writer.flush_if_due()

    def close(self) -> None:
        self.writer.flush()


def models_entry(models: Models) -> RunFile:
    """A run.json that names the models, and nothing else."""
    return RunFile(
        detector=detector_entry(models.detector),
        species=species_entry(models.species),
        first_pass=None if models.first_pass is None else detector_entry(models.first_pass),
    )


def detector_entry(detector: Detector) -> DetectorEntry:
    """A detector as run.json names it."""
    return DetectorEntry(
        name=detector.name,
        sha256=detector.sha256 or sha256_of_weights(detector.net),
        source=detector.source,
        categories=list(detector.categories),
    )


def species_entry(species: SpeciesClassifier | None) -> SpeciesEntry | None:
    """The classifier as run.json names it."""
    if species is None:
        return None
    return SpeciesEntry(
        name=species.name,
        sha256=species.sha256,
        source=species.source,
        classes=list(species.class_names),
        size=species.size_hw,
    )


def versions() -> dict[str, str]:
    """Of what a run's results depend on."""
    return {"hoopoe": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__}
