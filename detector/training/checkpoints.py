"""`last.pt`: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from backbones.errors import CheckpointError
from backbones.tensor_files import fitted, read_pt
from detector.base.files import atomic_write
from detector.config import Section

FORMAT = "hoopoe-run-1"
LR_SCALING_BEFORE = "none"  # the rule of runs that were started before there was a setting

Count = Annotated[int, Field(ge=0, le=10**12)]
Asked = TypeVar("Asked", bound=Section)  # the configuration of a run of one kind


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

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    best: float | None = None
    waits: Count = 0
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
class Checkpoint(Generic[Asked]):
    """The content of `last.pt`.

    Args:
        position: How far the run is.
        config: The configuration as it was asked for.
        resolved: The same with what data, weights and device decided.
        fingerprint: Of the training and validation data.
        state: Tensors of model, EMA and optimiser, and the state of the loss scaler.
        false_scores: float32, what was found in each of the negatives; None: there are none.
    """

    position: Position
    config: Asked
    resolved: Asked
    fingerprint: str
    state: Mapping[str, Any]
    false_scores: NDArray[np.float32] | None = None

    def restore(self, learner: Learner) -> None:
        """Put the tensors back where they came from.

        Raises:
            CheckpointError: They are not of this network.
        """
        parts = {"model": learner.model} | ({} if learner.ema is None else {"ema": learner.ema})
        for name, module in parts.items():
            module.load_state_dict(fitted(self.state[name] or {}, module.state_dict(), Path(f"last.pt, {name}")))
        try:
            learner.optimiser.load_state_dict(self.state["optimiser"])
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            problem = f"the checkpoint's optimiser does not fit ({' '.join(str(error).split())[:120]})"
            raise CheckpointError(problem, where="last.pt", hint="start the run again in a new folder") from error


def state_of(learner: Learner) -> dict[str, Any]:
    """The tensors of a learner, not copied."""
    return {
        "model": learner.model.state_dict(),
        "ema": None if learner.ema is None else learner.ema.state_dict(),
        "optimiser": learner.optimiser.state_dict(),
    }


def save_checkpoint(path: Path, checkpoint: Checkpoint[Asked], form: str = FORMAT) -> None:
    """Write a checkpoint of a run of one kind, whole or not at all."""
    content = {
        "format": form,
        "position": asdict(checkpoint.position),
        "config": checkpoint.config.model_dump(mode="json"),
        "resolved": checkpoint.resolved.model_dump(mode="json"),
        "fingerprint": checkpoint.fingerprint,
        **checkpoint.state,
        "false_scores": None if checkpoint.false_scores is None else torch.from_numpy(checkpoint.false_scores),
    }
    with atomic_write(path) as file:
        torch.save(content, file)


def load_checkpoint(path: Path, of: type[Asked], form: str = FORMAT) -> Checkpoint[Asked]:
    """Read a checkpoint onto the CPU.

    Args:
        path: The file.
        of: The kind of its configuration.
        form: The name of its kind.

    Raises:
        CheckpointError: The file is damaged, or of another version.
    """
    hint = "start again in a new folder; --init (from Python init) takes over its best.safetensors"
    content = read_pt(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != form:
        problem = f"the checkpoint has the format {str(found)[:40]}, this Hoopoe reads {form}"
        raise CheckpointError(problem, where=path, hint=hint)
    for name in ("config", "resolved"):
        if isinstance(settings := content.get(name), dict) and isinstance(train := settings.get("train"), dict):
            train.setdefault("lr_scaling", LR_SCALING_BEFORE)
    try:
        entries = _Entries[of].model_validate({name: content.get(name) for name in _Entries.model_fields})  # type: ignore[valid-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:80]
        problem = f"the checkpoint is damaged, or of another version of Hoopoe ({place}: {first['msg']})"
        raise CheckpointError(problem, where=path, hint=hint) from error
    state = {name: getattr(entries, name) for name in ("model", "ema", "optimiser", "scaler")}
    scores = entries.false_scores.numpy() if isinstance(entries.false_scores, torch.Tensor) else None
    return Checkpoint(entries.position, entries.config, entries.resolved, entries.fingerprint, state, scores)


class _Entries(BaseModel, Generic[Asked]):
    """The form of a checkpoint; its tensors are compared with the network's where they are put back."""

    position: Position
    config: Asked
    resolved: Asked
    fingerprint: str
    model: dict[str, Any]
    ema: dict[str, Any] | None
    optimiser: dict[str, Any]
    scaler: dict[str, Any] | None  # of before there was one: none
    false_scores: Any = None
