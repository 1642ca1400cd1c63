"""From a request to a trained detector: everything around the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from backbones.errors import ConfigError
from detector.base.devices import Precision, chosen_precision
from detector.base.reporting import say
from detector.base.stopping import StopRequest
from detector.data.config import AugmentationConfig
from detector.data.dataset import TrainingDataset
from detector.data.loader import training_loader
from detector.data.resizing import SizeRule
from detector.models.building import build_detector, config_of
from detector.models.initialisation import init_from_detector
from detector.training.batch_size import fits_on_gpu, largest_that_fits, most_useful
from detector.training.checkpoints import (
    Checkpoint,
    Learner,
    Position,
    load_checkpoint,
    refuse_another_run,
    resumed_config,
)
from detector.training.config import REFERENCE_BATCH, Config
from detector.training.data import RunData, Sources, read_data
from detector.training.devices import Accelerator, chosen_accelerator, make_fabric, process_numbers
from detector.training.ema import averaged
from detector.training.guards import lost_process_explained
from detector.training.loop import train
from detector.training.optimiser import build_optimiser, resolved_layer_decay
from detector.training.progress import Display
from detector.training.recorder import Recorder
from detector.training.run_folder import RunFolder
from detector.training.session import Session


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    Args:
        config: The configuration.
        train: Pairs of COCO JSON and image folder to train on.
        validation: Pairs to evaluate on; may be empty.
        output: The run's folder.
        resume: Go on with the run in that folder.
        init: A detector's file to start from.
        overfit: Train and evaluate on so many images, without augmentation.
        accelerator: `auto` is CUDA where there is a device.
        devices: Processes on this machine.
        nodes: Machines.
    """

    config: Config
    train: Sources
    validation: Sources
    output: Path
    resume: bool = False
    init: str | None = None
    overfit: int | None = None
    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        position: Where.
        folder: Its files.
        trained: Whether there was anything left to do.
        signal: Number of the signal that ended it; None: none, or another process has heard it.
    """

    position: Position
    folder: RunFolder
    trained: bool = True
    signal: int | None = None


def train_detector(request: Request) -> Outcome:
    """Train a detector, or go on with it. Everything that can be wrong is found before processes are started.

    Raises:
        ConfigError, DataError, CheckpointError: Something about the request, the data, or the run to resume.
    """
    folder = RunFolder(request.output)
    config = prepared_config(request)
    data = read_data(request.train, request.validation, config.data, overfit=request.overfit)
    config = with_categories(config, data)
    asked, checkpoint = config, None
    if request.resume and folder.last.exists():
        checkpoint = load_checkpoint(folder.last)
        refuse_another_run(checkpoint, asked, data.fingerprint, folder.last)
        config = resumed_config(checkpoint, asked)
        if checkpoint.position.finished:
            return Outcome(checkpoint.position, folder, trained=False)
    elif not request.resume:
        folder.refuse_existing()

    precision = chosen_precision(config.train.precision, chosen_accelerator(request.accelerator))
    fabric = make_fabric(request.accelerator, request.devices, request.nodes, precision)
    if config.train.batch_size != "auto":
        images_a_device(config, math.prod(process_numbers(request.devices, request.nodes)))
    model = build_model(config, request.init, load_weights=checkpoint is None)
    fabric.launch()
    config = with_decisions(config, model, precision, pretrained=config.model.weights is not None or bool(request.init))
    if config.train.batch_size == "auto":
        config = with_batch_size(config, fabric, model, data)
    session = open_session(fabric, model, asked, config, data, request, checkpoint)
    position = Position() if checkpoint is None else checkpoint.position
    with session.display, session.stop.listening(), lost_process_explained(fabric.global_rank):
        for line in (*data.lines(), _opening(session, position)):
            session.display.say(line)
        try:
            position = train(session, position)
        except RuntimeError:
            if not session.stop.requested:
                raise
            position = session.saved  # a SIGTERM to all processes has ended the workers in the middle of a step
    if session.recorder is not None:
        session.recorder.draw_curves()
        session.recorder.close()
    return Outcome(position, folder, signal=session.stop.signal)


def prepared_config(request: Request) -> Config:
    """The configuration with what options decide: `--overfit` switches augmentation off."""
    config = request.config
    if request.overfit is not None:
        config = config.model_copy(
            update={"data": config.data.model_copy(update={"augmentation": AugmentationConfig.off()})}
        )
    return config


def with_categories(config: Config, data: RunData) -> Config:
    """The configuration with the categories of the data."""
    model = config.model.model_copy(update={"categories": data.train.category_names})
    return config.model_copy(update={"model": model})


def build_model(config: Config, init: str | None, *, load_weights: bool = True) -> nn.Module:
    """The detector on the CPU, its random part decided by the seed alone.

    Args:
        config: Its `model` says what; on resuming it is resolved.
        init: A detector's file to start from.
        load_weights: False on resuming: everything comes from the checkpoint.
    """
    torch.manual_seed(config.train.seed)
    if init is not None and load_weights:
        # its backbone is about to be replaced: no need to fetch a classifier
        model = build_detector(config.model, load_weights=False)
        report = init_from_detector(model, init)
        say(f"from {init}: {report}")
        return model
    return build_detector(config.model, load_weights=load_weights)


def with_decisions(config: Config, model: nn.Module, precision: Precision, *, pretrained: bool) -> Config:
    """The configuration with what weights and device have decided; on resuming it has all that already."""
    layer_decay = resolved_layer_decay(config.train, pretrained=pretrained)
    settings = config.train.model_copy(update={"precision": precision, "layer_decay": layer_decay})
    return config.model_copy(update={"model": config_of(model), "train": settings})


def with_batch_size(config: Config, fabric: Fabric, model: nn.Module, data: RunData) -> Config:
    """The configuration with a number in place of `batch_size: auto`, and a learning rate to go with it.

    Raises:
        ConfigError: Not even one image fits on the GPU.
    """
    settings = config.train
    if fabric.device.type != "cuda":
        size = REFERENCE_BATCH
    else:
        share = fabric.world_size * settings.accumulate
        fits = fits_on_gpu(model.to(fabric.device), largest_network_size(config, data), fabric.autocast)
        most = most_useful(len(data.train), fabric.world_size, settings.accumulate)
        at_once = fabric.broadcast(largest_that_fits(fits, most) if fabric.is_global_zero else 0)
        if at_once == 0:
            hint = "set model.grad_checkpointing=true, or a smaller model.min_size and model.max_size"
            raise ConfigError("not even one image fits into the GPU's memory", where="train.batch_size", hint=hint)
        size = at_once * share
    rate = settings.lr * math.sqrt(size / REFERENCE_BATCH)
    return config.model_copy(update={"train": settings.model_copy(update={"batch_size": size, "lr": rate})})


def largest_network_size(config: Config, data: RunData) -> tuple[int, int]:
    """Width and height of the largest training image, by area, as it goes through the network."""
    if config.data.augmentation.crop_size is not None:
        return config.data.augmentation.crop_size, config.data.augmentation.crop_size
    sizes = SizeRule(config.model.min_size, config.model.max_size).sizes(data.train.sizes_wh)
    width, height = sizes[int(np.argmax(sizes.prod(axis=1)))].tolist()
    return width, height


def images_a_device(config: Config, processes: int) -> int:
    """Images of a step for each process.

    Raises:
        ConfigError: They cannot be divided.
    """
    size = config.train.batch_size
    assert size != "auto"
    if size % processes:
        hint = f"such as train.batch_size={max(1, round(size / processes)) * processes}"
        problem = f"{size} images a step cannot be divided among {processes} processes"
        raise ConfigError(problem, where="train.batch_size", hint=hint)
    return size // processes


def open_session(
    fabric: Fabric,
    model: nn.Module,
    asked: Config,
    config: Config,
    data: RunData,
    request: Request,
    checkpoint: Checkpoint | None,
) -> Session:
    """Wrap, restore, and open what a run needs; the first process writes the run's folder."""
    rule = SizeRule(config.model.min_size, config.model.max_size)
    dataset = TrainingDataset(data.train, rule, config.data.augmentation, config.train.seed)
    batch_size = images_a_device(config, fabric.world_size)
    loader = training_loader(dataset, batch_size, config.data, rank=fabric.global_rank, world_size=fabric.world_size)
    model = model.to(fabric.device)
    optimiser = build_optimiser(model, config.train)
    ema = None if config.train.ema_decay is None else averaged(model, config.train.ema_decay)
    learner = Learner(model, ema, optimiser)
    if checkpoint is not None:
        checkpoint.restore(learner)
    wrapped_model, wrapped_optimiser = fabric.setup(model, optimiser)

    position = Position() if checkpoint is None else checkpoint.position
    fabric.barrier()  # all have looked for an earlier run before the first one writes
    folder = RunFolder(request.output)
    recorder = None
    if fabric.is_global_zero:
        folder.start(config, data.summary(config.model), _device_facts(fabric, config))
        recorder = Recorder(folder, position.step)
    done = float(position.epoch)
    return Session(
        fabric=fabric,
        model=wrapped_model,
        optimiser=wrapped_optimiser,
        learner=learner,
        loader=loader,
        train_set=data.train,
        validation=data.validation,
        asked=asked,
        config=config,
        fingerprint=data.fingerprint,
        training_data=data.for_detector(),
        folder=folder,
        recorder=recorder,
        display=Display(config.train.epochs, done, fabric.device, quiet=not fabric.is_global_zero),
        stop=StopRequest(),
        saved=position,
    )


def _device_facts(fabric: Fabric, config: Config) -> Mapping[str, Any]:
    return {"device": str(fabric.device), "processes": fabric.world_size, "precision": config.train.precision}


def _opening(session: Session, position: Position) -> str:
    settings, fabric = session.config.train, session.fabric
    start = f"going on after step {position.step} (epoch {position.epoch})" if position.step else "training"
    return (
        f"{start}: {settings.epochs} epochs, {settings.batch_size} images a step, {settings.precision} on "
        f"{fabric.world_size} x {fabric.device.type}, into {session.folder.root}"
    )
