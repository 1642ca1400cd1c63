"""The learning rate as a pure function of how far a run is: nothing to save, nothing to restore."""

from __future__ import annotations

import bisect
import math

from detector.training.config import LearningConfig

LONGEST_WARMUP = 0.1  # of a run


def learning_rate(config: LearningConfig, step: int, epoch: float, share: float = 1.0) -> float:
    """The learning rate of a step, before layer decay.

    Args:
        config: The schedule; its batch size and epochs are numbers.
        step: Steps done so far.
        epoch: Epochs done so far, with the fraction of the current one.
        share: Images of the step relative to those of a full one.
    """
    # AdamW's goes with the square root of a batch's size (Malladi and others 2022), unless the user has another rule
    power = 1.0 if config.lr_scaling == "linear" else 0.5
    return peak_rate(config) * lr_factor(config, step, epoch) * share**power


def trains_laterals_alone(config: LearningConfig, step: int, epoch: float) -> bool:
    """Whether a step is one of the first ones, in which only the laterals are trained; see `lateral_steps`."""
    return step < config.steps_alone and epoch < LONGEST_WARMUP * config.last_epoch


def peak_rate(config: LearningConfig) -> float:
    """The learning rate at the peak of the schedule: `lr`, scaled by the batch size unless `lr_scaling` is none."""
    if config.lr_scaling == "none":
        return config.lr
    assert config.batch_size != "auto"
    ratio = config.batch_size / config.base_batch_size
    return config.lr * (ratio if config.lr_scaling == "linear" else math.sqrt(ratio))


def lr_factor(config: LearningConfig, step: int, epoch: float) -> float:
    """The learning rate relative to its peak.

    Args:
        config: The schedule.
        step: Steps done so far.
        epoch: Epochs done so far, with the fraction of the current one.
    """
    progress = min(1.0, epoch / config.last_epoch)
    if config.schedule == "cosine":
        lowest = config.final_lr_factor
        factor = lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2
    else:
        factor = config.gamma ** bisect.bisect_right(config.milestones, epoch)
    if config.steps_alone and not trains_laterals_alone(config, step, epoch):  # the rest begins now, as slowly
        step, progress = step - config.steps_alone, progress - LONGEST_WARMUP
    warm = max(step / config.warmup_steps, progress / LONGEST_WARMUP) if config.warmup_steps else 1.0
    return factor * (config.warmup_factor + (1 - config.warmup_factor) * min(1.0, warm))
