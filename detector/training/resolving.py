"""From what a user asks for to what a run is: one way for training, and for describing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from backbones.errors import ConfigError
from detector.base.devices import Precision
from detector.base.reporting import say
from detector.data.config import AugmentationConfig
from detector.data.dataset import TrainingDataset
from detector.data.resizing import SizeRule
from detector.models.building import build_detector, config_of
from detector.models.initialisation import brings_backbone, init_from_detector
from detector.training.checkpoints import Checkpoint, Position, load_checkpoint
from detector.training.config import Config
from detector.training.data import RunData, read_data
from detector.training.devices import (
    Accelerator,
    TrainingPrecision,
    chosen_accelerator,
    training_precision,
)
from detector.training.machines.placing import placement
from detector.training.object_data import FOLDER, Given, address_of, sources_here
from detector.training.optimising.optimiser import resolved_layer_decay
from detector.training.records.run_folder import RunFolder
from detector.training.records.trackers import refuse_missing_trackers
from detector.training.resuming import refuse_another_run, resumed

LATERAL_STEPS = 300  # of `--init coco`: 1 x 1 convolutions settle soon


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
        negatives: Folders of pictures that are confirmed to show no bird.
        overfit: Train and evaluate on so many images, without augmentation.
        accelerator: `auto` is CUDA where there is a device.
        devices: Processes on this machine.
        nodes: Machines.
        cache: Where copies are kept of annotations and images among objects; None: beside the run's folder.
    """

    config: Config
    train: Given
    validation: Given
    output: Path
    resume: bool = False
    init: str | None = None
    negatives: Sequence[Path] = ()
    overfit: int | None = None
    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1
    cache: Path | None = None

    @property
    def copies(self) -> Path:
        """Where copies of objects are."""
        return self.cache or self.output.parent / FOLDER

    @property
    def processes(self) -> int:
        """Over all machines."""
        return placement(self.devices, self.nodes).processes

    @property
    def elsewhere(self) -> bool:
        """Whether the run's folder is that of another machine: here it is neither read nor written."""
        return placement(self.devices, self.nodes).machine > 0


@dataclass(frozen=True, eq=False)
class Resolved:
    """What a request comes to.

    Args:
        asked: The configuration as it was asked for, with the data's categories.
        config: The same with what weights, device and, on resuming, the run have decided; `batch_size` may be `auto`.
        data: What is trained and evaluated on.
        files: Where the run's files go.
        model: The detector, on the CPU.
        checkpoint: Where the run goes on; None at its start.
        init: The detector that it starts from; None: none, or it goes on.
    """

    asked: Config
    config: Config
    data: RunData
    files: RunFolder
    model: nn.Module
    checkpoint: Checkpoint[Config] | None
    init: str | None = None

    @property
    def position(self) -> Position:
        """Where it begins, or goes on."""
        return Position() if self.checkpoint is None else self.checkpoint.position

    def with_training(self, **changes: object) -> Resolved:
        """The same with other settings of `train`."""
        settings = self.config.train.model_copy(update=changes)
        return replace(self, config=self.config.model_copy(update={"train": settings}))

    def images_at_once(self, processes: int) -> int:
        """Images on a device at once."""
        return -(-images_a_device(self.config, processes) // self.config.train.accumulate)

    @property
    def precision(self) -> Precision:
        """Of convolutions and matrix products in evaluations: that in which the detector will be used."""
        return "bf16" if self.config.train.precision == "bf16" else "fp32"

    @property
    def size_rule(self) -> SizeRule:
        """The size that images have in the network."""
        return self.config.model.size_rule

    @property
    def training_dataset(self) -> TrainingDataset:
        """What is trained on."""
        augmentation, seed = self.config.data.augmentation, self.config.train.seed
        return TrainingDataset(self.data.train, self.size_rule, augmentation, seed, self.data.negatives)

    @property
    def largest_network_size(self) -> tuple[int, int]:
        """Width and height of the largest training image, by area, as it goes through the network."""
        crop_size = self.config.data.augmentation.crop_size
        if crop_size is not None:
            return crop_size, crop_size
        sizes = self.size_rule.sizes(self.data.sizes_wh)
        width, height = sizes[int(np.argmax(sizes.prod(axis=1)))].tolist()
        return width, height


def resolve(request: Request) -> Resolved:
    """Read, check and build all that a run needs. Everything that can be wrong is found here.

    Raises:
        ConfigError, DataError, CheckpointError: Something about the request, the data, or the run to resume.
    """
    folder = RunFolder(request.output)
    refuse_missing_trackers(request.config.train.trackers)
    asked = _with_options(request)
    train, validation = (sources_here(each, request.copies) for each in (request.train, request.validation))
    data = read_data(train, validation, asked.data, negatives=request.negatives, overfit=request.overfit)
    data = replace(data, given=partial(address_of, folder=request.copies))
    asked = asked.model_copy(update={"model": asked.model.model_copy(update={"categories": data.train.category_names})})
    checkpoint = None
    if request.elsewhere:
        return resolved_from(request, asked, data, None, load_weights=not request.resume)
    if request.resume and folder.last.exists():
        checkpoint = load_checkpoint(folder.last, Config)
    elif not request.resume:
        folder.refuse_existing()
    return resolved_from(request, asked, data, checkpoint, load_weights=checkpoint is None)


def resolved_from(
    request: Request, asked: Config, data: RunData, checkpoint: Checkpoint[Config] | None, *, load_weights: bool
) -> Resolved:
    """What a request comes to, once its data is read and it is known where it begins.

    Args:
        request: What is asked for.
        asked: Its configuration, with the data's categories.
        data: What it trains and is evaluated on.
        checkpoint: Where it goes on; None: it begins.
        load_weights: Whether those that it begins from are needed.

    Raises:
        ConfigError, DataError, CheckpointError: Settings or data are not those of the checkpoint, or do not fit.
    """
    folder, config = RunFolder(request.output), asked
    if checkpoint is not None:
        refuse_another_run(checkpoint, asked, data, folder)
        checkpoint = resumed(checkpoint, asked)
        config = checkpoint.resolved
    precision = training_precision(config.train.precision, chosen_accelerator(request.accelerator))
    if config.train.batch_size != "auto":
        images_a_device(config, request.processes, resumed=checkpoint is not None)
    init = request.init if checkpoint is None else None
    model = _build_model(config, init, load_weights=load_weights)
    config = _with_decisions(config, model, precision, init)
    return Resolved(asked, config, data, folder, model, checkpoint, init)


def _with_options(request: Request) -> Config:
    """The configuration with what options decide: `--overfit` switches augmentation off.

    That another run was extended, whose config.yaml this may be, is no setting.
    """
    train = request.config.train.model_copy(update={"extensions": ()})
    config = request.config.model_copy(update={"train": train})
    if request.overfit is None:
        return config
    unvaried = config.data.model_copy(update={"augmentation": AugmentationConfig.off()})
    return config.model_copy(update={"data": unvaried})


def _build_model(config: Config, init: str | None, *, load_weights: bool) -> nn.Module:
    """The detector on the CPU, its random part decided by the seed alone; `load_weights` is False on resuming."""
    torch.manual_seed(config.train.seed)
    if init is None:
        return build_detector(config.model, load_weights=load_weights)
    # no need to fetch weights of a backbone that is about to be replaced
    model = build_detector(config.model, load_weights=not brings_backbone(config.model, init))
    report = init_from_detector(model, init)
    say(f"from {init}: {report}")
    return model


def _with_decisions(config: Config, model: nn.Module, precision: TrainingPrecision, init: str | None) -> Config:
    """The configuration with what weights and device have decided; on resuming it has all that already."""
    whole = init is not None and brings_backbone(config.model, init)
    layer_decay = resolved_layer_decay(config.train, pretrained=config.model.weights is not None or whole)
    lateral_steps = config.train.lateral_steps
    if lateral_steps is None:
        lateral_steps = 0 if init is None or whole else LATERAL_STEPS
    decided = {"precision": precision, "layer_decay": layer_decay, "lateral_steps": lateral_steps}
    settings = config.train.model_copy(update=decided)
    return config.model_copy(update={"model": config_of(model), "train": settings})


def images_a_device(config: Config, processes: int, *, resumed: bool = False) -> int:
    """Images of a step for each process.

    Args:
        config: The run's, with a number of images a step.
        processes: Over all machines.
        resumed: Whether a run goes on, which keeps its images a step.

    Raises:
        ConfigError: They cannot be divided.
    """
    size = config.train.batch_size
    assert size != "auto"
    if size % processes:
        hint = f"such as train.batch_size={max(1, round(size / processes)) * processes}"
        if resumed:
            fitting = ", ".join(str(each) for each in range(1, size + 1) if size % each == 0)
            hint = f"a run keeps its images a step: go on with so many processes over all machines: {fitting}"
        problem = f"{size} images a step cannot be divided among {processes} processes"
        raise ConfigError(problem, where="train.batch_size", hint=hint)
    return size // processes
