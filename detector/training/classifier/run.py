"""From labelled crops to a species classifier: everything around the loop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from backbones.base import Backbone
from backbones.errors import ConfigError, HoopoeError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.base.reporting import say, warn
from detector.base.stopping import StopRequest
from detector.config import dump_config
from detector.species.classifier import SpeciesClassifier
from detector.species.learning.boxes import CropSource
from detector.species.learning.classes import JoinedClasses
from detector.species.learning.learnt import learnt_from
from detector.training.checkpoints import Learner, Position, load_checkpoint
from detector.training.classifier.card import NAME, SpeciesCard
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.network import Start, read_start, with_classes
from detector.training.classifier.outcome import (
    CALIBRATION,
    CLASSIFIER,
    METRICS,
    Outcome,
    as_used,
    measure,
    write_classifier,
    write_outcome,
)
from detector.training.classifier.preparing import Plan, PlanOptions, cut_crops_of, plan_crops
from detector.training.classifier.request import SpeciesRequest, account_of, free_changes, resolved_settings
from detector.training.classifier.session import CURVES, FORMAT, ClassifierSession, evaluated_precision
from detector.training.classifier.showing import CropSampler, TrainingCrops, crop_loader
from detector.training.classifier.sources import say_unreadable
from detector.training.classifier.stored import StoredCrops, read_list
from detector.training.devices import make_fabric
from detector.training.loop import train
from detector.training.machines.placing import Placement
from detector.training.optimising.ema import averaged
from detector.training.optimising.optimiser import build_optimiser
from detector.training.records.progress import Display
from detector.training.records.recorder import Recorder
from detector.training.records.run_folder import RunFolder, environment
from detector.training.records.trackers import open_trackers, refuse_missing_trackers
from detector.training.resuming import leaves


@dataclass(frozen=True)
class SpeciesRun:
    """A run that has ended, or stopped.

    Attributes:
        folder: All its files.
        position: How far it is.
        trained: Whether there was anything left to do.
        signal: Number of the signal that ended it; None: none.
    """

    folder: Path
    position: Position
    trained: bool = True
    signal: int | None = None

    @property
    def classifier(self) -> Path:
        """The classifier's file."""
        return self.folder / CLASSIFIER

    @property
    def calibration(self) -> Path | None:
        """What makes its confidences mean what they say; None: no crop was held out."""
        path = self.folder / CALIBRATION
        return path if path.exists() else None

    @property
    def metrics(self) -> dict[str, Any] | None:
        """Figures on the crops that were held out (`all`, and against the classifier before); None: none were."""
        path = self.folder / METRICS
        return parse_json(path) if path.exists() else None


def plan_species(
    request: SpeciesRequest, sources: Sequence[CropSource], validation: Sequence[CropSource] = ()
) -> tuple[Start, Plan]:
    """What a run would start and learn from; nothing is written.

    Raises:
        ConfigError, DataError, CheckpointError, DownloadError: Something about the request or its data.
    """
    start = read_start(request.init, request.config.model, request.config.train.seed)
    data = request.config.data
    options = PlanOptions(data.val, data.group_by, request.only_these)
    return start, plan_crops(sources, validation, start.class_names, request.kinds, options)


def train_species_classifier(
    request: SpeciesRequest, sources: Sequence[CropSource], validation: Sequence[CropSource] = ()
) -> SpeciesRun:
    """Train a classifier, or go on with it.

    Args:
        request: What is asked for.
        sources: What to learn from; not needed to go on with a run.
        validation: What to measure on, if that is a set of its own.

    Raises:
        ConfigError, DataError, CheckpointError, DownloadError: Something about the request, its data, or the run.
    """
    files = RunFolder(request.output)
    refuse_missing_trackers(request.config.train.trackers)
    if request.resume and files.last.exists():
        return _resume(request, files)
    if request.resume and not sources:
        hint = "give DATA again: the run had not begun to train"
        raise ConfigError("there is no checkpoint to go on from", where=files.last, hint=hint)
    if not request.resume:
        files.refuse_existing()
    start, plan = plan_species(request, sources, validation)
    for line in plan.lines():
        say(line)
    problems = cut_crops_of(plan, request.output, start.size_hw)
    say_unreadable(problems)
    crops = read_list(request.output, plan.classes.names)
    _refuse_too_few(crops)
    net = with_classes(start, plan.classes, request.kinds.crosswalk, request.config.model)
    settings = resolved_settings(request, crops, start)
    about = account_of(start, plan, problems)
    like = _classifier(net, plan.classes, start.rgb_stats, settings)
    # before the run's files: a tracker that cannot be reached leaves no run that stands in the way of the next try
    session = _open(request, settings, crops, like, Position())
    write_bytes(files.config, dump_config(settings).encode())
    write_bytes(files.root / "data.json", _json(about))
    return _trained(session, Position(), about)


def _resume(request: SpeciesRequest, files: RunFolder) -> SpeciesRun:
    """Go on with a run by its own crops, classes and settings."""
    checkpoint = load_checkpoint(files.last, SpeciesConfig, FORMAT)
    about = files.data_summary()
    settings = free_changes(checkpoint, request.config, files)
    written = all((files.root / name).exists() for name in (CLASSIFIER, NAME))  # the card is the last of all
    if checkpoint.position.finished and written:
        return SpeciesRun(files.root, checkpoint.position, trained=False)
    if not about.keys() >= {"classes", "former", "backbone", "rgb_stats", "init", "rule"}:
        hint = "begin the run again in a new folder"
        raise ConfigError("it does not say how the run began", where=files.root / "data.json", hint=hint)
    names, former = tuple(about["classes"]), np.array(about["former"], np.int64)
    classes = JoinedClasses(names, former, {}, {}, np.zeros(len(names), np.int64))
    crops = read_list(files.root, names)
    if crops.fingerprint != checkpoint.fingerprint:
        hint = "begin the run again in a new folder"
        raise ConfigError("the crops of this run were changed since it began", where=files.root / "crops", hint=hint)
    model = settings.model.model_copy(update={"backbone": about["backbone"]["name"]})
    import backbones

    net = backbones.create_model(
        model.backbone,
        num_classes=len(names),
        input_size=tuple(about["backbone"]["size_hw"]),
        config=about["backbone"]["config"],
    )
    if settings.model.freeze_stages is not None:
        net.freeze_stages(settings.model.freeze_stages)
    net.set_grad_checkpointing(settings.model.grad_checkpointing)
    like = _classifier(net, classes, about["rgb_stats"], settings)
    session = _open(request, settings, crops, like, checkpoint.position)
    session.asked = checkpoint.config
    checkpoint.restore(session.learner)
    session.fabric.strategy.precision.load_state_dict(checkpoint.state["scaler"] or {})
    session.saved = checkpoint.position
    return _trained(session, checkpoint.position, about)


def _classifier(
    net: Backbone, classes: JoinedClasses, rgb_stats: Mapping[str, Any], settings: SpeciesConfig
) -> SpeciesClassifier:
    """The network as a classifier is used."""
    (red, green, blue), (red_std, green_std, blue_std) = rgb_stats["mean"], rgb_stats["std"]
    return SpeciesClassifier(
        name=CLASSIFIER,
        sha256="",
        class_names=classes.names,
        size_hw=net.input_size,
        mean=(red, green, blue),
        std=(red_std, green_std, blue_std),
        precision=evaluated_precision(settings.train.precision),
        net=net,
    )


def _open(
    request: SpeciesRequest, settings: SpeciesConfig, crops: StoredCrops, like: SpeciesClassifier, position: Position
) -> ClassifierSession:
    """Wrap the network, and open what a run needs."""
    train, files = settings.train, RunFolder(request.output)
    assert train.batch_size != "auto"
    fabric = make_fabric(request.accelerator, Placement(1, 1), train.precision)
    fabric.launch()
    assert isinstance(like.net, Backbone)
    net = like.net.to(fabric.device)
    ema = None if train.ema_decay is None else averaged(net, train.ema_decay)
    learner = Learner(net, ema, build_optimiser(net, train))
    sampler = CropSampler(crops, train.batch_size, settings.data.balance, train.seed)
    dataset = TrainingCrops(crops, like.size_hw, settings.data.augmentation, train.seed)
    model, optimiser = fabric.setup(net, learner.optimiser)
    write_bytes(files.root / "environment.json", _json(environment() | _device(fabric, settings)))
    trackers = open_trackers(train.trackers, files, dict(leaves(settings)))
    return ClassifierSession(
        fabric=fabric,
        model=model,
        optimiser=optimiser,
        learner=learner,
        loader=crop_loader(dataset, sampler, settings.data),
        recorder=Recorder(files, position.step, trackers, CURVES),
        display=Display(train.last_epoch, float(position.epoch), fabric.device),
        stop=StopRequest(),
        asked=request.config,
        settings=settings,
        files=files,
        crops=crops,
        sampler=sampler,
        like=like,
    )


def _trained(session: ClassifierSession, position: Position, about: Mapping[str, Any]) -> SpeciesRun:
    """Train from a position; at the end write the classifier, what it is worth, and its card."""
    try:
        with session.display, session.stop.listening():
            birds, settings = len(session.sampler.birds), session.config.train
            session.display.say(
                f"{'going on after step ' + str(position.step) if position.step else 'training'}: {settings.epochs} "
                f"epochs over {birds} crops, {settings.batch_size} a step, {settings.precision} on "
                f"{session.fabric.device.type}, into {session.files.root}"
            )
            position = train(session, position)
        if session.recorder is not None:
            session.recorder.draw_curves()
        if position.finished:
            _finish(session, about)
    except BaseException:
        session.close("failed")
        raise
    session.close("finished" if position.finished else "stopped")
    return SpeciesRun(session.files.root, position, signal=session.stop.signal)


def _finish(session: ClassifierSession, about: Mapping[str, Any]) -> None:
    root = session.files.root
    last = session.classifier
    begun = about["init"] and Path(about["init"]).name  # a whole path says where its author works
    notes = {"init": begun, "rule": about["rule"]}
    write_classifier(root / CLASSIFIER, last, session.crops, notes, learnt_from(about["init"]) or frozenset())
    after = as_used(root / CLASSIFIER, last)
    outcome = measure(session.crops, after, _before(about, session))
    write_outcome(root, outcome, session.crops, after.class_names)
    SpeciesCard(after, about["init"], session.crops, about["rule"], outcome, session.config).write(root)
    for line in outcome_lines(outcome):
        say(line)


def _before(about: Mapping[str, Any], session: ClassifierSession) -> SpeciesClassifier | None:
    """The classifier that this one started from, where that names species, and is still there."""
    if about["init"] is None or not any(each >= 0 for each in about["former"]):
        return None
    try:
        before = SpeciesClassifier.load(about["init"], session.fabric.device, session.like.precision)
    except HoopoeError as error:
        warn(f"the classifier before is not measured beside this one: {error.where}: {error.problem}")
        return None
    return before if before.size_hw == session.like.size_hw else None  # else another one has taken its place


def outcome_lines(outcome: Outcome) -> list[str]:
    """What came of a run, in sentences."""
    if outcome.all is None:
        return ["no crop was held out: nobody knows how good it is"]
    after, before, gain = outcome.all.after, outcome.all.before, outcome.all.gain
    of = f"{after.birds} held-out crops of {after.groups} group{'s' * (after.groups != 1)}"
    lines = [f"on {of}: {after.top1.value:.1%} named rightly, macro-F1 {after.macro_f1.value:.3f}".replace("%", " %")]
    if before is not None and gain is not None and gain.macro_f1.value is not None:
        where = "" if gain.macro_f1.low is None else f" ({gain.macro_f1.low:+.3f} to {gain.macro_f1.high:+.3f})"
        was = f"{before.top1.value:.1%}".replace("%", " %")
        lines.append(
            f"the classifier before on the same crops: {was}, macro-F1 {before.macro_f1.value:.3f}; the gain in "
            f"macro-F1 is {gain.macro_f1.value:+.3f}{where}"
        )
    if outcome.seen_before:
        lines.append(f"the classifier before learnt from {outcome.seen_before} of them; the card has the rest apart")
    if outcome.fit is not None:
        lines += [f"warning: {each}" for each in outcome.fit.warnings]
    return lines


def _refuse_too_few(crops: StoredCrops) -> None:
    rows = crops.rows(held_out=False, others=False)
    if len(np.unique(crops.classes[rows])) < 2:
        hint = "add crops of further cameras or events, or a set of its own to measure on (--val)"
        problem = f"only {len(np.unique(crops.classes[rows]))} species is left to learn from"
        raise ConfigError(problem, where=crops.root / "crops", hint=hint)


def _device(fabric: Fabric, settings: SpeciesConfig) -> dict[str, Any]:
    return {"device": str(fabric.device), "processes": fabric.world_size, "precision": settings.train.precision}


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
