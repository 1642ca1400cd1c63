"""Everything that is open while a run goes on, whatever it trains, and what the loop asks of it."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor

from detector.base.stopping import StopRequest
from detector.training.checkpoints import Learner, Position
from detector.training.config import LearningConfig
from detector.training.guards import non_finite_error
from detector.training.records.progress import GRADIENT_NORM, Display
from detector.training.records.recorder import Recorder
from detector.training.records.trackers import Ending


class Settings(Protocol):
    """A configuration of which the loop needs one section."""

    @property
    def train(self) -> LearningConfig:
        """How the network learns."""


class Identified(Protocol):
    """A batch that knows which images it is made of."""

    @property
    def image_ids(self) -> list[int]:
        """Id of each image."""


Images = TypeVar("Images", bound=Identified)


@dataclass(eq=False, kw_only=True)
class OpenRun(ABC, Generic[Images]):
    """An open run.

    Args:
        fabric: Devices, precision, processes.
        model: The network as Fabric has wrapped it.
        optimiser: The optimiser, likewise.
        learner: Both without wrappers, and the averaged weights.
        loader: Batches to train on.
        recorder: Writes records, in the first process.
        display: Shows progress.
        stop: Whether somebody wants to stop.
        saved: What the last checkpoint says; `saved_at` is its time.
    """

    fabric: Fabric
    model: Any
    optimiser: Any
    learner: Learner
    loader: Iterable[Images]
    recorder: Recorder | None
    display: Display
    stop: StopRequest
    saved: Position = field(default_factory=Position)
    saved_at: float = field(default_factory=time.monotonic)

    @property
    @abstractmethod
    def config(self) -> Settings:
        """The resolved configuration."""

    @abstractmethod
    def start_epoch(self, position: Position) -> int:
        """Bring loader and model into position; returns the batches of the whole epoch."""

    @abstractmethod
    def batch_share(self, batch: Images) -> float:
        """The images of a step, relative to those of a full one; all processes have as many."""

    @abstractmethod
    def parts(self, batch: Images) -> Sequence[Images]:
        """The parts of a batch that go through the network one after the other."""

    @abstractmethod
    def losses(self, part: Images) -> dict[str, Tensor]:
        """The losses of a part by name, as means over its images, with their graph."""

    @abstractmethod
    def name_of(self, image_id: int) -> str:
        """What people call an image."""

    @abstractmethod
    def save(self, position: Position) -> None:
        """Write a checkpoint; all processes hold the same, the first one writes."""

    @abstractmethod
    def evaluate(self, position: Position) -> Position:
        """Evaluate at the end of an epoch, if it is due; the position says what came of it."""

    def close(self, ending: Ending) -> None:
        """Finish what is recorded; nothing in other processes than the first."""
        if self.recorder is not None:
            self.recorder.close(ending)

    def agree(self, losses: Mapping[str, Tensor]) -> tuple[dict[str, float], bool]:
        """The losses as means over all processes, and whether any of them was asked to stop."""
        flag = torch.tensor(float(self.stop.requested), device=self.fabric.device)
        values = torch.stack([*(value.float() for value in losses.values()), flag])
        if self.fabric.world_size > 1:
            torch.distributed.all_reduce(values)
            values /= self.fabric.world_size
        *means, stop = values.tolist()
        return dict(zip(losses, means, strict=True)), stop > 0

    def unscale_gradients(self) -> None:
        """Divide the gradients by the scale of the loss, where it has one (fp16)."""
        self.fabric.strategy.precision.unscale_gradients(self.learner.optimiser)

    def finite(self, losses: Mapping[str, float], step: int, batch: Images) -> Mapping[str, float]:
        """Stop if a loss, or the norm of the gradients, is not finite; all processes come to the same verdict.

        Where the loss was scaled by too much, only the gradients are not: the scaler is about to leave out the step and
        to lower its scale, and the norm is no figure to show.

        Returns:
            The losses, without a norm that is none.

        Raises:
            DataError: Naming the losses and the images of the batch.
        """
        if all(math.isfinite(value) for value in losses.values()):
            return losses
        others = {name: value for name, value in losses.items() if name != GRADIENT_NORM}
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        if scaler is not None and scaler.get_scale() > 1 and all(math.isfinite(value) for value in others.values()):
            return others
        names = [self.name_of(image) for image in batch.image_ids]
        if self.fabric.world_size > 1:
            gathered: list[Any] = [None] * self.fabric.world_size
            torch.distributed.all_gather_object(gathered, names)
            names = [name for part in gathered for name in part]
        raise non_finite_error(losses, names, step)

    def log(
        self, position: Position, batches: int, losses: Mapping[str, float], rate: float, images: int, waited: float
    ) -> None:
        """Show and record a step that has been done."""
        done = position.epoch + position.batch / batches
        self.display.step(done, losses, images * self.fabric.world_size, waited)
        if position.step % self.config.train.log_steps == 0 or position.batch == batches:
            values = self.display.read(done, rate)
            if self.recorder is not None:
                self.recorder.training(position.step, values)

    def checkpoint_is_due(self, position: Position) -> bool:
        """Whether it is time for a checkpoint in the middle of an epoch."""
        steps, minutes = self.config.train.checkpoint_steps, self.config.train.checkpoint_minutes
        in_steps = steps is not None and position.step % steps == 0
        return in_steps or (minutes is not None and time.monotonic() - self.saved_at > 60 * minutes)
