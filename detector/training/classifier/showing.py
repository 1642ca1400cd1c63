"""Which crop is shown when, and how it is varied: pure functions of seed, epoch and crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from detector.data.augment.pixels import vary_pixels
from detector.data.loader import START_METHOD, quiet_worker, worker_count
from detector.data.sample import Sample
from detector.species.learning.classes import OTHER
from detector.training.classifier.config import CropAugmentation, CropDataConfig
from detector.training.classifier.stored import StoredCrops

BIRDS_PER_OTHER = 8  # in a step
_SHOWS, _OTHERS, _PIXELS = range(3)  # streams of random numbers


class CropKey(NamedTuple):
    """Which crop is shown, in which epoch, and for which time in it."""

    epoch: int
    row: int
    copy: int


class CropBatch(NamedTuple):
    """Crops of a step, birds first.

    Args:
        pixels: uint8 (B, 3, H, W).
        labels: int64 (B,), OTHER for what is no bird.
        image_ids: Numbers of the crops.
    """

    pixels: Tensor
    labels: Tensor
    image_ids: list[int]

    @property
    def birds(self) -> int:
        """How many are birds."""
        return int((self.labels != OTHER).sum())

    def part(self, number: int, parts: int) -> CropBatch:
        """One of so many parts, each with its share of birds and of others."""
        rows = np.array_split(np.arange(self.birds), parts)[number].tolist()
        rows += np.array_split(np.arange(self.birds, len(self.labels)), parts)[number].tolist()
        return CropBatch(self.pixels[rows], self.labels[rows], [self.image_ids[row] for row in rows])


def epoch_shows(classes: NDArray[np.int64], balance: float, rng: Generator) -> NDArray[np.int64]:
    """Which birds are shown in an epoch, and how often, in a random order: (S, 2), place among the birds and copy.

    A species of n crops has a share of n^(1 - balance) of about as many shows as there are birds (for a balance of 1/2
    the square-root sampling of Mahajan and others 2018, https://arxiv.org/abs/1805.00932).

    Args:
        classes: int64 (B,), of each bird.
        balance: 0..1.
        rng: The epoch's.
    """
    _, class_of, counts = np.unique(classes, return_inverse=True, return_counts=True)
    weights = counts[class_of].astype(np.float64) ** -balance
    expected = weights * (len(classes) / weights.sum())
    times = np.floor(expected).astype(np.int64)
    times += rng.random(len(classes)) < expected - times
    rows = np.repeat(np.arange(len(classes)), times)
    copies = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    return np.stack([rows, copies], axis=1)[rng.permutation(len(rows))]


class CropSampler(Sampler[list[CropKey]]):
    """The batches of one epoch after the other; `start` says which epoch, and from which batch on.

    Args:
        crops: What is trained on.
        batch_size: Birds a batch; some that are none come beside them.
        balance: See `epoch_shows`.
        seed: Decides about all of it.
    """

    def __init__(self, crops: StoredCrops, batch_size: int, balance: float, seed: int) -> None:
        self.birds, self.others = (crops.rows(held_out=False, others=others) for others in (False, True))
        self.classes = crops.classes[self.birds]
        self.batch_size, self.balance, self.seed = batch_size, balance, seed
        self.start(0)

    def start(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch, both counted from 0, before the loader is iterated."""
        self.epoch, self.batch = epoch, batch

    def __len__(self) -> int:
        """The batches that are left of the epoch."""
        return len(self._batches()) - self.batch

    def __iter__(self) -> Iterator[list[CropKey]]:
        rng = np.random.default_rng([self.seed, self.epoch, _OTHERS])
        for number, shows in enumerate(self._batches()):
            beside = max(1, self.batch_size // BIRDS_PER_OTHER) if len(self.others) else 0
            others = self.others[rng.integers(len(self.others), size=beside)] if beside else self.others
            if number < self.batch:
                continue
            keys = [CropKey(self.epoch, int(self.birds[row]), copy) for row, copy in shows.tolist()]
            yield [*keys, *(CropKey(self.epoch, row, place) for place, row in enumerate(others.tolist()))]

    def _batches(self) -> list[NDArray[np.int64]]:
        shows = epoch_shows(self.classes, self.balance, np.random.default_rng([self.seed, self.epoch, _SHOWS]))
        batches = [shows[start : start + self.batch_size] for start in range(0, len(shows), self.batch_size)]
        # statistics of one crop are none
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 else batches


class TrainingCrops(Dataset[tuple[Tensor, int, int]]):
    """Varied crops of patches.

    Args:
        crops: The run's.
        size_hw: Of the crops.
        augmentation: How they are varied.
        seed: Decides about that.
    """

    def __init__(self, crops: StoredCrops, size_hw: tuple[int, int], augmentation: CropAugmentation, seed: int) -> None:
        self.crops, self.size_hw, self.augmentation, self.seed = crops, size_hw, augmentation, seed
        self.pixels = augmentation.pixels

    def __getitem__(self, key: CropKey) -> tuple[Tensor, int, int]:
        rng = np.random.default_rng([self.seed, key.epoch, _PIXELS, key.row, key.copy])
        patch = self.crops.picture(key.row)
        window = moved_window(rng, self.crops.windows[key.row], self.augmentation.shift)
        crop = crop_of_patch(patch, window, self.size_hw)
        nothing = np.zeros((0, 4), np.float32)
        varied = vary_pixels(rng, Sample(crop, nothing, np.zeros(0, np.int64)), self.pixels).image
        pixels = torch.from_numpy(np.ascontiguousarray(varied.transpose(2, 0, 1)))
        return pixels, int(self.crops.classes[key.row]), key.row


def moved_window(rng: Generator, window: NDArray[np.float32], shift: float) -> NDArray[np.float64]:
    """A window (4,) with each edge moved by at most so much of its sides, within the patch."""
    sides = np.tile(window[2:] - window[:2], 2).astype(np.float64)
    return np.clip(window + rng.uniform(-shift, shift, 4) * sides, 0, 1)


def crop_of_patch(
    patch: NDArray[np.uint8], window: NDArray[np.floating], size_hw: tuple[int, int]
) -> NDArray[np.uint8]:
    """A window (4,), shares of a patch, squashed to a size as `cut_crops` does: uint8 (H, W, 3)."""
    height, width = patch.shape[:2]
    left, top, right, bottom = (np.asarray(window, np.float64) * np.array([width, height] * 2)).tolist()
    box = (left, top, max(right, left + 1e-3), max(bottom, top + 1e-3))
    return np.array(
        Image.fromarray(patch).resize((size_hw[1], size_hw[0]), Image.Resampling.BICUBIC, box=box), np.uint8
    )


def collate(items: Sequence[tuple[Tensor, int, int]]) -> CropBatch:
    """At least one crop as a batch."""
    pixels, labels, rows = zip(*items, strict=True)
    return CropBatch(torch.stack(pixels), torch.tensor(labels), list(rows))


def crop_loader(dataset: TrainingCrops, sampler: CropSampler, config: CropDataConfig) -> DataLoader[CropBatch]:
    """Batches to train on, one epoch an iteration."""
    workers = worker_count(config.workers)
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=quiet_worker,
        prefetch_factor=config.prefetch if workers else None,
        persistent_workers=workers > 0,
        multiprocessing_context=START_METHOD if workers else None,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the loader draws from it, which the global one must not notice
    )
