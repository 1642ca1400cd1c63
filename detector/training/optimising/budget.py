"""How long a run is, where that is left to Hoopoe: passes over the images, within bounds of steps."""

from __future__ import annotations

from detector.data.loader import EpochSampler
from detector.training.resolving import Resolved, images_a_device

USUAL_EPOCHS = 50
MOST_EVALUATIONS = 50  # of a run, where their interval is auto


def with_budget(resolved: Resolved, processes: int) -> Resolved:
    """Numbers in place of `epochs: auto` and `eval_epochs: auto`; the batch size is known.

    Args:
        resolved: A run that begins, or goes on; what is a number stays.
        processes: Over all machines.
    """
    settings = resolved.config.train
    epochs, interval = settings.epochs, settings.eval_epochs
    if epochs == "auto" and resolved.data.overfit:
        epochs = USUAL_EPOCHS
    elif epochs == "auto":
        epochs = epochs_within(steps_an_epoch(resolved, processes), settings.min_steps, settings.max_steps)
    if interval == "auto":
        interval = -(-epochs // MOST_EVALUATIONS)
    return resolved.with_training(epochs=epochs, eval_epochs=interval)


def epochs_within(steps: int, least: int, most: int) -> int:
    """`USUAL_EPOCHS`, or as many as take at least `least` steps, or at most `most`, but one at least.

    Args:
        steps: Of an epoch.
        least: Of the whole run.
        most: Of the whole run; a run of one epoch may have more.
    """
    return max(1, min(max(USUAL_EPOCHS, -(-least // steps)), most // steps))


def steps_an_epoch(resolved: Resolved, processes: int) -> int:
    """Steps of the first epoch; where categories are repeated by chance, others may have a few more or less."""
    size, dataset = images_a_device(resolved.config, processes), resolved.training_dataset
    return len(EpochSampler(dataset, size, resolved.config.data, world_size=processes))
