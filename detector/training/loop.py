"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from detector.training.batches import seed_step
from detector.training.checkpoints import Position
from detector.training.guards import out_of_memory_explained
from detector.training.open_run import Images, OpenRun
from detector.training.optimising.optimiser import drop_gradients_beyond_laterals, set_learning_rate
from detector.training.optimising.schedule import learning_rate, trains_laterals_alone
from detector.training.records.progress import GRADIENT_NORM


def train(run: OpenRun[Any], position: Position) -> Position:
    """Train from a position to the end of the run, or until somebody asks to stop.

    Args:
        run: What is trained, on what, and how; its learner is changed in place.
        position: Where to begin.

    Returns:
        Where it ended, which has been saved.
    """
    config, learner = run.config.train, run.learner
    while not position.finished:
        batches = run.start_epoch(position)
        for waited, batch in _timed(run.loader):
            seed_step(config.seed, position.step, run.fabric.global_rank)
            done = position.epoch + position.batch / batches
            rate = learning_rate(config, position.step, done, run.batch_share(batch))
            set_learning_rate(run.optimiser, rate)

            losses = accumulate_gradients(run, batch)
            run.unscale_gradients()
            if trains_laterals_alone(config, position.step, done):
                drop_gradients_beyond_laterals(learner.model)
            # measured without a limit too: finite losses may have gradients that are not, which would spoil the weights
            limit = math.inf if config.clip_norm is None else config.clip_norm
            losses[GRADIENT_NORM] = clip_grad_norm_(run.model.parameters(), limit)
            values, stop = run.agree(losses)
            shown = run.finite(values, position.step, batch)

            run.optimiser.step()  # none where a scaler leaves it out
            run.optimiser.zero_grad()
            if learner.ema is not None:
                learner.ema.update_parameters(learner.model)

            position = replace(position, batch=position.batch + 1, step=position.step + 1)
            run.log(position, batches, shown, rate, len(batch.image_ids), waited)
            if stop or run.checkpoint_is_due(position):
                run.save(position)
            if stop:
                return position
        run.save(position)  # before the evaluation, which takes its time
        position = run.evaluate(replace(position, epoch=position.epoch + 1, batch=0))
        run.save(position)
    return position


def accumulate_gradients(run: OpenRun[Images], batch: Images) -> dict[str, Tensor]:
    """Forward and backward over the parts of this process's batch.

    Losses are means over the images, so each part counts by its share of them; processes have equally
    many, and DDP takes the mean of their gradients.

    Returns:
        The losses of the batch by name, without their graph. The gradients are in the model.
    """
    sums: dict[str, Tensor] = {}
    parts = run.parts(batch)
    for number, part in enumerate(parts, start=1):
        share = len(part.image_ids) / len(batch.image_ids)
        last = number == len(parts)
        with out_of_memory_explained(len(part.image_ids)), run.fabric.no_backward_sync(run.model, enabled=not last):
            losses = run.losses(part)
            total: Any = sum(losses.values())
            run.fabric.backward(total * share)
        for name, value in losses.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach() * share
    return sums


def _timed(loader: Iterable[Images]) -> Iterator[tuple[float, Images]]:
    """Batches, each with the seconds that were spent waiting for it."""
    batches = iter(loader)
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield time.perf_counter() - start, batch
