"""What a run would be, without training: model, data, schedule, memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detector.base.devices import chosen_precision
from detector.data.dataset import TrainingDataset
from detector.data.loader import EpochSampler
from detector.data.resizing import SizeRule
from detector.models.building import config_of
from detector.training.config import REFERENCE_BATCH, Config
from detector.training.data import RunData, read_data, summarise
from detector.training.devices import chosen_accelerator, process_numbers
from detector.training.memory import estimate_memory
from detector.training.optimiser import parameter_counts
from detector.training.run import (
    Request,
    build_model,
    images_a_device,
    largest_network_size,
    prepared_config,
    with_categories,
)
from detector.training.schedule import lr_factor

SHOWN_CATEGORIES = 12


@dataclass(frozen=True)
class Topic:
    """A heading and its lines."""

    name: str
    lines: tuple[str, ...]


def describe_run(request: Request) -> list[Topic]:
    """Describe a run as it would be.

    Raises:
        ConfigError, DataError: What training would refuse.
    """
    config = prepared_config(request)
    data = read_data(request.train, request.validation, config.data, overfit=request.overfit)
    config = with_categories(config, data)
    precision = chosen_precision(config.train.precision, chosen_accelerator(request.accelerator))
    auto = config.train.batch_size == "auto"
    resolved = {"precision": precision} | ({"batch_size": REFERENCE_BATCH} if auto else {})
    config = config.model_copy(update={"train": config.train.model_copy(update=resolved)})
    model = build_model(config, request.init)
    processes = math.prod(process_numbers(request.devices, request.nodes))
    at_once = -(-images_a_device(config, processes) // config.train.accumulate)
    estimate = estimate_memory(model, config.train, largest_network_size(config, data), at_once)
    config = config.model_copy(update={"model": config_of(model)})
    note = (
        " (found on the GPU when training starts)" if auto and chosen_accelerator(request.accelerator) == "cuda" else ""
    )
    return [
        Topic("model", tuple(_model_lines(config, parameter_counts(model)))),
        Topic("data", tuple(_data_lines(config, data))),
        Topic("schedule", tuple(_schedule_lines(config, data, processes, note))),
        Topic("memory", (str(estimate),)),
    ]


def _model_lines(config: Config, counts: tuple[int, int]) -> Iterator[str]:
    model = config.model
    start = f"weights of {model.weights}" if model.weights else "random weights"
    yield f"{model.detector} {model.version} on {model.backbone}, the backbone from {start}"
    yield f"{counts[0] / 1e6:.1f} M parameters, {counts[1] / 1e6:.1f} M of them trained"
    yield f"images resized to a short side of {model.min_size}, a long side of at most {model.max_size} pixels"
    names = model.categories
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN_CATEGORIES else ""
    yield f"categories: {', '.join(names[:SHOWN_CATEGORIES])}{more}"


def _data_lines(config: Config, data: RunData) -> Iterator[str]:
    yield from data.lines()
    summary = summarise(data.train, config.model)
    sizes = ", ".join(f"{size}: {count}" for size, count in summary["box_sizes_in_network"].items() if count)
    yield f"boxes to train on by size in the network, pixels: {sizes or 'none'}"
    yield f"of them {summary['unmatched_by_anchors']:.0%} match no anchor"


def _schedule_lines(config: Config, data: RunData, processes: int, note: str) -> Iterator[str]:
    settings = config.train
    rule = SizeRule(config.model.min_size, config.model.max_size)
    dataset = TrainingDataset(data.train, rule, config.data.augmentation, settings.seed)
    steps = len(EpochSampler(dataset, images_a_device(config, processes), config.data, world_size=processes))
    yield f"{settings.epochs} epochs of about {steps} steps with {settings.batch_size} images each{note}: " + (
        f"{settings.epochs * steps} steps"
    )
    parts = "whole" if settings.accumulate == 1 else f"in {settings.accumulate} parts"
    yield f"{settings.precision} on {processes} device{'s' if processes > 1 else ''}, each step {parts}"
    points = np.linspace(0, settings.epochs, 6)
    rates = [settings.lr * lr_factor(settings, round(point * steps), float(point)) for point in points]
    at = ", ".join(f"{rate:.1e} at {point:g}" for point, rate in zip(points, rates, strict=True))
    yield f"learning rate by epoch ({settings.schedule}): {at}"
    average = "no averaged weights" if settings.ema_decay is None else f"averaged weights (decay {settings.ema_decay})"
    stop = "no early stop" if settings.patience is None else f"early stop after {settings.patience} evaluations"
    every = "" if settings.eval_epochs == 1 else f"{settings.eval_epochs} "
    yield f"evaluation every {every}epoch{'s' if every else ''}; best by {settings.best}; {stop}; {average}"
