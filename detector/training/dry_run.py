"""What a run would be, without training: model, data, schedule, memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from detector.data.doctor.box_sizes import Unmatched
from detector.training.config import REFERENCE_BATCH, Config
from detector.training.data import RunData, summarise_set
from detector.training.devices import chosen_accelerator
from detector.training.folds import make_folds
from detector.training.memory import estimate_memory
from detector.training.optimising.budget import steps_an_epoch, with_budget
from detector.training.optimising.optimiser import parameter_counts
from detector.training.optimising.schedule import learning_rate, peak_rate
from detector.training.records.run_folder import RunFolder
from detector.training.resolving import Request, Resolved, resolve
from detector.training.single_values import refuse_single_values

SHOWN_CATEGORIES = 12


@dataclass(frozen=True)
class Topic:
    """A heading and its lines."""

    name: str
    lines: tuple[str, ...]


def describe_run(request: Request) -> list[Topic]:
    """Describe a run as it would be.

    Raises:
        ConfigError, DataError, CheckpointError: What training would refuse.
    """
    resolved, processes = resolve(request), request.processes
    note = ""
    if resolved.config.train.batch_size == "auto":
        resolved = resolved.with_training(batch_size=REFERENCE_BATCH)
        if chosen_accelerator(request.accelerator) == "cuda":
            note = " (found on the GPU when training starts)"
    resolved = with_budget(resolved, processes)
    refuse_single_values(resolved, processes)
    config, at_once = resolved.config, resolved.images_at_once(processes)
    estimate = estimate_memory(resolved.model, config.train, resolved.largest_network_size, at_once)
    return [
        Topic("model", tuple(_model_lines(config, parameter_counts(resolved.model)))),
        Topic("data", tuple(_data_lines(config, resolved.data))),
        Topic("schedule", tuple(_schedule_lines(resolved, processes, note))),
        Topic("memory", (str(estimate),)),
    ]


def describe_folds(request: Request, count: int, group_by: str) -> list[Topic]:
    """Describe folds, and the run of the first one; nothing is written into the request's folder.

    Raises:
        ConfigError, DataError, CheckpointError: What training would refuse.
    """
    if not request.resume:
        RunFolder(request.output).refuse_existing()
    with TemporaryDirectory() as scratch:
        folds = make_folds(replace(request, output=Path(scratch), resume=False), count, group_by)
        lines = [
            f"fold {fold.number}: {fold.images} pictures with {fold.boxes} boxes to evaluate on, of {len(fold.groups)} "
            f"groups by {group_by}: {', '.join(fold.groups[:SHOWN_CATEGORIES])}"
            + (", ..." if len(fold.groups) > SHOWN_CATEGORIES else "")
            for fold in folds
        ]
        first = replace(request, train=folds[0].train, validation=folds[0].validation, output=folds[0].output)
        topics = describe_run(replace(first, resume=False))
    return [Topic("folds", (*lines, "what follows is the run of fold 1; the others differ in their data")), *topics]


def _model_lines(config: Config, counts: tuple[int, int]) -> Iterator[str]:
    model = config.model
    start = f"weights of {model.weights}" if model.weights else "random weights"
    yield f"{model.detector} {model.version} on {model.backbone}, the backbone from {start}"
    yield f"{counts[0] / 1e6:.1f} M parameters, {counts[1] / 1e6:.1f} M of them trained"
    yield f"images resized to {model.size_rule}"
    names = model.categories
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN_CATEGORIES else ""
    yield f"categories: {', '.join(names[:SHOWN_CATEGORIES])}{more}"


def _data_lines(config: Config, data: RunData) -> Iterator[str]:
    yield from data.lines()
    crops = config.data.augmentation.crop_size is not None
    summary = summarise_set(data.train, config.model, crops=crops)
    sizes = ", ".join(f"{size}: {count}" for size, count in summary["box_sizes_in_network"].items() if count)
    yield f"boxes to train on by size in the network, pixels: {sizes or 'none'}"
    missed = Unmatched(**summary["unmatched"])
    yield f"of them {missed}" + (": see model.anchor_scale and model.anchor_ratios" if missed.share else "")


def _schedule_lines(resolved: Resolved, processes: int, note: str) -> Iterator[str]:
    settings, steps = resolved.config.train, steps_an_epoch(resolved, processes)
    yield f"{settings.epochs} epochs of about {steps} steps with {settings.batch_size} images each{note}: " + (
        f"{settings.last_epoch * steps} steps"
    )
    parts = "whole" if settings.accumulate == 1 else f"in {settings.accumulate} parts"
    yield f"{settings.precision} on {processes} device{'s' if processes > 1 else ''}, each step {parts}"
    if settings.lr_scaling != "none":
        rule = f"{settings.lr_scaling} in {settings.batch_size} / {settings.base_batch_size} images a step"
        yield f"peak learning rate {peak_rate(settings):.2e}, scaled from {settings.lr:.2e}: {rule}"
    points = np.linspace(0, settings.last_epoch, 6)
    rates = [learning_rate(settings, round(point * steps), float(point)) for point in points]
    at = ", ".join(f"{rate:.1e} at {point:g}" for point, rate in zip(points, rates, strict=True))
    yield f"learning rate by epoch ({settings.schedule}): {at}"
    average = "no averaged weights" if settings.ema_decay is None else f"averaged weights (decay {settings.ema_decay})"
    patience = f"early stop after {settings.patience} evaluations without a better one"
    stop = "no early stop" if settings.patience is None else patience
    every = "" if settings.eval_epochs == 1 else f"{settings.eval_epochs} "
    yield f"evaluation every {every}epoch{'s' if every else ''}; best by {settings.best}; {stop}; {average}"
