"""From a request to a trained detector: everything around the loop."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from backbones.errors import ConfigError
from detector.base.reporting import say, task
from detector.base.stopping import StopRequest
from detector.data.loader import training_loader, worker_count
from detector.evaluation.card_file import write_model_card
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import evaluate
from detector.models.saving import load_detector
from detector.training.checkpoints import Learner, Position, load_checkpoint
from detector.training.config import REFERENCE_BATCH, Config
from detector.training.devices import make_fabric, refuse_missing_devices, with_shared_statistics
from detector.training.loop import train
from detector.training.machines.lifeline import Lifeline
from detector.training.machines.meeting import start_processes
from detector.training.machines.placing import Meeting, meet
from detector.training.machines.sharing import (
    Account,
    facts_of,
    file_of_first,
    gathered,
    refuse_differing,
    share_weights,
)
from detector.training.memory import fits_on_gpu, largest_that_fits, most_useful
from detector.training.negatives import HardNegatives
from detector.training.optimising.budget import with_budget
from detector.training.optimising.ema import averaged
from detector.training.optimising.optimiser import build_optimiser
from detector.training.pictures.decoder_words import decoders_heard
from detector.training.pictures.unreadable import with_readable_pictures
from detector.training.records.progress import Display
from detector.training.records.recorder import Recorder, read_metrics
from detector.training.records.run_folder import RunFolder
from detector.training.records.trackers import open_trackers
from detector.training.resolving import Request, Resolved, images_a_device, resolve, resolved_from
from detector.training.resuming import leaves
from detector.training.session import Session
from detector.training.single_values import refuse_single_values


@dataclass(frozen=True)
class Run:
    """A run that has ended, or stopped.

    Args:
        position: How far it is.
        files: Its files.
        trained: Whether there was anything left to do.
        signal: Number of the signal that ended it; None: none, or another process has heard it.
    """

    position: Position
    files: RunFolder
    trained: bool = True
    signal: int | None = None

    @property
    def folder(self) -> Path:
        """Where all its files are."""
        return self.files.root

    @property
    def best(self) -> Path:
        """The detector to use."""
        return self.files.best

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Its evaluations in their order: `epoch`, `step`, `AP`, `AP50` and the other figures."""
        return [record for record in read_metrics(self.files.metrics) if record["kind"] == "evaluation"]


def train_detector(request: Request) -> Run:
    """Train a detector, or go on with it.

    On one machine everything that can be wrong is found before other processes are started; several meet first, so that
    what is refused on one is told on all.

    Raises:
        ConfigError, DataError, CheckpointError: Something about the request, the data, or the run to resume.
    """
    refuse_missing_devices(request.accelerator, request.devices)
    placed = meet(request.devices, Meeting(request.nodes))
    resolved = resolve(request) if placed.machines == 1 else None
    if resolved is not None and resolved.position.finished:
        return Run(resolved.position, resolved.files, trained=False)
    fabric = make_fabric(request.accelerator, placed, (resolved or request).config.train.precision)
    start_processes(fabric, placed)
    with Lifeline(fabric) as lifeline:
        if placed.machine > 0 and fabric.local_rank == 0:
            say(f"{lifeline.member} trains with others; the run's files are written by the first machine")
        resolved = as_first_process(request, resolved or resolve(request), fabric, lifeline)
        if resolved.position.finished:
            return Run(resolved.position, resolved.files, trained=False)
        if placed.machines > 1:  # in the same processes: a run that goes on keeps its precision, which is known by now
            fabric = make_fabric(request.accelerator, placed, resolved.config.train.precision)
            fabric.launch()
        return _train(resolved, fabric, lifeline)


def as_first_process(request: Request, resolved: Resolved, fabric: Fabric, lifeline: Lifeline) -> Resolved:
    """What a request comes to in all processes: the run's folder is that of the first one, and need not be elsewhere.

    Raises:
        ConfigError: A machine would do something else.
    """
    if fabric.world_size == 1:
        return resolved
    last = None if resolved.checkpoint is None else resolved.files.last
    with file_of_first(last, fabric) as copy:
        if request.elsewhere and request.resume:
            checkpoint = None if copy is None else load_checkpoint(copy, Config)
            resolved = resolved_from(request, resolved.asked, resolved.data, checkpoint, load_weights=copy is None)
    account = Account(
        lifeline.member,
        dict(leaves(resolved.config)),
        facts_of(resolved.data.fingerprint, request.resume),
        request.resume and RunFolder(request.output).last.exists(),
    )
    refuse_differing(gathered(account, fabric), request.output)
    share_weights(resolved.model, fabric.world_size)
    return resolved


def _train(resolved: Resolved, fabric: Fabric, lifeline: Lifeline) -> Run:
    before = {} if resolved.checkpoint is None else resolved.files.data_summary()
    refuse = resolved.config.data.invalid == "error"
    resolved = replace(resolved, data=with_readable_pictures(resolved.data, before, fabric, refuse=refuse))
    if resolved.config.train.batch_size == "auto":
        resolved = with_batch_size(resolved, fabric)
    resolved = with_budget(resolved, fabric.world_size)
    refuse_single_values(resolved, fabric.world_size)
    if fabric.is_global_zero and resolved.checkpoint is not None:
        _tell_other_processes(resolved, fabric.world_size)
    session = open_session(fabric, resolved)
    lifeline.training_begins()
    lifeline.at_end = partial(session.close, "failed")
    try:
        with decoders_heard() if worker_count(resolved.config.data.workers) == 0 else nullcontext():
            position = trained(session, resolved.position, lifeline)
        if session.recorder is not None:
            session.recorder.draw_curves()
            if position.finished and not resolved.data.overfit:
                with decoders_heard():  # their damage was told before the first step
                    write_card(session)
    except BaseException:
        session.close("failed")
        raise
    session.close("finished" if position.finished else "stopped")
    return Run(position, resolved.files, signal=session.stop.signal)


def trained(session: Session, position: Position, lifeline: Lifeline) -> Position:
    """Train from a position, with what is shown and heard meanwhile; returns where it ended, which has been saved."""
    with session.display, session.stop.listening():
        for line in (*session.resolved.data.lines(), _opening(session, position)):
            session.display.say(line)
        try:
            return train(session, position)
        except RuntimeError as error:
            if not session.stop.requested or lifeline.explains(error) is not None:
                raise
            return session.saved  # a SIGTERM to all processes has ended the workers in the middle of a step


def write_card(session: Session) -> None:
    """Write the card of `best.safetensors`; a run resumed after its best evaluation evaluates it once more."""
    resolved, data = session.resolved, session.resolved.data.validation
    detector = load_detector(resolved.files.best, session.fabric.device, resolved.precision)
    evaluation = session.best_measured
    if evaluation is None and data is not None:
        options = DetectionOptions(batch_size=resolved.config.train.eval_batch_size, loading=resolved.config.data)
        with task("evaluating", len(data), "images") as progress:
            evaluation = evaluate(detector, data, options, advance=progress.advance)
    write_model_card(resolved.files.root, detector, evaluation, data)


def with_batch_size(resolved: Resolved, fabric: Fabric) -> Resolved:
    """A number in place of `batch_size: auto`.

    Raises:
        ConfigError: Not even one image fits on the GPU.
    """
    settings = resolved.config.train
    if fabric.device.type != "cuda":
        size = REFERENCE_BATCH
    else:
        fits = fits_on_gpu(resolved.model.to(fabric.device), resolved.largest_network_size, fabric.autocast)
        most = most_useful(len(resolved.data.train), fabric.world_size, settings.accumulate)
        at_once = fabric.broadcast(largest_that_fits(fits, most) if fabric.is_global_zero else 0)
        if at_once == 0:
            hint = "set model.grad_checkpointing=true, or a smaller model.min_size and model.max_size"
            raise ConfigError("not even one image fits into the GPU's memory", where="train.batch_size", hint=hint)
        size = at_once * fabric.world_size * settings.accumulate
    return resolved.with_training(batch_size=size)


def open_session(fabric: Fabric, resolved: Resolved) -> Session:
    """Wrap, restore, and open what a run needs; the first process writes the run's folder."""
    config, data, checkpoint = resolved.config, resolved.data, resolved.checkpoint
    batch_size = images_a_device(config, fabric.world_size)
    loader = training_loader(
        resolved.training_dataset, batch_size, config.data, rank=fabric.global_rank, world_size=fabric.world_size
    )
    model = resolved.model.to(fabric.device)
    if config.train.sync_batch_norm:
        model = with_shared_statistics(model, fabric.device.type, fabric.world_size, fabric.global_rank)
    ema = None if config.train.ema_decay is None else averaged(model, config.train.ema_decay)
    learner = Learner(model, ema, build_optimiser(model, config.train))
    position, negatives = Position(), None
    if data.negatives is not None:
        negatives = HardNegatives(data.negatives, config.data.negatives, config.train.seed)
    if checkpoint is not None:
        checkpoint.restore(learner)
        fabric.strategy.precision.load_state_dict(checkpoint.state["scaler"] or {})
        position = checkpoint.position
        if negatives is not None:
            negatives.restore(checkpoint.false_scores)
    wrapped_model, wrapped_optimiser = fabric.setup(model, learner.optimiser)
    fabric.barrier()  # all have looked for an earlier run before the first one writes
    recorder = None
    if fabric.is_global_zero:
        summary = data.summary(config.model, config.data.augmentation.crop_size)
        # before the run's files: one that cannot be reached leaves no run behind that stands in the way of the next try
        trackers = open_trackers(config.train.trackers, resolved.files, dict(leaves(config)))
        resolved.files.start(config, summary | {"init": resolved.init}, _device_facts(fabric, resolved))
        recorder = Recorder(resolved.files, position.step, trackers)
    return Session(
        fabric=fabric,
        resolved=resolved,
        model=wrapped_model,
        optimiser=wrapped_optimiser,
        learner=learner,
        loader=loader,
        recorder=recorder,
        display=Display(config.train.last_epoch, float(position.epoch), fabric.device, quiet=not fabric.is_global_zero),
        stop=StopRequest(),
        negatives=negatives,
        saved=position,
    )


def _tell_other_processes(resolved: Resolved, processes: int) -> None:
    had, images = resolved.files.processes(), resolved.config.train.batch_size
    if had not in (None, processes):
        say(
            f"the run had {had} processes and goes on with {processes}: {images} images a step as before, but "
            "proposals are sampled otherwise, as with another seed"
        )


def _device_facts(fabric: Fabric, resolved: Resolved) -> Mapping[str, Any]:
    precision = resolved.config.train.precision
    return {"device": str(fabric.device), "processes": fabric.world_size, "precision": precision}


def _opening(session: Session, position: Position) -> str:
    settings, fabric = session.config.train, session.fabric
    start = f"going on after step {position.step} (epoch {position.epoch})" if position.step else "training"
    return (
        f"{start}: {settings.epochs} epochs, {settings.batch_size} images a step, {settings.precision} on "
        f"{fabric.world_size} x {fabric.device.type}, into {session.resolved.files.root}"
    )
