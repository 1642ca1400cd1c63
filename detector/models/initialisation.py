"""Starting a detector from another one, also from one with other categories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backbones.errors import ConfigError
from detector.models.baseline.coco_start import coco_start
from detector.models.baseline.resnet import RESNET
from detector.models.building import config_of
from detector.models.coco import COCO_NAME
from detector.models.config import ModelConfig
from detector.models.pyramid import BODY_PREFIX
from detector.models.saving import read_detector

# of the backbone's tensors: another depth may do, another family has a few names in common by chance
MIN_AGREEMENT = 0.5

# layers with outputs per category; Faster R-CNN's have the background in front
_BOX_LAYER = "roi_heads.box_predictor.bbox_pred"
_FASTER_RCNN_LAYERS = ("roi_heads.box_predictor.cls_score", _BOX_LAYER)
_RETINANET_LAYER = "head.classification_head.cls_logits"
_SHOWN_CATEGORIES = 12


@dataclass(frozen=True)
class InitReport:
    """What a detector took over from another.

    Attributes:
        copied: Names of the tensors that were taken over, whole or for the categories that both know.
        left: Names of the tensors that keep their initial values; without a backbone's that has weights of its own.
        shared_categories: The categories that both know; the others' outputs keep their initial values.
        anchors: How the anchors differ, in words: the heads were taught with others, and must learn these. Empty where
            they are the same.
    """

    copied: tuple[str, ...]
    left: tuple[str, ...]
    shared_categories: tuple[str, ...]
    anchors: str = ""

    def __str__(self) -> str:
        total = len(self.copied) + len(self.left)
        parts = Counter(".".join(name.split(".")[:2]) for name in self.left)
        kept = f"; new: {', '.join(f'{part} ({count})' for part, count in parts.items())}" if parts else ""
        shared = ", ".join(self.shared_categories[:_SHOWN_CATEGORIES])
        more = ", ..." if len(self.shared_categories) > _SHOWN_CATEGORIES else ""
        known = f"{len(self.shared_categories)} known to it: {shared}{more}" if shared else "none is known to it"
        anchors = f"; {self.anchors}" if self.anchors else ""
        return f"{len(self.copied)} of {total} tensors taken over{kept}; of the categories, {known}{anchors}"


@torch.no_grad()
def init_from_detector(model: nn.Module, source: str | Path) -> InitReport:
    """Copy into a detector what fits from another's file.

    Tensors fit that have the same name and shape. The last layers are copied category by category, by name: two
    detectors of twelve species each share only those that both know. The colour statistics go along, and with
    `batch_norm: auto` the backbone's BatchNorm is frozen from here on; `model.config` says both.

    Args:
        model: The detector to start; changed in place.
        source: The other detector's file; or `coco`, torchvision's detector of COCO of the same kind and version, whose
            pyramid and heads fit any backbone (the detector keeps its own backbone, and its laterals are new).

    Raises:
        CheckpointError: The file cannot be used.
        DownloadError: torchvision's is not here, and cannot be fetched.
        ConfigError: The backbone is another one: less than half of it would be taken over, or its windows differ.
    """
    config = config_of(model)
    if source == COCO_NAME:
        state, old = coco_start(config)
    else:
        state, meta = read_detector(source)
        old = meta.config
        _check_backbone(model, state, source, old)
    shared = tuple(name for name in config.categories if name in old.categories)
    copied: list[str] = []
    left: list[str] = []
    for name, target in model.state_dict().items():
        fits = name in state and _copy(target, state[name], name, config, old)
        (copied if fits else left).append(name)
    if brings_backbone(config, source):
        _take_over_settings(model, config, old)
    else:
        left = [name for name in left if not name.startswith(BODY_PREFIX)]  # it has its own weights, or none
    return InitReport(tuple(copied), tuple(left), shared, _other_anchors(config, old))


def brings_backbone(config: ModelConfig, source: str | Path) -> bool:
    """Whether the backbone starts from `source` too: torchvision's detectors of COCO have one for a ResNet alone."""
    return source != COCO_NAME or config.backbone == RESNET


def _other_anchors(config: ModelConfig, old: ModelConfig) -> str:
    """Where the same outputs mean boxes of another size or shape."""
    if config.detector != old.detector:
        return ""
    changes = [
        f"anchor_{name} was {before} and is {now}"
        for name, before, now in (
            ("scale", f"{old.anchor_scale:g}", f"{config.anchor_scale:g}"),
            ("ratios", list(old.anchor_ratios), list(config.anchor_ratios)),
        )
        if before != now
    ]
    if not changes:
        return ""
    return f"its heads know other anchors ({', '.join(changes)}) and must learn anew how large birds are"


def _check_backbone(model: Any, state: dict[str, Tensor], source: str | Path, old: ModelConfig) -> None:
    config = config_of(model)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items() if name.startswith(BODY_PREFIX)}
    fitting = [name for name, shape in expected.items() if name in state and state[name].shape == shape]
    if len(fitting) < MIN_AGREEMENT * len(expected):
        raise ConfigError(
            f"its backbone {old.backbone} does not fit: it has {len(fitting)} of the {len(expected)} tensors of "
            f"{config.backbone}",
            where=source,
            hint=f"set model.backbone={old.backbone}, or give another detector",
        )
    if config.backbone_size != old.backbone_size and hasattr(model.backbone.body, "window_size"):
        raise ConfigError(
            f"its backbone was made for images of {old.backbone_size}, this one for {config.backbone_size}: "
            "its attention has windows of another size",
            where=source,
            hint=f"set model.backbone_size={list(old.backbone_size or ())}",
        )


def _take_over_settings(model: Any, config: ModelConfig, old: ModelConfig) -> None:
    """Colour statistics and BatchNorm go with the backbone's weights."""
    changes: dict[str, Any] = {"rgb_mean": old.rgb_mean, "rgb_std": old.rgb_std}
    if config.batch_norm == "auto":
        changes["batch_norm"] = "frozen"
        model.backbone.freeze_batch_norm()
    model.config = config.model_copy(update=changes)
    model.transform.image_mean, model.transform.image_std = old.rgb_mean, old.rgb_std


def _copy(target: Tensor, source: Tensor, name: str, config: ModelConfig, old: ModelConfig) -> bool:
    """Copy what fits, and say whether anything did."""
    layer = name.rpartition(".")[0]
    by_category = layer in (*_FASTER_RCNN_LAYERS, _RETINANET_LAYER)
    if layer == _BOX_LAYER and (config.shared_boxes or old.shared_boxes):
        by_category = False
    if config.categories == old.categories or not by_category:
        fits = target.shape == source.shape
        if fits:
            target.copy_(source)
        return fits
    background = layer in _FASTER_RCNN_LAYERS
    rows, other_rows = _rows(config, old, background), _rows(old, config, background)
    to, given = _by_category(target, config, background), _by_category(source, old, background)
    fits = bool(rows) and to.shape[1:] == given.shape[1:]
    if fits:
        to[rows] = given[other_rows]
    return fits


def _by_category(tensor: Tensor, config: ModelConfig, background: bool) -> Tensor:
    """A view of weights or biases with the categories in front: (K or 1 + K, outputs of each, ...)."""
    if background:
        return tensor.unflatten(0, (len(config.categories) + 1, -1))
    return tensor.unflatten(0, (-1, len(config.categories))).transpose(0, 1)  # RetinaNet: anchor by anchor


def _rows(config: ModelConfig, other: ModelConfig, background: bool) -> list[int]:
    """Where the shared categories, in their sorted order, stand among a detector's outputs."""
    shared = sorted(set(config.categories) & set(other.categories))
    places = [config.categories.index(name) + background for name in shared]
    return [0, *places] if background else places
