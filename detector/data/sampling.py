"""Which image is shown when: the batches of an epoch as a pure function of the seed and the epoch.

A global batch (all processes together) is planned first, then shared out, so that two processes of batch size 4 train
on the batches of one process of batch size 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.data.packed import LabelledImages

Shows = NDArray[np.int64]  # (N, 2): place of the image, and which showing of it in this epoch (0, 1, ...)

ASPECT_EDGES = 2.0 ** np.array([-0.75, -0.25, 0.0, 0.25, 0.75])  # of width / height; 0: portrait from landscape


def repeat_factors(annotations: LabelledImages, threshold: float, images: int | None = None) -> NDArray[np.float64]:
    """How often each image is shown an epoch, on average, so that rare categories are seen more often.

    r(c) = max(1, sqrt(threshold / f(c))) with f(c) the share of images with category c; an image has the largest r of
    its categories. Gupta, Dollár and Girshick, LVIS, 2019, section 4.3. Crowds do not count.

    Args:
        annotations: I images, and perhaps negatives after them.
        threshold: The share of images below which a category is repeated.
        images: I; None: all are.

    Returns:
        Factors (I,) of at least 1; 1 for images without boxes.
    """
    total = len(annotations) if images is None else images
    rows = np.flatnonzero(~annotations.is_crowd)
    owners, labels = annotations.image_rows[rows], annotations.labels[rows].astype(np.int64)
    categories = len(annotations.category_names)
    pairs = np.unique(owners * categories + labels)  # each category once an image
    owners, labels = pairs // categories, pairs % categories
    frequency = np.bincount(labels, minlength=categories) / max(1, total)
    by_category = np.sqrt(threshold / np.maximum(frequency, 1e-12)).clip(1)
    factors = np.ones(total)
    np.maximum.at(factors, owners, by_category[labels])
    return factors


def crowded_factors(annotations: LabelledImages, limit: float) -> NDArray[np.float64]:
    """How often each image is shown an epoch, on average: the root of its number of birds, so that crops see them all.

    Between each image and each bird equally often (the root is half-way, as in `repeat_factors`). Crowds do not count.

    Args:
        annotations: I images.
        limit: The most that an image is shown.

    Returns:
        Factors (I,) of at least 1; 1 for images without boxes.
    """
    birds = np.bincount(annotations.image_rows[~annotations.is_crowd], minlength=len(annotations))
    return np.sqrt(birds).clip(1, limit)


def aspect_groups(sizes_wh: NDArray[np.integer]) -> NDArray[np.int64]:
    """Group of each picture (I,) by its aspect ratio, from narrow to wide: sizes (I, 2) of width and height."""
    return np.digitize(sizes_wh[:, 0] / np.maximum(sizes_wh[:, 1], 1), ASPECT_EDGES).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Pool:
    """The images that epochs are made of.

    Attributes:
        images: Their number, I, without the negatives.
        factors: Repeat factors (I,); None: each is shown once an epoch.
        groups: Group of each image (I + M,): batches are of one group, apart from a few made of what the groups leave
            over.
        negatives: Confirmed blanks, M, whose places come after those of the images.
        negatives_share: The largest share of an epoch that is shown of them.
        hard: Which of the negatives (M,) a detector has found birds in; None: of none.
    """

    images: int
    factors: NDArray[np.float64] | None = None
    groups: NDArray[np.integer] | None = None
    negatives: int = 0
    negatives_share: float = 0.0
    hard: NDArray[np.bool_] | None = None


def epoch_batches(
    pool: Pool, batch_size: int, *, seed: int, epoch: int, rank: int = 0, world_size: int = 1
) -> list[Shows]:
    """The batches that one process trains on in one epoch.

    Every image is shown once, or as often as its factor says (the fraction by chance, another each epoch). Negatives
    are drawn, each once, as many as their share allows; half of these are hard ones, if there are so many. Where the
    last global batch cannot be shared out evenly, fewer than `world_size` further showings fill it up, so that all
    processes take as many steps with as many images each.

    Args:
        pool: The images.
        batch_size: Images a batch and process.
        seed: The run's.
        epoch: Counted from 0.
        rank: This process.
        world_size: The number of processes.

    Returns:
        Batches (B, 2) of an image's place and its showing, all of `batch_size` but the last of the plan, which may come
        anywhere in the epoch. To resume, leave out the batches that were done.
    """
    rng = np.random.default_rng([seed & (2**64 - 1), epoch])
    order = _shuffled_shows(rng, pool.images, pool.factors)
    if not len(order):
        return []
    if pool.negatives:
        order = rng.permutation(np.concatenate([order, _drawn_negatives(rng, pool, len(order))]))
    global_size = batch_size * world_size
    if pool.groups is not None:
        order = _grouped(order, pool.groups[order[:, 0]], global_size)
    missing = -len(order) % world_size
    order = np.concatenate([order, np.resize(order[::-1], (missing, 2))])
    batches = [order[start : start + global_size] for start in range(0, len(order), global_size)]
    return [
        np.array_split(batches[index], world_size)[rank]  # equal parts: every batch is a multiple of world_size
        for index in rng.permutation(len(batches))
    ]


def evaluation_batches(
    sizes_wh: NDArray[np.integer], batch_size: int, *, rank: int = 0, world_size: int = 1
) -> list[NDArray[np.int64]]:
    """The batches that one process evaluates: every image once over all processes, and one size within a batch.

    Args:
        sizes_wh: Width and height in the network of each image (I, 2).
        batch_size: The most images of a batch.
        rank: This process.
        world_size: The number of processes; they may have one batch more or less than others.

    Returns:
        Batches of places of images, the largest images first (so that memory runs out at once or never).
    """
    if not len(sizes_wh):
        return []
    sizes = np.asarray(sizes_wh, np.int64)
    order = np.lexsort((np.arange(len(sizes)), sizes[:, 0], -sizes.prod(axis=1)))
    changes = np.flatnonzero((np.diff(sizes[order], axis=0) != 0).any(axis=1)) + 1
    batches = [
        run[start : start + batch_size] for run in np.split(order, changes) for start in range(0, len(run), batch_size)
    ]
    return batches[rank::world_size]


def _shuffled_shows(rng: Generator, images: int, factors: NDArray[np.float64] | None) -> Shows:
    whole = np.ones(images, np.int64) if factors is None else np.floor(factors).astype(np.int64)
    if factors is not None:
        whole += rng.random(images) < factors - whole
    places = np.repeat(np.arange(images), whole)
    first = np.repeat(np.cumsum(whole) - whole, whole)
    return rng.permutation(np.stack([places, np.arange(len(places)) - first], axis=1))


def _drawn_negatives(rng: Generator, pool: Pool, shows: int) -> Shows:
    """The negatives of an epoch that has so many showings of images, each once."""
    count = min(pool.negatives, round(shows * pool.negatives_share / (1 - pool.negatives_share)))
    order = rng.permutation(pool.negatives)
    is_hard = np.zeros(pool.negatives, np.bool_) if pool.hard is None else pool.hard
    hard = order[is_hard[order]][: -(-count // 2)]
    rest = order[~np.isin(order, hard)][: count - len(hard)]
    places = pool.images + np.concatenate([hard, rest])
    return np.stack([places, np.zeros_like(places)], axis=1)


def _grouped(order: Shows, group: NDArray[np.integer], global_size: int) -> Shows:
    """The same showings, full batches of one group first, then what is left over, neighbouring groups together."""
    full, rest = [], []
    for each in np.unique(group):
        members = order[group == each]
        whole = len(members) // global_size * global_size
        full.append(members[:whole])
        rest.append(members[whole:])
    return np.concatenate(full + rest)
