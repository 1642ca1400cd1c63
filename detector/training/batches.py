"""A step's batch: its parts, and the random numbers that go with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

from detector.data.loader import Batch


def split_batch(batch: Batch, parts: int) -> Iterator[Batch]:
    """Divide a batch into at most so many parts of as equal size as can be; their tensors are views."""
    images = len(batch.image_ids)
    edges = np.linspace(0, images, min(parts, images) + 1).round().astype(int).tolist()
    pixels = np.cumsum([0] + [3 * height * width for height, width in batch.sizes_hw])
    boxes = np.cumsum([0, *batch.counts])
    for start, end in pairwise(edges):
        yield Batch(
            batch.pixels[pixels[start] : pixels[end]],
            batch.boxes[boxes[start] : boxes[end]],
            batch.labels[boxes[start] : boxes[end]],
            batch.sizes_hw[start:end],
            batch.counts[start:end],
            batch.image_ids[start:end],
        )


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch's generators for one step of one process: drop path, and the sampling of anchors and proposals.

    So a step does not depend on what was drawn before it, and a resumed run needs no state of generators.
    """
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]))
