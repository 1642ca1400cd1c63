"""What is open while a detector is trained."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from detector.data.dataset import TrainingDataset
from detector.data.loader import Batch, EpochSampler, Loader, to_device
from detector.data.packed import Annotations
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import Evaluation, evaluate
from detector.models.building import config_of
from detector.models.detector import Detector, DetectorMeta
from detector.models.saving import load_detector, save_detector
from detector.training.batches import split_batch
from detector.training.checkpoints import Checkpoint, Position, save_checkpoint, state_of
from detector.training.config import Config
from detector.training.negatives import HardNegatives
from detector.training.open_run import OpenRun
from detector.training.records.examples import draw_examples
from detector.training.resolving import Resolved, images_a_device

FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")


@dataclass(eq=False, kw_only=True)
class Session(OpenRun[Batch]):
    """An open run that trains a detector; see `OpenRun`.

    Args:
        resolved: Configuration, data and folder.
        loader: Batches to train on.
        negatives: Confirmed blanks and what was found in them, if there are any.
        measured: The last evaluation, in the first process.
        best_measured: That of `best.safetensors`, if it was written since the run was started or resumed.
    """

    resolved: Resolved
    loader: Loader
    negatives: HardNegatives | None = None
    measured: Evaluation | None = None
    best_measured: Evaluation | None = None

    @property
    def config(self) -> Config:
        """The resolved configuration."""
        return self.resolved.config

    def start_epoch(self, position: Position) -> int:
        """Bring loader and model into position; returns the batches of the whole epoch."""
        sampler = self.loader.batch_sampler
        assert isinstance(sampler, EpochSampler)
        if self.negatives is not None:
            self._search_negatives(self.negatives, position)
            sampler.pool = replace(sampler.pool, hard=self.negatives.hard)
        sampler.start(position.epoch, position.batch)
        self.model.train()
        self.display.restart_clock()
        return position.batch + len(sampler)

    def batch_share(self, batch: Batch) -> float:
        """The images of a step, relative to those of a full one; all processes have as many."""
        return len(batch.image_ids) / images_a_device(self.config, self.fabric.world_size)

    def parts(self, batch: Batch) -> list[Batch]:
        """The parts of a batch that go through the network one after the other."""
        return list(split_batch(batch, self.config.train.accumulate))

    def losses(self, part: Batch) -> dict[str, Tensor]:
        """Torchvision's losses of a part."""
        losses: dict[str, Tensor] = self.model(*to_device(part, self.fabric.device))
        return losses

    def name_of(self, image_id: int) -> str:
        """The name of an image's file."""
        dataset = self.loader.dataset
        assert isinstance(dataset, TrainingDataset)
        images = dataset.annotations
        return images.file_names[int(np.flatnonzero(images.image_ids == image_id)[0])]

    def save(self, position: Position) -> None:
        """Write `last.pt`; all processes hold the same, the first one writes."""
        self.saved, self.saved_at = position, time.monotonic()
        if self.fabric.is_global_zero:
            asked, fingerprint = self.resolved.asked, self.resolved.data.fingerprint
            state = {**state_of(self.learner), "scaler": self.fabric.strategy.precision.state_dict()}
            scores = None if self.negatives is None else self.negatives.scores
            checkpoint = Checkpoint(position, asked, self.config, fingerprint, state, scores)
            save_checkpoint(self.resolved.files.last, checkpoint)

    def evaluate(self, position: Position) -> Position:
        """Evaluate at the end of an epoch, if it is due, and keep the best weights.

        `best.safetensors` is written before the checkpoint that knows of it: a run killed in between evaluates again.
        """
        config = self.config.train
        last = position.epoch == config.last_epoch
        assert config.eval_epochs != "auto"
        if not last and position.epoch % config.eval_epochs:
            return position
        validation = self.resolved.data.validation
        if validation is None:
            self._save_detector({})
            return replace(position, finished=last)
        self._synchronise_buffers()
        metrics = self._measure(position, validation)
        score = metrics[config.best]
        if (
            score is None
        ):  # nothing to measure by: the longest trained weights are kept, and nobody runs out of patience
            self._save_detector(metrics)
            return replace(position, finished=last)
        if position.best is None or score >= position.best:  # of equally good ones, the longer trained
            self._save_detector(metrics)
        better = position.best is None or score > position.best
        best = max(score, position.best or -1.0)
        # before the first bird is found there is nothing that could get better, or worse
        position = replace(position, best=best, waits=0 if better or best <= 0 else position.waits + 1)
        patient = config.patience is None or position.waits < config.patience
        if not patient and not last:
            self.display.say(f"stopping early: no better {config.best} in {position.waits} evaluations")
        return replace(position, finished=last or not patient)

    def _search_negatives(self, negatives: HardNegatives, position: Position) -> None:
        """Find hard ones, where it is time; a run that goes on before a batch repeats what it did there."""
        init = self.resolved.init
        if position.batch or not negatives.are_due(position.epoch, has_start=init is not None):
            return
        self._synchronise_buffers()
        if position.epoch == 0 and init is not None:
            detector = load_detector(init, self.fabric.device, self.resolved.precision)
        else:
            detector = Detector.of(self.learner.best_weights, self.resolved.precision)
        options = replace(self._detection_options(), score_threshold=negatives.settings.score)
        processes = self.fabric.world_size
        with self.display.evaluating(min(len(negatives.images), negatives.settings.mined)) as advance:
            seen = negatives.search(detector, position.epoch, options, lambda images: advance(images * processes))
        self.display.say(
            f"birds found in {int(negatives.hard[seen].sum())} of {len(seen)} negatives that were looked at"
        )

    def _detection_options(self) -> DetectionOptions:
        return DetectionOptions(
            batch_size=self.config.train.eval_batch_size,
            loading=self.config.data,
            rank=self.fabric.global_rank,
            world_size=self.fabric.world_size,
        )

    def _synchronise_buffers(self) -> None:
        """Give all processes BatchNorm's statistics of the first one, which saves: what is evaluated is what is saved.

        DDP does the same to the model (not to its average) before each step, so that a run goes on as without it.
        """
        if self.fabric.world_size == 1:
            return
        for module in (self.learner.model, self.learner.best_weights):  # one and the same where there is no average
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def _measure(self, position: Position, annotations: Annotations) -> dict[str, float | None]:
        self.display.say(f"evaluating {len(annotations)} images after epoch {position.epoch}")
        processes = self.fabric.world_size
        with self.display.evaluating(len(annotations)) as advance:
            detector = Detector.of(self.learner.best_weights, self.resolved.precision)
            evaluation = evaluate(
                detector, annotations, self._detection_options(), advance=lambda images: advance(images * processes)
            )
        metrics: dict[str, float | None] = {}
        if self.fabric.is_global_zero:
            assert evaluation.found is not None
            self.measured = evaluation
            measured = evaluation.metrics.as_dict()
            metrics = {name: measured[name] for name in FIGURES}
            shown = "  ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in metrics.items())
            self.display.say(f"  {shown}  ({evaluation.found.images_per_second:.1f} images/s)")
            if self.recorder is not None:
                examples = draw_examples(annotations, evaluation.found.detections)
                self.recorder.evaluation(position.step, {"epoch": position.epoch, **metrics}, examples)
        return dict(self.fabric.broadcast(metrics))

    def _save_detector(self, metrics: Mapping[str, float | None]) -> None:
        if self.fabric.is_global_zero:
            licences = {"licence": self.config.train.licence, "data_licence": self.config.data.licence}
            stated = {name: licence for name, licence in licences.items() if licence is not None}
            data = self.resolved.data.for_detector() | stated
            meta = DetectorMeta(config_of(self.learner.model), data, metrics)
            save_detector(self.resolved.files.best, Detector(self.learner.best_weights, meta))
            self.best_measured = self.measured
