"""RetinaNet on pictures of several sizes, its head on each of them as if it were alone.

A batch is padded to its largest picture. A norm over the whole map (GroupNorm) would count the cells of the padding,
which are not there where detections are made: batches hold pictures of one size then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from detector.models.transform import PAD_MULTIPLE

Targets = list[dict[str, Tensor]]


def rows_by_size(images: list[Tensor]) -> dict[tuple[int, int], list[int]]:
    """Places of images (3, H, W) by height and width, pixels, that each has alone in a network."""
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        height, width = (-(-side // PAD_MULTIPLE) * PAD_MULTIPLE for side in image.shape[-2:])
        rows[height, width].append(row)
    return rows


def losses_by_size(net: Any, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
    """The losses of a RetinaNet as means over the images; backbone and pyramid see the whole batch at once.

    Args:
        net: The detector, in training mode.
        images: RGB (3, H, W).
        targets: What is to be found in each.
    """
    rows_of = rows_by_size(images)
    batch, targets = net.transform(images, targets)
    maps = list(net.backbone(batch.tensors).values())
    losses: dict[str, Tensor] = {}
    for (height, width), rows in rows_of.items():
        chosen = torch.tensor(rows, device=batch.tensors.device)
        cells = [(-(-height // stride), -(-width // stride)) for stride in net.anchor_generator.strides]
        own = [each.index_select(0, chosen)[:, :, :h, :w] for each, (h, w) in zip(maps, cells, strict=True)]
        sizes = ImageList(batch.tensors, [batch.image_sizes[row] for row in rows])
        part = net.compute_loss([targets[row] for row in rows], net.head(own), net.anchor_generator(sizes, own))
        for name, loss in part.items():
            losses[name] = losses.get(name, 0.0) + loss * (len(rows) / len(images))
    return losses
