"""Modules that stand where torchvision's detectors and our classifiers have their own, and let parts do the work.

torchvision hands maps from the backbone to the head. A dense part computes both at once: its backbone gives maps that
carry the head's outputs with them, and its head takes them off again. No module keeps anything between calls, so that
several threads may use one detector.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from backbones.errors import CheckpointError
from detector.runtimes.lanes import in_lanes
from detector.runtimes.part import Part

CARRIED = "carried_outputs"  # attribute of a map: what its part gave beside it


class DenseBackbone(nn.Module):
    """In place of a RetinaNet's backbone. Its part: images -> class logits of each level, then box deltas of each.

    Args:
        part: (1, 3, H, W) -> (1, A * K, h, w) for each level, and (1, A * 4, h, w) for each.
    """

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part
        part.alone = True

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps that have the levels' sizes, and nothing else of their own."""
        logits, deltas = by_level(self.part, one_by_one(self.part, images), 2)
        maps = [each.new_zeros(1).expand(len(images), 1, *each.shape[-2:]) for each in logits]
        setattr(maps[0], CARRIED, (logits, deltas))
        return OrderedDict((str(level), each) for level, each in enumerate(maps))


class CarriedRetinaNetHead(nn.Module):
    """In place of a RetinaNet's head: class logits (B, anchors, K) and box deltas (B, anchors, 4).

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        """The head's outputs, in torchvision's order: level by level, cell by cell, anchor by anchor."""
        logits, deltas = getattr(maps[0], CARRIED)
        return {
            "cls_logits": torch.cat([_by_anchor(each, self.num_classes) for each in logits], dim=1),
            "bbox_regression": torch.cat([_by_anchor(each, 4) for each in deltas], dim=1),
        }


class ProposingBackbone(nn.Module):
    """In place of a Faster R-CNN's backbone. Its part: images -> maps, objectness and box deltas of each level.

    Args:
        part: (1, 3, H, W) -> (1, C, h, w) for each level, then (1, A, h, w), then (1, A * 4, h, w).
        levels: Names of the maps.
    """

    def __init__(self, part: Part, levels: list[str]) -> None:
        super().__init__()
        self.part = part
        part.alone = True
        self.levels = levels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The maps by name, finest first."""
        maps, objectness, deltas = by_level(self.part, one_by_one(self.part, images), 3)
        setattr(maps[0], CARRIED, (objectness, deltas))
        return OrderedDict(zip(self.levels, maps, strict=True))


class CarriedRPNHead(nn.Module):
    """In place of a region proposal network's head."""

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness (B, A, h, w) and box deltas (B, A * 4, h, w) of each level."""
        objectness, deltas = getattr(maps[0], CARRIED)
        return list(objectness), list(deltas)


class SharedPool(nn.Module):
    """In place of a detector's pooling of boxes, which torchvision computes on one core: all cores share the boxes.

    Args:
        pool: torchvision's.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: dict[str, Tensor], boxes: list[Tensor], sizes_hw: list[tuple[int, int]]) -> Tensor:
        """(N, C, 7, 7) of N boxes, as torchvision's: each is pooled by itself."""
        threads = torch.get_num_threads()
        if len(boxes) != 1 or threads == 1 or len(boxes[0]) < threads:
            alone: Tensor = self.pool(maps, boxes, sizes_hw)
            return alone
        some = boxes[0].tensor_split(threads)
        return torch.cat(in_lanes(lambda each: self.pool(maps, [each], sizes_hw), some, threads))


class PartBoxHead(nn.Module):
    """In place of a box head, whose predictor is `nn.Identity` then.

    Args:
        part: Pooled boxes (N, C, 7, 7) -> class scores (N, 1 + K) and box deltas (N, 4 + 4K).
        widths: 1 + K, and 4 + 4K: of an answer for no boxes.
    """

    def __init__(self, part: Part, widths: tuple[int, int]) -> None:
        super().__init__()
        self.part = part
        self.widths = widths

    def forward(self, pooled: Tensor) -> tuple[Tensor, ...]:
        """Class scores and box deltas, float32."""
        if not len(pooled):
            return tuple(pooled.new_zeros(0, width, dtype=torch.float32) for width in self.widths)
        found = self.part(pooled)
        if [each.shape for each in found] != [(len(pooled), width) for width in self.widths]:
            raise _misshapen(self.part)
        return found


class PartClassifier(nn.Module):
    """In place of a classifier.

    Args:
        part: Normalised images (N, 3, H, W) -> embeddings (N, D) and logits (N, classes).
        num_classes: Outputs of the classifier.
        embedding_size: D.
    """

    def __init__(self, part: Part, num_classes: int, embedding_size: int) -> None:
        super().__init__()
        self.part = part
        part.alone = True
        self.num_classes = num_classes
        self.embedding_size = embedding_size
        self.classifier = _Carried()

    def embedding(self, images: Tensor) -> Tensor:
        """Embeddings (N, D), which carry their logits to `classifier`."""
        embedding, logits = self._found(images)
        setattr(embedding, CARRIED, logits)
        return embedding

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self._found(images)[1]

    def _found(self, images: Tensor) -> tuple[Tensor, ...]:
        """Crops side by side, where the part is prepared for it."""
        lanes = self.part.lanes
        if not len(images) or (lanes == 1 and not self.part.by_size):
            return self.part(images)
        found = in_lanes(self.part, images.split(1), lanes)
        return tuple(torch.cat(each) for each in zip(*found, strict=True))


class _Carried(nn.Module):
    def forward(self, embedding: Tensor) -> Tensor:
        logits: Tensor = getattr(embedding, CARRIED)
        return logits


def one_by_one(part: Part, images: Tensor) -> tuple[Tensor, ...]:
    """A part's outputs for each image alone, put together: an image never gets others for being in a batch.

    One image keeps all cores busy, and the memory is that of one. A GPU is not busy with one: see `Part.batched`.
    """
    if part.batched:
        return part(images)
    found = [part(images[row : row + 1]) for row in range(len(images))]
    return found[0] if len(found) == 1 else tuple(torch.cat(each) for each in zip(*found, strict=True))


def by_level(part: Part, found: tuple[Tensor, ...], kinds: int) -> list[tuple[Tensor, ...]]:
    """A dense part's outputs by what they are, each (B, channels, h, w) a level.

    Raises:
        CheckpointError: Those of a level are of several sizes, or no maps.
    """
    count = len(found) // kinds
    split = [found[place * count : (place + 1) * count] for place in range(kinds)]
    if any(each.ndim != 4 for each in found) or any(
        len({each.shape[-2:] for each in level}) > 1 for level in zip(*split, strict=True)
    ):
        raise _misshapen(part)
    return split


def _misshapen(part: Part) -> CheckpointError:
    problem = "a part of this export gives outputs whose shapes do not belong together"
    return CheckpointError(problem, where=part.file, hint="export the model again")


def _by_anchor(found: Tensor, width: int) -> Tensor:
    """(B, A * width, h, w) -> (B, h * w * A, width)"""
    batch, _, height, columns = found.shape
    return found.view(batch, -1, width, height, columns).permute(0, 3, 4, 1, 2).reshape(batch, -1, width)
