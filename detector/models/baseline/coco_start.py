"""What torchvision's COCO detectors have that fits ours: the start that `--init coco` gives.

Heads and pyramid of Lin et al.'s design mean the same whatever the backbone below: maps of 256 channels at strides 4 to
128, read by shared heads. Only the laterals, from the backbone's channels to the pyramid's, know the backbone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import detection as torchvision_detection
from torchvision.models.detection import (
    FasterRCNN_ResNet50_FPN_V2_Weights,
    FasterRCNN_ResNet50_FPN_Weights,
    RetinaNet_ResNet50_FPN_V2_Weights,
    RetinaNet_ResNet50_FPN_Weights,
)

from detector.models.baseline.resnet import RESNET, RESNETS
from detector.models.coco import read_weights
from detector.models.config import ModelConfig
from detector.models.pyramid import BODY_PREFIX, LATERALS
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD

BATCH_NORM_EPS = 1e-5
OUTPUTS = "backbone.fpn.layer_blocks."


class Start(NamedTuple):
    """torchvision's architecture of a detector, its weights of COCO, and the epsilon its BatchNorm has with these."""

    build: Callable[..., nn.Module]
    weights: Any
    eps: float = BATCH_NORM_EPS


STARTS = {
    # Weights of the first version come from before BatchNorm had an epsilon; torchvision sets it to 0 for them alone.
    ("faster_rcnn", "v1"): Start(
        torchvision_detection.fasterrcnn_resnet50_fpn, FasterRCNN_ResNet50_FPN_Weights.COCO_V1, 0.0
    ),
    ("faster_rcnn", "v2"): Start(
        torchvision_detection.fasterrcnn_resnet50_fpn_v2, FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    ),
    ("retinanet", "v1"): Start(
        torchvision_detection.retinanet_resnet50_fpn, RetinaNet_ResNet50_FPN_Weights.COCO_V1, 0.0
    ),
    ("retinanet", "v2"): Start(
        torchvision_detection.retinanet_resnet50_fpn_v2, RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1
    ),
}


def coco_start(config: ModelConfig) -> tuple[dict[str, Tensor], ModelConfig]:
    """The tensors of torchvision's detector of COCO under the names of ours, and what they are.

    Args:
        config: The detector to start; its kind and version decide which of torchvision's four it is.

    Returns:
        Tensors by name, for a `resnet50` all of them. For other backbones: without torchvision's and the laterals above
        it; for our own with the BatchNorm of version 2's pyramid folded into the convolutions before it.

    Raises:
        DownloadError: The file is not in torch hub's cache, and cannot be fetched.
        CheckpointError: The file in the cache is damaged.
    """
    start = STARTS[config.detector, config.version]
    state = _state(start)
    if config.backbone == RESNET:
        _shift_variances(state, BATCH_NORM_EPS - start.eps)
    else:
        dropped = (BODY_PREFIX, *LATERALS)
        state = {name: tensor for name, tensor in state.items() if not name.startswith(dropped)}
        # a smaller ResNet has the same norms in its pyramid
        state = state if config.backbone in RESNETS else _folded(state)
    known = ModelConfig(
        detector=config.detector,
        version=config.version,
        categories=_categories(start.weights.meta["categories"], background=config.detector == "retinanet"),
        backbone=RESNET,
        rgb_mean=IMAGENET_MEAN,
        rgb_std=IMAGENET_STD,
    )
    return state, known


def _state(start: Start) -> dict[str, Tensor]:
    with torch.device("meta"):  # shapes without memory
        model = start.build(weights=None, weights_backbone=None, num_classes=len(start.weights.meta["categories"]))
    return read_weights(model, start.weights).state_dict()


def _categories(classes: list[str], *, background: bool) -> tuple[str, ...]:
    """COCO's names by the number of their output; those that no box ever had are told apart by it.

    RetinaNet has an output for the background too, which was never taught.
    """
    times = Counter(classes)
    names = [name if times[name] == 1 else f"{name} {number}" for number, name in enumerate(classes)]
    return tuple(names if background else names[1:])


def _shift_variances(state: dict[str, Tensor], shift: float) -> None:
    """Statistics for BatchNorm with its usual epsilon, of those for another one."""
    if shift:
        for name in state:
            if name.endswith(".running_var"):
                state[name] = state[name] - shift


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """With each BatchNorm of the pyramid's outputs in the convolution before it: the same function."""
    state = dict(state)
    for variance in [name for name in state if name.startswith(OUTPUTS) and name.endswith(".1.running_var")]:
        layer = variance.removesuffix("1.running_var")
        name = f"{layer}0.weight"
        scale = state[f"{layer}1.weight"] / (state[f"{layer}1.running_var"] + BATCH_NORM_EPS).sqrt()
        state[name] = state[name] * scale[:, None, None, None]
        state[f"{layer}0.bias"] = state[f"{layer}1.bias"] - state[f"{layer}1.running_mean"] * scale
        state = {name: tensor for name, tensor in state.items() if not name.startswith(f"{layer}1.")}
    return state
