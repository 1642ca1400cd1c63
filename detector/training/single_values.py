"""BatchNorm learns nothing from one value a channel: what could leave it one is refused before the first step."""

from __future__ import annotations

import itertools

import numpy as np
from torch import nn

from backbones.errors import ConfigError
from detector.data.loader import EpochSampler
from detector.models.transform import PAD_MULTIPLE
from detector.training.resolving import Resolved, images_a_device

EPOCHS_LOOKED_AT = 3  # the smallest batch is as large in every epoch, unless categories are repeated by chance


def refuse_single_values(resolved: Resolved, processes: int) -> None:
    """Refuse a run in which one small picture can be alone in the network: its coarsest map is a single cell.

    Raises:
        ConfigError: There is such a picture and such a batch, and BatchNorm is trained.
    """
    if not any(isinstance(each, nn.BatchNorm2d) and each.training for each in resolved.model.modules()):
        return
    if _smallest_side(resolved) > PAD_MULTIPLE or _smallest_part(resolved, processes) > 1:
        return
    raise ConfigError(
        f"a picture of at most {PAD_MULTIPLE} x {PAD_MULTIPLE} pixels may be alone in a step, "
        "and BatchNorm cannot learn from one value",
        where="train.batch_size",
        hint="set a larger model.min_size (or data.augmentation.crop_size), model.batch_norm=frozen, or a "
        f"train.batch_size that leaves no single picture of {len(resolved.data.train)}",
    )


def _smallest_side(resolved: Resolved) -> int:
    """The long side in pixels of the smallest picture, as small as it may come into the network."""
    augmentation, rule = resolved.config.data.augmentation, resolved.size_rule
    scaled = rule.sizes(resolved.data.sizes_wh) * min(1.0, augmentation.scale[0])
    smallest = int(np.rint(scaled).max(axis=1).min())
    return smallest if augmentation.crop_size is None else min(smallest, augmentation.crop_size)


def _smallest_part(resolved: Resolved, processes: int) -> int:
    """Images that are at least in the network at once."""
    config = resolved.config
    sampler = EpochSampler(
        resolved.training_dataset, images_a_device(config, processes), config.data, world_size=processes
    )
    sizes = []
    for epoch in range(min(config.train.last_epoch, EPOCHS_LOOKED_AT)):
        sampler.start(epoch)
        sizes += [len(keys) for keys in itertools.islice(sampler, len(sampler))]
    return min(size // min(size, config.train.accumulate) for size in sizes)
