"""The dense parts of networks, each as a module from tensors to tensors that can be traced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from backbones.errors import ConfigError
from detector.conversion.tracing import for_tracing
from detector.models.detector import Detector
from detector.models.exported import BOXES, DENSE
from detector.species.classifier import CLASSIFIER, SpeciesClassifier

FOUND = ("boxes", "scores", "labels")
EXAMPLE_SIDE = 256  # pixels: an example shows which operators there are; all sizes are free
LAST_LAYERS = ("cls_logits", "bbox_reg", "bbox_pred", "cls_score", "classifier")  # never in 8 bits


@dataclass(frozen=True, eq=False)
class Cut:
    """A part of a network.

    Attributes:
        module: Tensor -> tuple of tensors.
        example: An input.
        free: Names of the input's sizes that may change, by dimension.
        outputs: Names of the outputs.
        input: Name of the input.
        free_outputs: Names of the outputs' sizes that may change, by output, where they do not follow from the input's.
    """

    module: nn.Module
    example: Tensor
    free: Mapping[int, str]
    outputs: tuple[str, ...]
    input: str = "input"
    free_outputs: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


class WholeDetector(nn.Module):
    """A picture (3, H, W), RGB in 0..1, of any size -> boxes xyxy (N, 4) in its pixels, scores (N,), labels (N,)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Boxes, scores and labels, the best first."""
        found = self.net([picture])[0]
        return tuple(found[name] for name in FOUND)


class RetinaNetDense(nn.Module):
    """Normalised images (B, 3, H, W), H and W multiples of 32 -> logits of each level, then box deltas of each."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.backbone, self.head = net.backbone, net.head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, A * K, h, w) a level, then (B, A * 4, h, w) a level."""
        tower = getattr(self.head, "tower", nn.Identity())  # of a light head
        maps = [tower(each) for each in self.backbone(images).values()]
        classes, boxes = self.head.classification_head, self.head.regression_head
        logits = [classes.cls_logits(classes.conv(each)) for each in maps]
        return *logits, *(boxes.bbox_reg(boxes.conv(each)) for each in maps)


class FasterRCNNDense(nn.Module):
    """Normalised images -> maps of each level, then objectness of each, then box deltas of each."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.backbone, self.head = net.backbone, net.rpn.head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, h, w) a level, (B, A, h, w) a level, (B, A * 4, h, w) a level."""
        maps = list(self.backbone(images).values())
        objectness, deltas = self.head(maps)
        return *maps, *objectness, *deltas


class BoxDense(nn.Module):
    """Pooled boxes (N, C, 7, 7) -> class scores (N, 1 + K), box deltas (N, 4 + 4K)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.head, self.predictor = net.roi_heads.box_head, net.roi_heads.box_predictor

    def forward(self, pooled: Tensor) -> tuple[Tensor, ...]:
        """Scores and deltas."""
        found: tuple[Tensor, Tensor] = self.predictor(self.head(pooled))
        return found


class ClassifierDense(nn.Module):
    """Normalised images (N, 3, H, W) -> embeddings (N, D), logits (N, classes)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings and logits."""
        embedding = self.net.embedding(images)
        return embedding, self.net.classifier(embedding)


def whole(model: Detector) -> Cut:
    """A RetinaNet with its anchors, decoding and suppression, for programs that have none of these."""
    torch.manual_seed(0)
    picture = torch.rand(3, EXAMPLE_SIDE, EXAMPLE_SIDE + 32)
    found = {name: {0: "found"} for name in FOUND}
    return Cut(
        WholeDetector(for_tracing(model.net)).eval(), picture, {1: "height", 2: "width"}, FOUND, "picture", found
    )


def dense_modules(net: Any) -> dict[str, nn.Module]:
    """The dense parts of a detector's network by name."""
    if hasattr(net, "roi_heads"):
        return {DENSE: FasterRCNNDense(net).eval(), BOXES: BoxDense(net).eval()}
    return {DENSE: RetinaNetDense(net).eval()}


def cut(model: Detector | SpeciesClassifier) -> dict[str, Cut]:
    """The dense parts of a model by name; the model is left as it is.

    Raises:
        ConfigError: Another runtime has it already.
    """
    if model.runtime != "torch":
        hint = "give the model that it was made from"
        raise ConfigError(f"this model is run by {model.runtime} already", where=model.source, hint=hint)
    if isinstance(model, SpeciesClassifier):
        module = ClassifierDense(for_tracing(model.net))
        example = torch.zeros(2, 3, *model.size_hw)
        return {CLASSIFIER: Cut(module.eval(), example, {0: "crops"}, ("embeddings", "logits"))}
    net: Any = for_tracing(model.net)
    modules = dense_modules(net)
    images = torch.zeros(1, 3, EXAMPLE_SIDE, EXAMPLE_SIDE + 32)
    free = {0: "pictures", 2: "height", 3: "width"}
    if model.meta.config.detector == "retinanet":
        levels = range(len(net.anchor_generator.sizes))
        outputs = tuple(f"{kind}_{level}" for kind in ("logits", "deltas") for level in levels)
        return {DENSE: Cut(modules[DENSE], images, free, outputs)}
    levels = range(len(net.rpn.anchor_generator.sizes))
    outputs = tuple(f"{kind}_{level}" for kind in ("map", "objectness", "deltas") for level in levels)
    pool = net.roi_heads.box_roi_pool.output_size
    pooled = torch.zeros(3, net.backbone.out_channels, *pool)
    return {
        DENSE: Cut(modules[DENSE], images, free, outputs),
        BOXES: Cut(modules[BOXES], pooled, {0: "boxes"}, ("scores", "deltas")),
    }
