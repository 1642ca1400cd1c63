"""Which devices and how many processes: Lightning Fabric, set up by options or by torchrun."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.strategies import DDPStrategy, Strategy
from torch import nn
from torch.optim import Optimizer

from backbones.errors import ConfigError
from detector.base.devices import chosen_device, chosen_precision
from detector.base.reporting import warn
from detector.training.machines.meeting import MEETING
from detector.training.machines.placing import Placement, is_torchrun, placement

Accelerator = Literal["auto", "cpu", "cuda"]
TrainingPrecision = Literal["fp32", "bf16", "fp16"]
AskedPrecision = Literal["auto", "bf16", "fp16", "fp32"]
_AUTOCAST: dict[TrainingPrecision, Literal["bf16-mixed", "16-mixed"]] = {"bf16": "bf16-mixed", "fp16": "16-mixed"}
FP16_CAPABILITY = (7, 0)  # of a CUDA device: Volta, the first with units for products in fp16


def refuse_missing_devices(accelerator: Accelerator, devices: int) -> None:
    """Refuse to start more processes on CUDA devices than there are devices.

    Raises:
        ConfigError: There are not so many.
    """
    devices = placement(devices, 1).devices
    if chosen_accelerator(accelerator) == "cuda" and devices > torch.cuda.device_count():
        hint = f"take {torch.cuda.device_count()}" if torch.cuda.is_available() else "take the accelerator cpu"
        problem = f"{devices} CUDA devices are asked for, and {torch.cuda.device_count()} are here"
        raise ConfigError(problem, where="devices", hint=hint)


def training_precision(asked: AskedPrecision, device: str) -> TrainingPrecision:
    """The precision that was asked for; auto: bf16 where the device computes in it, else fp16 on GPUs that have it.

    Args:
        asked: See `train.precision`.
        device: The kind of device that trains.
    """
    if asked == "fp16":
        return "fp16"
    chosen = chosen_precision(asked, device)
    if asked == "auto" and chosen == "fp32" and device == "cuda":
        return "fp16" if torch.cuda.get_device_capability() >= FP16_CAPABILITY else "fp32"
    return chosen


def make_fabric(accelerator: Accelerator, placed: Placement, precision: AskedPrecision) -> Fabric:
    """A Fabric, not launched yet.

    Args:
        accelerator: `auto` is CUDA where there is a device.
        placed: Where the processes are, a device each.
        precision: See `train.precision`; `bf16` and `fp16` run the model under autocast.
    """
    kind = chosen_accelerator(accelerator)
    autocast = _AUTOCAST.get(training_precision(precision, kind))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its greetings
    # 1 x 1 weights: their gradients in channels-last are the same bytes, whatever the strides of sides of 1 say
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    strategy: Strategy | str = "auto"
    if placed.processes > 1:  # without unused parameters there is nothing to search for
        strategy = DDPStrategy(timeout=MEETING, find_unused_parameters=False, gradient_as_bucket_view=True)
    plugins: list[Any] = [] if autocast is None else [BoxSafePrecision(autocast, kind)]
    if not is_torchrun():
        plugins.append(LightningEnvironment())  # what srun says is in the environment by now: `placing.meet`
    return Fabric(
        accelerator=kind,
        devices=placed.devices,
        num_nodes=placed.machines,
        strategy=strategy,
        plugins=plugins,
    )


class BoxSafePrecision(MixedPrecision):
    """Autocast that leaves its inputs alone: Fabric's would round the corners of boxes to half the bits."""

    def convert_input(self, data: Any) -> Any:
        return data

    def unscale_gradients(self, optimizer: Optimizer) -> None:
        """Divide by the loss scale, for fused optimisers too: torch's scaler knows then that it is done."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)


def with_shared_statistics(model: nn.Module, device: str, processes: int, rank: int = 0) -> nn.Module:
    """The model with statistics over all processes in each BatchNorm that is trained; a frozen one stays as it is.

    Args:
        model: A detector; changed in place, its parameters and the names of its tensors stay.
        device: The kind of device of each process; torch synchronises on CUDA alone.
        processes: Over all machines.
        rank: This one's number; the first one speaks.
    """
    trained = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d) and each.training]
    if processes == 1 or not trained:
        return model
    if device != "cuda":
        if rank == 0:
            warn("train.sync_batch_norm needs CUDA devices: each process takes the statistics of its own images")
        return model
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def chosen_accelerator(accelerator: Accelerator) -> str:
    """The kind of device behind `auto`."""
    return chosen_device().type if accelerator == "auto" else accelerator
