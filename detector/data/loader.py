"""Batches from worker processes, the same ones whatever the number of workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from backbones.errors import HoopoeError
from detector.base.memory import keep_freed_memory
from detector.base.torn import hear_decoders
from detector.data.config import DataConfig
from detector.data.dataset import EvaluationDataset, Item, Key, Target, TrainingDataset, make_target
from detector.data.packed import LabelledImages
from detector.data.sample import IGNORED
from detector.data.sampling import (
    Pool,
    Shows,
    aspect_groups,
    crowded_factors,
    epoch_batches,
    evaluation_batches,
    repeat_factors,
)

MOST_WORKERS = 8  # by default; more seldom helps one training process
# fork shares the packed arrays; from Python 3.14 on it is no longer the default, and on macOS it is not safe
START_METHOD = "fork" if sys.platform == "linux" else "spawn"


class Batch(NamedTuple):
    """B images and their targets in three tensors.

    Every tensor on its way from a worker holds a file open, and one for each image, box list and label list would soon
    be more than the 1024 that a process may have. It also is one copy to the device, not many.

    Args:
        pixels: uint8, all images one after the other, each (3, H, W).
        boxes: float32 (N, 4), xyxy in pixels of their images, all boxes in the order of the images.
        labels: int64 (N,), 0-based or IGNORED.
        sizes_hw: Height and width of each image.
        counts: Number of boxes of each image.
        image_ids: Id of each image.
    """

    pixels: Tensor
    boxes: Tensor
    labels: Tensor
    sizes_hw: list[tuple[int, int]]
    counts: list[int]
    image_ids: list[int]

    @property
    def images(self) -> list[Tensor]:
        """B views (3, H, W)."""
        parts = self.pixels.split([3 * height * width for height, width in self.sizes_hw])
        return [part.view(3, *size) for part, size in zip(parts, self.sizes_hw, strict=True)]

    @property
    def targets(self) -> list[Target]:
        """B targets as torchvision's detectors take them."""
        columns = (self.boxes.split(self.counts), self.labels.split(self.counts), self.image_ids)
        return list(map(make_target, *columns))


def _factors(annotations: LabelledImages, config: DataConfig, labelled: int) -> NDArray[np.float64] | None:
    """How often each labelled image is shown, where the configuration has rules for it: by the one that shows most."""
    rules = []
    if config.repeat_threshold is not None:
        rules.append(repeat_factors(annotations, config.repeat_threshold, labelled))
    if config.repeat_crowded is not None:
        rules.append(crowded_factors(annotations, config.repeat_crowded)[:labelled])
    return np.maximum.reduce(rules) if rules else None


class EpochSampler(Sampler[list[Key]]):
    """The batches of one epoch after the other for a `DataLoader`; `start` says which epoch, and from which batch on.

    Args:
        dataset: What is trained on.
        batch_size: Images a batch and process.
        config: Grouping by aspect and repeat factors.
        rank: This process.
        world_size: The number of processes.
    """

    def __init__(
        self, dataset: TrainingDataset, batch_size: int, config: DataConfig, rank: int = 0, world_size: int = 1
    ) -> None:
        annotations = dataset.annotations
        self.batch_size, self.seed = batch_size, dataset.seed
        self.rank, self.world_size = rank, world_size
        factors = _factors(annotations, config, dataset.labelled)
        square = config.augmentation.crop_size is not None  # crops are all of one shape, whatever they are cut from
        groups = aspect_groups(annotations.sizes_wh) if config.group_by_aspect and not square else None
        negatives = len(annotations) - dataset.labelled
        self.pool = Pool(dataset.labelled, factors, groups, negatives, config.negatives.share)
        self.start(0)

    def start(self, epoch: int, batch: int = 0) -> None:
        """Go to a batch of an epoch, both counted from 0, before the loader is iterated."""
        self.epoch, self.batch = epoch, batch

    def __len__(self) -> int:
        """The batches that are left of the epoch."""
        return len(self._left())

    def __iter__(self) -> Iterator[list[Key]]:
        for shows in self._left():
            yield [Key(self.epoch, place, copy) for place, copy in shows.tolist()]

    def _left(self) -> list[Shows]:
        batches = epoch_batches(
            self.pool,
            self.batch_size,
            seed=self.seed,
            epoch=self.epoch,
            rank=self.rank,
            world_size=self.world_size,
        )
        return batches[self.batch :]


class Loader(DataLoader[Item]):
    """A `DataLoader` of `Batch` whose workers' errors arrive as they were raised, not wrapped in a traceback's text."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, HoopoeError):
                raise batch
            yield batch


def training_loader(
    dataset: TrainingDataset, batch_size: int, config: DataConfig, *, rank: int = 0, world_size: int = 1
) -> Loader:
    """Batches to train on, one epoch an iteration: `loader.batch_sampler.start(epoch)` before each.

    Args:
        dataset: What is trained on.
        batch_size: Images a batch and process.
        config: Workers, grouping and repeat factors.
        rank: This process.
        world_size: The number of processes.

    Returns:
        A loader of `Batch`.
    """
    return _loader(dataset, EpochSampler(dataset, batch_size, config, rank, world_size), config, persistent=True)


def evaluation_loader(
    dataset: EvaluationDataset, batch_size: int, config: DataConfig, *, rank: int = 0, world_size: int = 1
) -> Loader:
    """Batches of images of one size, each image once over all processes.

    Args:
        dataset: What is evaluated.
        batch_size: The most images of a batch.
        config: Workers.
        rank: This process.
        world_size: The number of processes.

    Returns:
        A loader of `Batch`.
    """
    sizes = dataset.rule.sizes(dataset.annotations.sizes_wh)
    batches = evaluation_batches(sizes, batch_size, rank=rank, world_size=world_size)
    return _loader(dataset, [batch.tolist() for batch in batches], config, persistent=False)


def collate(items: Sequence[Item] | HoopoeError) -> Batch | HoopoeError:
    """At least one item as a batch; an error as it is (see `Loader`)."""
    if isinstance(items, HoopoeError):
        return items
    return Batch(
        torch.cat([item.image.flatten() for item in items]),
        torch.cat([item.target[kind] for item in items for kind in ("boxes", "ignored")]),
        torch.cat([labels for item in items for labels in _labels(item.target)]),
        [(item.image.shape[1], item.image.shape[2]) for item in items],
        [len(item.target["labels"]) + len(item.target["ignored"]) for item in items],
        [int(item.target["image_id"]) for item in items],
    )


def _labels(target: Target) -> tuple[Tensor, Tensor]:
    return target["labels"], torch.full((len(target["ignored"]),), IGNORED)


def to_device(batch: Batch, device: torch.device | str) -> tuple[list[Tensor], list[Target]]:
    """A batch as the model takes it: images uint8 (3, H, W), and targets, all on the device."""
    moved = batch._replace(
        pixels=batch.pixels.to(device, non_blocking=True),
        boxes=batch.boxes.to(device, non_blocking=True),
        labels=batch.labels.to(device, non_blocking=True),
    )
    return moved.images, moved.targets


def worker_count(workers: int | None) -> int:
    """The number of worker processes: as asked for, or one a core that this process may use, at most 8."""
    if workers is not None:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def _loader(
    dataset: Dataset[Item], batches: Sampler[list[Key]] | list[list[int]], config: DataConfig, persistent: bool
) -> Loader:
    workers = worker_count(config.workers)
    return Loader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=quiet_worker,
        prefetch_factor=config.prefetch if workers else None,
        persistent_workers=persistent and workers > 0,
        multiprocessing_context=START_METHOD if workers else None,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the loader draws from it, which the global one must not notice
    )


def quiet_worker(worker: int) -> None:
    """One thread a worker: there are as many workers as cores. What libjpeg says of no file is not shown."""
    import cv2

    hear_decoders()
    keep_freed_memory()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
