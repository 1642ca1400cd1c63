"""Going on with a run: what may differ from its start, and what more epochs mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from backbones.errors import ConfigError, DataError
from detector.base.reporting import warn
from detector.config import Section
from detector.training.checkpoints import LR_SCALING_BEFORE, Checkpoint
from detector.training.config import Config
from detector.training.data import RunData
from detector.training.machines.placing import is_first_process
from detector.training.optimising.schedule import learning_rate
from detector.training.records.run_folder import RunFolder

# what may change between two parts of a run without changing its result; annotations that `error` took, it takes as
# `repair` does
FREE_KEYS = frozenset(
    ("data.invalid", "data.workers", "data.prefetch", "train.eval_batch_size", "train.log_steps")
    + ("train.checkpoint_steps", "train.checkpoint_minutes", "train.trackers", "train.licence", "data.licence")
)
EPOCHS = "train.epochs"  # may grow, which changes the result by a stated rule
# of Hoopoe 0.2: a run that was started with them, and is gone on with by what is left out today, keeps them
DEFAULTS_BEFORE: Mapping[str, Any] = {
    "train.eval_epochs": 1,
    "train.patience": None,
    "train.lr_scaling": LR_SCALING_BEFORE,
    "model.max_detections": 100,
}


def refuse_another_run(checkpoint: Checkpoint[Config], config: Config, data: RunData, files: RunFolder) -> None:
    """Refuse to go on with other settings, fewer epochs or other data than a run was started with.

    Raises:
        ConfigError: A setting that decides about the result differs, and is not a larger number of epochs; it is named.
        DataError: The annotations differ.
    """
    before, resolved, now = (dict(leaves(each)) for each in (checkpoint.config, checkpoint.resolved, config))
    # what is asked for may be the run's own config.yaml, in which everything is resolved
    free, defaults = FREE_KEYS | {EPOCHS}, dict(leaves(Config()))
    differing = [key for key in now if now[key] not in (before.get(key), resolved.get(key)) and key not in free]
    differing = [
        key
        for key in differing
        if key not in DEFAULTS_BEFORE
        or (before[key], now[key]) != (DEFAULTS_BEFORE[key], defaults[key])
        or is_given(config, key)
    ]
    if differing:
        changes = ", ".join(f"{key} was {before.get(key)} and is {now[key]}" for key in differing)
        hint = "give the settings that the run was started with, or start a new run"
        raise ConfigError(f"the run was started with other settings: {changes}", where=files.last, hint=hint)
    if now[EPOCHS] != "auto" and now[EPOCHS] < resolved[EPOCHS]:
        done = checkpoint.position.epoch
        problem = f"the run has {resolved[EPOCHS]} epochs, {done} of them done, and cannot go on with {now[EPOCHS]}"
        hint = f"{EPOCHS}={resolved[EPOCHS]}, or more to train longer; {files.best} is the best detector so far"
        raise ConfigError(problem, where=files.last, hint=hint)
    if checkpoint.fingerprint != data.fingerprint:
        changes = "".join(f"; {change}" for change in data.changes_since(files.data_summary()))
        raise DataError(
            f"the run was started with other annotations{changes}",
            where=files.last,
            hint="give the annotations that the run was started with (a picture that cannot be read may stay among "
            f"them: data.invalid=repair leaves it out), or start a new run from {files.best} (--init)",
        )


def is_given(config: Section, key: str) -> bool:
    """Whether somebody has set it, be it to its default."""
    part: Any = config
    for name in key.split("."):
        if not isinstance(part, Section):
            break  # an entry of a mapping, which is given with it
        if name not in part.model_fields_set:
            return False
        part = getattr(part, name)
    return True


def resumed(checkpoint: Checkpoint[Config], config: Config) -> Checkpoint[Config]:
    """A checkpoint with those settings of now that do not change the run's result, and with the epochs of now.

    With more epochs, the learning rate is from here on that of a run of so many epochs, at the step where it stands.
    The run is not finished any more, and its patience begins anew.
    """
    changes: dict[str, dict[str, Any]] = {"data": {}, "train": {}}
    for key in FREE_KEYS:
        section, name = key.split(".")
        changes[section][name] = getattr(getattr(config, section), name)
    position, before, epochs = checkpoint.position, checkpoint.resolved.train, config.train.epochs
    longer = epochs != "auto" and epochs > before.last_epoch
    if longer:
        changes["train"] |= {"epochs": epochs, "extensions": (*before.extensions, (before.last_epoch, position.step))}
        position = replace(position, finished=False, waits=0)
    resolved = checkpoint.resolved.model_copy(
        update={
            section: getattr(checkpoint.resolved, section).model_copy(update=values)
            for section, values in changes.items()
        }
    )
    extended = replace(checkpoint, position=position, resolved=resolved)
    if longer and is_first_process():
        _warn_of_another_schedule(checkpoint, extended)
    return extended


def _warn_of_another_schedule(before: Checkpoint[Config], extended: Checkpoint[Config]) -> None:
    position, settings = extended.position, (before.resolved.train, extended.resolved.train)
    was, now = (learning_rate(each, position.step, position.epoch) for each in settings)
    warn(
        f"the run had {settings[0].epochs} epochs and now has {settings[1].epochs}: after step {position.step} (epoch "
        f"{position.epoch}) the learning rate follows the schedule of {settings[1].epochs} epochs, {now:.1e} in place "
        f"of {was:.1e}; the result is not that of a run that had {settings[1].epochs} epochs from its start"
    )


def leaves(config: Section) -> Iterator[tuple[str, Any]]:
    """Dotted key and plain value of every setting."""

    def walk(values: Mapping[str, Any], parents: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, Mapping) and (*parents, key) != ("model", "backbone_config"):
                yield from walk(value, (*parents, key))
            else:
                yield ".".join((*parents, key)), value

    yield from walk(config.model_dump(mode="json"), ())
