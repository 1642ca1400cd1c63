"""What is open while a species classifier is trained."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from backbones.base import Backbone
from detector.base.devices import Precision
from detector.evaluation.species.naming import NameCounts
from detector.species.calibrating.temperature import negative_log_likelihood
from detector.species.classifier import SpeciesClassifier
from detector.training.checkpoints import Checkpoint, Position, save_checkpoint, state_of
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.showing import CropBatch, CropSampler
from detector.training.classifier.stored import StoredCrops
from detector.training.open_run import OpenRun
from detector.training.records.run_folder import RunFolder

FORMAT = "hoopoe-species-run-1"
CURVES = {"top1": "named rightly", "macro_f1": "macro-F1"}

# energies relative to those of logits that are all 0, -log(classes): birds shall be below the first, others above the
# second (Liu et al. 2020, section 3.3); smoothed labels bound the logits, so that these are nearer than the paper's
BIRD_MARGIN, OTHER_MARGIN = -1.5, 0.5


@dataclass(eq=False, kw_only=True)
class ClassifierSession(OpenRun[CropBatch]):
    """An open run that trains a classifier; see `OpenRun`.

    Args:
        asked: The configuration as it was asked for.
        settings: The same, resolved.
        files: Of the run.
        crops: What is trained and measured on.
        sampler: Of the loader.
        like: The classifier as it is used: names, sizes and channels.
    """

    asked: SpeciesConfig
    settings: SpeciesConfig
    files: RunFolder
    crops: StoredCrops
    sampler: CropSampler
    like: SpeciesClassifier

    @property
    def config(self) -> SpeciesConfig:
        """The resolved configuration."""
        return self.settings

    @property
    def classifier(self) -> SpeciesClassifier:
        """The classifier as it is now."""
        net = self.learner.best_weights
        assert isinstance(net, Backbone)
        return replace(self.like, net=net)

    def start_epoch(self, position: Position) -> int:
        """Bring loader and model into position; returns the batches of the whole epoch."""
        self.sampler.start(position.epoch, position.batch)
        self.model.train()
        self.display.restart_clock()
        return position.batch + len(self.sampler)

    def batch_share(self, batch: CropBatch) -> float:
        """The birds of a step, relative to those of a full one."""
        return batch.birds / self.sampler.batch_size

    def parts(self, batch: CropBatch) -> list[CropBatch]:
        """The parts of a batch that go through the network one after the other."""
        parts = min(self.config.train.accumulate, batch.birds)
        return [batch] if parts == 1 else [batch.part(number, parts) for number in range(parts)]

    def losses(self, part: CropBatch) -> dict[str, Tensor]:
        """What names cost, and what it costs that others look like birds."""
        settings, device, birds = self.config.train, self.fabric.device, part.birds
        mean, std = (torch.tensor(each, device=device)[:, None, None] for each in (self.like.mean, self.like.std))
        pixels = (part.pixels.to(device, non_blocking=True).float() / 255 - mean) / std
        labels = part.labels.to(device, non_blocking=True)
        logits = self.model(pixels).float()
        losses = {"names": F.cross_entropy(logits[:birds], labels[:birds], label_smoothing=settings.label_smoothing)}
        if birds < len(labels) and settings.energy_weight:
            losses["others"] = settings.energy_weight * energy_loss(logits, birds)
        return losses

    def name_of(self, image_id: int) -> str:
        """The file of a crop."""
        return self.crops.files[image_id]

    def save(self, position: Position) -> None:
        """Write `last.pt`."""
        self.saved, self.saved_at = position, time.monotonic()
        state = {**state_of(self.learner), "scaler": self.fabric.strategy.precision.state_dict()}
        checkpoint = Checkpoint(position, self.asked, self.settings, self.crops.fingerprint, state)
        save_checkpoint(self.files.last, checkpoint, FORMAT)

    def evaluate(self, position: Position) -> Position:
        """Measure on the crops that are held out, if that is due; nothing is chosen by it."""
        interval = self.config.train.eval_epochs
        assert interval != "auto"
        last = position.epoch == self.config.train.last_epoch
        rows = self.crops.rows(held_out=True, others=False)
        if len(rows) and (last or position.epoch % interval == 0):
            with self.display.evaluating(len(rows)) as advance:
                logits = held_out_logits(self.classifier, self.crops, rows)
                advance(len(rows))
            truth = self.crops.classes[rows]
            counts = NameCounts.of(truth, logits.argmax(axis=1), np.zeros(len(rows), np.int64), logits.shape[1])
            once = np.ones((1, 1))
            figures = {"top1": float(counts.top1(once)[0]), "macro_f1": float(counts.macro_f1(once)[0])}
            nll = negative_log_likelihood(logits, truth)
            self.display.say(
                f"epoch {position.epoch}: {figures['top1']:.1%} of {len(rows)} held-out birds are named rightly, "
                f"macro-F1 {figures['macro_f1']:.3f}"
            )
            if self.recorder is not None:
                self.recorder.evaluation(position.step, {"epoch": position.epoch, **figures, "nll": nll}, None)
        return replace(position, finished=last)


def energy_loss(logits: Tensor, birds: int) -> Tensor:
    """Squared hinges on the energies of the first `birds` rows of logits (N, C), and of the rest.

    It teaches the network to have low logits where there is nothing that it knows, so that the gate can tell.
    (Energy-based Out-of-distribution Detection, https://arxiv.org/abs/2010.03759.)
    """
    nothing = -float(np.log(logits.shape[1]))
    energies = -logits.logsumexp(1)
    above = F.relu(energies[:birds] - (nothing + BIRD_MARGIN)).square().mean()
    return above + F.relu(nothing + OTHER_MARGIN - energies[birds:]).square().mean()


def held_out_logits(classifier: SpeciesClassifier, crops: StoredCrops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """What a classifier says of held-out crops, by their numbers: float32 (n, C)."""
    found = [np.zeros((0, len(classifier.class_names)), np.float32)]
    found += [classifier.logits(chunk).logits for chunk in crops.chunks(rows)]
    return np.concatenate(found)


def evaluated_precision(trained: str) -> Precision:
    """In which precision a classifier is measured: that in which it will be used."""
    return "bf16" if trained == "bf16" else "fp32"
