"""What a user asks of a classifier's run: its settings, what of them may change later, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError
from detector.species.names.kinds import Kinds
from detector.training.checkpoints import Checkpoint
from detector.training.classifier.config import REFERENCE_CROPS, SpeciesConfig
from detector.training.classifier.network import Start
from detector.training.classifier.preparing import Plan
from detector.training.classifier.stored import StoredCrops
from detector.training.devices import Accelerator, chosen_accelerator, training_precision
from detector.training.optimising.budget import MOST_EVALUATIONS
from detector.training.optimising.optimiser import resolved_layer_decay
from detector.training.records.run_folder import RunFolder
from detector.training.resuming import FREE_KEYS, is_given, leaves

USUAL_EPOCHS, LEAST_STEPS = 20, 200


@dataclass(frozen=True)
class SpeciesRequest:
    """What a user asks for.

    Attributes:
        config: The configuration.
        output: The run's folder.
        init: A classifier's published name or file, or a detector's file; None: random weights.
        resume: Go on with the run in that folder.
        only_these: Leave out classes of `init` of which there is no crop.
        kinds: Of names.
        accelerator: `auto` is CUDA where there is a device.
    """

    config: SpeciesConfig
    output: Path
    init: str | None = None
    resume: bool = False
    only_these: bool = False
    kinds: Kinds = field(default_factory=Kinds)
    accelerator: Accelerator = "auto"


def resolved_settings(request: SpeciesRequest, crops: StoredCrops, start: Start) -> SpeciesConfig:
    """The configuration with what crops, start and device decide."""
    train = request.config.train
    size = REFERENCE_CROPS if train.batch_size == "auto" else train.batch_size
    epochs: int
    if train.epochs == "auto":
        steps = max(1, -(-len(crops.rows(held_out=False, others=False)) // size))
        epochs = max(USUAL_EPOCHS, -(-LEAST_STEPS // steps))
    else:
        epochs = train.epochs
    decided = {
        "batch_size": size,
        "epochs": epochs,
        "eval_epochs": -(-epochs // MOST_EVALUATIONS) if train.eval_epochs == "auto" else train.eval_epochs,
        "precision": training_precision(train.precision, chosen_accelerator(request.accelerator)),
        "layer_decay": resolved_layer_decay(train, pretrained=start.source is not None),
    }
    model = {"backbone": start.net.name, "size": start.size_hw[0]}
    return request.config.model_copy(
        update={
            "train": train.model_copy(update=decided),
            "model": request.config.model.model_copy(update=model),
        }
    )


def free_changes(checkpoint: Checkpoint[SpeciesConfig], now: SpeciesConfig, files: RunFolder) -> SpeciesConfig:
    """The run's settings, with those of now that do not change its result.

    Raises:
        ConfigError: Another setting differs.
    """
    before, resolved, wanted = (dict(leaves(each)) for each in (checkpoint.config, checkpoint.resolved, now))
    asked = {key: value for key, value in wanted.items() if is_given(now, key)}
    differing = [key for key, value in asked.items() if value not in (before[key], resolved[key])]
    refused = [key for key in differing if key not in FREE_KEYS]
    if refused:
        changes = ", ".join(f"{key} was {before[key]} and is {asked[key]}" for key in refused)
        hint = "leave them out, or start a new run"
        raise ConfigError(f"the run was started with other settings: {changes}", where=files.last, hint=hint)
    settings = checkpoint.resolved
    for key in differing:
        section, name = key.split(".")
        part = getattr(settings, section).model_copy(update={name: getattr(getattr(now, section), name)})
        settings = settings.model_copy(update={section: part})
    return settings


def account_of(start: Start, plan: Plan, problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The content of data.json: all that a run needs to go on without its data."""
    return {
        "sources": [source.name for source in plan.sources],
        "rule": plan.parting.rule,
        "init": _lasting(start.source),
        "classes": list(plan.classes.names),
        "former": plan.classes.former.tolist(),
        "learnt": dict(zip(plan.classes.names, plan.counts(held_out=False).tolist(), strict=True)),
        "held_out": dict(zip(plan.classes.names, plan.counts(held_out=True).tolist(), strict=True)),
        "left_out": dict(plan.classes.problems),
        "unreadable": dict(problems),
        "backbone": {
            "name": start.net.name,
            "size_hw": list(start.size_hw),
            "config": start.net.config,
        },
        "rgb_stats": {key: list(start.rgb_stats[key]) for key in ("mean", "std")},
    }


def _lasting(source: str | None) -> str | None:
    """A name, or the path of a file from wherever the run goes on."""
    path = None if source is None else Path(source).expanduser()
    return str(path.absolute()) if path is not None and path.is_file() else source
