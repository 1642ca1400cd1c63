"""The learning rate as a pure function of how far a run is: nothing to save, nothing to restore."""

from __future__ import annotations

import bisect
import math

from detector.training.config import TrainConfig

LONGEST_WARMUP = 0.1  # of a run


def lr_factor(config: TrainConfig, step: int, epoch: float) -> float:
    """The learning rate relative to its peak.

    Args:
        config: The schedule.
        step: Steps done so far.
        epoch: Epochs done so far, with the fraction of the current one.
    """
    progress = min(1.0, epoch / config.epochs)
    if config.schedule == "cosine":
        lowest = config.final_lr_factor
        factor = lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2
    else:
        factor = config.gamma ** bisect.bisect_right(config.milestones, epoch)
    warm = max(step / config.warmup_steps, progress / LONGEST_WARMUP) if config.warmup_steps else 1.0
    return factor * (config.warmup_factor + (1 - config.warmup_factor) * min(1.0, warm))
