"""`last.pt`: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from backbones.errors import CheckpointError, ConfigError, DataError
from detector.base.files import atomic_write
from detector.training.config import Config

FORMAT = "hoopoe-run-1"
# what may change between two parts of a run without changing its result
FREE_KEYS = frozenset(
    ("data.workers", "data.prefetch", "train.eval_batch_size", "train.log_steps")
    + ("train.checkpoint_steps", "train.checkpoint_minutes")
)


@dataclass(frozen=True)
class Position:
    """How far a run is. The learning rate and all random numbers follow from it.

    Args:
        epoch: Epochs done.
        batch: Batches of the current epoch done.
        step: Steps done.
        best: The best figure of an evaluation so far.
        waits: Evaluations since then.
        finished: Whether the last epoch is done, or the run has ended early.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    waits: int = 0
    finished: bool = False


class Learner(NamedTuple):
    """What a run changes: the detector (without wrappers), its averaged weights if any, and the optimiser."""

    model: nn.Module
    ema: AveragedModel | None
    optimiser: Optimizer

    @property
    def best_weights(self) -> nn.Module:
        """The detector to evaluate and to save."""
        return self.model if self.ema is None else self.ema.module


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of `last.pt`.

    Args:
        position: How far the run is.
        config: The configuration as it was asked for.
        resolved: The same with what data, weights and device decided.
        fingerprint: Of the training and validation data.
        state: Tensors of model, EMA and optimiser.
    """

    position: Position
    config: Config
    resolved: Config
    fingerprint: str
    state: Mapping[str, Any]

    def restore(self, learner: Learner) -> None:
        """Put the tensors back where they came from."""
        learner.model.load_state_dict(self.state["model"])
        learner.optimiser.load_state_dict(self.state["optimiser"])
        if learner.ema is not None:
            learner.ema.load_state_dict(self.state["ema"])


def state_of(learner: Learner) -> dict[str, Any]:
    """The tensors of a learner, not copied."""
    return {
        "model": learner.model.state_dict(),
        "ema": None if learner.ema is None else learner.ema.state_dict(),
        "optimiser": learner.optimiser.state_dict(),
    }


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    content = {
        "format": FORMAT,
        "position": asdict(checkpoint.position),
        "config": checkpoint.config.model_dump(mode="json"),
        "resolved": checkpoint.resolved.model_dump(mode="json"),
        "fingerprint": checkpoint.fingerprint,
        **checkpoint.state,
    }
    with atomic_write(path) as file:
        torch.save(content, file)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: The file is damaged, or of another version.
    """
    mend = "start the run again in a new folder; --init takes over its best.safetensors"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content.get("format")
        if found != FORMAT:
            problem = f"the checkpoint has the format {found}, this Hoopoe reads {FORMAT}"
            raise CheckpointError(problem, where=path, mend=mend)
        return Checkpoint(
            Position(**content["position"]),
            Config.model_validate(content["config"]),
            Config.model_validate(content["resolved"]),
            content["fingerprint"],
            {name: content[name] for name in ("model", "ema", "optimiser")},
        )
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, KeyError, TypeError, AttributeError) as error:
        problem = f"the checkpoint cannot be read ({' '.join(str(error).split())[:120]})"
        raise CheckpointError(problem, where=path, mend=mend) from error
    except ValueError as error:  # pydantic's; CheckpointError is none
        problem = "the checkpoint's configuration is of another version of Hoopoe"
        raise CheckpointError(problem, where=path, mend=mend) from error


def refuse_another_run(checkpoint: Checkpoint, config: Config, fingerprint: str, path: Path) -> None:
    """Refuse to go on with other settings or other data than a run was started with.

    Raises:
        ConfigError: A setting that decides about the result differs; it is named.
        DataError: The annotations differ.
    """
    before, now = dict(_leaves(checkpoint.config)), dict(_leaves(config))
    differing = [key for key in now if before.get(key) != now[key] and key not in FREE_KEYS]
    if differing:
        changes = ", ".join(f"{key} was {before.get(key)} and is {now[key]}" for key in differing)
        mend = "give the settings that the run was started with, or start a new run"
        raise ConfigError(f"the run was started with other settings: {changes}", where=path, mend=mend)
    if checkpoint.fingerprint != fingerprint:
        mend = "give the annotations that the run was started with, or start a new run with --init"
        raise DataError("the run was started with other annotations", where=path, mend=mend)


def resumed_config(checkpoint: Checkpoint, config: Config) -> Config:
    """The resolved configuration of a run, with those settings of now that do not change its result."""
    changes: dict[str, dict[str, Any]] = {"data": {}, "train": {}}
    for key in FREE_KEYS:
        section, name = key.split(".")
        changes[section][name] = getattr(getattr(config, section), name)
    return checkpoint.resolved.model_copy(
        update={
            section: getattr(checkpoint.resolved, section).model_copy(update=values)
            for section, values in changes.items()
        }
    )


def _leaves(config: Config) -> Iterator[tuple[str, Any]]:
    """Dotted key and plain value of every setting."""

    def walk(values: Mapping[str, Any], parents: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, Mapping) and (*parents, key) != ("model", "backbone_config"):
                yield from walk(value, (*parents, key))
            else:
                yield ".".join((*parents, key)), value

    yield from walk(config.model_dump(mode="json"), ())
