"""Trains a small species classifier on pictures that fit into memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

# energies that birds shall be below and outliers above: Liu et al. 2020, section 3.3; smoothed labels bound the logits,
# so that birds of a dozen species come to -4.2 by themselves
BIRD_ENERGY, OUTLIER_ENERGY = -4.0, -2.0
ENERGY_WEIGHT = 0.03  # the paper's 0.1 costs the demo a tenth of its names
BIRDS_PER_OUTLIER = 8  # in a step


def normalised(crops: NDArray[np.uint8], rgb_stats: Mapping[str, Sequence[float]]) -> Tensor:
    """Crops uint8 (N, H, W, 3) as a network takes them: float32 (N, 3, H, W); `mean` and `std` for values in 0..1."""
    mean, std = (torch.tensor(rgb_stats[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255).sub_(mean).div_(std)


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained.

    Args:
        epochs: Passes over the pictures.
        batch_size: Pictures a step; an incomplete last batch is left out, for the sake of batch statistics.
        learning_rate: The schedule's peak.
        weight_decay: AdamW's, on every parameter.
        seed: Decides the order of the pictures and which are mirrored.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


def train_classifier(
    net: nn.Module, images: Tensor, labels: Tensor, recipe: ClassifierRecipe, outliers: Tensor | None = None
) -> Iterator[float]:
    """Train with AdamW under a one-cycle schedule, mirroring half of the pictures.

    Outliers teach the network to have low logits where there is nothing that it knows, so that `energy` tells.
    (Energy-based Out-of-distribution Detection, https://arxiv.org/abs/2010.03759.)

    Args:
        net: A classifier, (N, C, H, W) to logits (N, classes); trained in place, in evaluation mode at the end.
        images: Normalised pictures (N, C, H, W), float32, on the network's device.
        labels: Class indices (N,), int64.
        recipe: Length, batches, rates, seed.
        outliers: Pictures (M, C, H, W) of what is none of the classes, if there are any.

    Yields:
        The mean loss of each epoch.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    batch_size = min(recipe.batch_size, len(images))
    steps = len(images) // batch_size
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, epochs=recipe.epochs, steps_per_epoch=steps
    )
    for _ in range(recipe.epochs):
        net.train()
        total = 0.0
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for rows in order[: steps * batch_size].split(batch_size):
            batch = images[rows]
            if outliers is not None:
                others = torch.randint(len(outliers), (max(1, batch_size // BIRDS_PER_OUTLIER),), generator=generator)
                batch = torch.cat([batch, outliers[others.to(images.device)]])
            mirrored = (torch.rand(len(batch), 1, 1, 1, generator=generator) < 0.5).to(images.device)
            logits = net(torch.where(mirrored, batch.flip(-1), batch))
            loss = F.cross_entropy(logits[: len(rows)], labels[rows], label_smoothing=0.1)
            if outliers is not None:
                loss = loss + ENERGY_WEIGHT * energy_loss(logits, len(rows))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        net.eval()
        yield total / steps


def energy_loss(logits: Tensor, birds: int) -> Tensor:
    """Squared hinges on the energies of the first `birds` rows of logits (N, C), and of the rest."""
    energies = -logits.logsumexp(1)
    above = F.relu(energies[:birds] - BIRD_ENERGY).square().mean()
    return above + F.relu(OUTLIER_ENERGY - energies[birds:]).square().mean()
