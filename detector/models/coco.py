"""The built-in detectors: torchvision's, trained on COCO, whose 80 classes are joined into four.

`coco` is Faster R-CNN v2 (COCO AP 46.7): birds can be found with it on the first day, and a person or a cat in front of
the camera is not called blank. `coco-fast` is Faster R-CNN on a MobileNetV3 (AP 32.8, about a twenty-fifth of the
arithmetic): a first look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir
from torchvision.models import WeightsEnum
from torchvision.models.detection import (
    FasterRCNN,
    FasterRCNN_MobileNet_V3_Large_FPN_Weights,
    FasterRCNN_ResNet50_FPN_V2_Weights,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from torchvision.ops import batched_nms

from backbones.errors import CheckpointError, DownloadError
from backbones.tensor_files import fitted, read_pt
from detector.models.anchors import Float32Anchors
from detector.models.config import ModelConfig
from detector.models.heads import Float32BoxPredictor, Float32RPNHead
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD, NormalizeAndPad

COCO_NAME, FAST_NAME = "coco", "coco-fast"
WEIGHTS = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
_FAST_WEIGHTS = FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1


@dataclass(frozen=True)
class BuiltIn:
    """A built-in detector.

    Attributes:
        build: Makes the network.
        weights: Those that torchvision publishes.
        version: Of its heads; see `ModelConfig`.
        backbone: What its backbone is called.
    """

    build: Callable[..., FasterRCNN]
    weights: WeightsEnum
    version: str
    backbone: str


BUILT_IN = {
    COCO_NAME: BuiltIn(fasterrcnn_resnet50_fpn_v2, WEIGHTS, "v2", "resnet50"),
    FAST_NAME: BuiltIn(fasterrcnn_mobilenet_v3_large_fpn, _FAST_WEIGHTS, "v1", "mobilenet_v3_large"),
}

GROUPS: dict[str, tuple[str, ...]] = {
    "bird": ("bird",),
    "other animal": ("cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "person": ("person",),
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
}
DROPPED = -1  # group of all other classes, the background among them
BEFORE_JOINING = 300  # detections of 80 classes, so that 100 of the four remain in a crowded picture


class JoinedClasses(NormalizeAndPad):
    """The transform of a detector whose classes are joined into groups, as labels 0, 1, ... in the groups' order.

    A dog that is found as a sheep too has two boxes before, and one after.

    Args:
        config: What the joined detector is to look like.
        classes: Names of the classes, the background first.
        groups: Names of the classes in each group.
    """

    across_names = False

    def __init__(self, config: ModelConfig, classes: list[str], groups: dict[str, tuple[str, ...]]) -> None:
        super().__init__(IMAGENET_MEAN, IMAGENET_STD, 0, config.nms_iou, config.max_detections)
        group_of = {name: index for index, names in enumerate(groups.values()) for name in names}
        self.group_of_class = torch.tensor([group_of.get(name, DROPPED) for name in classes], device="cpu")

    def finished(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        labels = self.group_of_class.to(found["labels"].device)[found["labels"]]
        known = labels != DROPPED
        return super().finished({name: values[known] for name, values in {**found, "labels": labels}.items()})

    def kept(self, boxes: Tensor, scores: Tensor, labels: Tensor, nms_iou: float) -> Tensor:
        return batched_nms(boxes, scores, labels, nms_iou)  # a person in a car is both


def load_coco(name: str = COCO_NAME) -> tuple[nn.Module, ModelConfig]:
    """Load a built-in detector in evaluation mode, on the CPU, and what it is.

    Args:
        name: Of `BUILT_IN`.

    Raises:
        DownloadError: It is not in torch hub's cache, and cannot be fetched.
        CheckpointError: The file in the cache is damaged.
    """
    model, config = build_coco(name)
    return read_weights(model, BUILT_IN[name].weights).eval(), config


def build_coco(name: str = COCO_NAME) -> tuple[Any, ModelConfig]:
    """A built-in detector without its weights, on torch's meta device, and what it is."""
    built_in = BUILT_IN[name]
    config = ModelConfig(
        detector="faster_rcnn",
        version=built_in.version,  # type: ignore[arg-type]
        categories=tuple(GROUPS),
        backbone=built_in.backbone,
        weights=name,
        rgb_mean=IMAGENET_MEAN,
        rgb_std=IMAGENET_STD,
        max_detections=100,  # as in its own evaluation
    )
    classes = built_in.weights.meta["categories"]
    with torch.device("meta"):  # shapes without memory
        model: Any = built_in.build(
            weights=None,
            weights_backbone=None,
            num_classes=len(classes),
            box_score_thresh=config.score_threshold,
            box_nms_thresh=config.nms_iou,
            box_detections_per_img=BEFORE_JOINING,
        )
    model.transform = JoinedClasses(config, classes, GROUPS)
    # these have no state of their own: boxes and scores in float32, whatever the convolutions compute in
    model.rpn.head.__class__, model.roi_heads.box_predictor.__class__ = Float32RPNHead, Float32BoxPredictor
    model.rpn.anchor_generator.__class__ = Float32Anchors
    return model, config


def read_weights(model: nn.Module, weights: WeightsEnum) -> nn.Module:
    """Put published weights into a network of torchvision that was built without memory.

    Raises:
        DownloadError: They are not in torch hub's cache, and cannot be fetched.
        CheckpointError: The file in the cache is damaged.
    """
    path = weights_file(weights)
    hint = f"delete it, and fetch {weights.url} again"
    try:
        state = read_pt(path)
        found = _with_names_of_today(state) if isinstance(state, dict) else {}
        counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(".num_batches_tracked")}
        model.load_state_dict(fitted({**counters, **found}, model.state_dict(), path), assign=True)
    except CheckpointError as error:
        raise CheckpointError(error.problem, where=path, hint=hint) from error
    return model


def _with_names_of_today(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file under the names that torchvision's layers have now; its first ones came before them."""

    def renamed(name: str) -> str:
        name = re.sub(r"^(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2", name)
        name = re.sub(r"^(backbone\.fpn\.\w+_blocks\.\d)\.(weight|bias)$", r"\1.0.\2", name)
        # a convolution and a ReLU in turns became pairs of them
        old = re.match(r"(head\.\w+\.conv)\.(\d)\.(weight|bias)$", name)
        return f"{old[1]}.{int(old[2]) // 2}.0.{old[3]}" if old else name

    return {renamed(name): tensor for name, tensor in state.items()}


def coco_file(name: str = COCO_NAME) -> Path:
    """The weights of a built-in detector in torch hub's cache, downloaded where they are not there yet."""
    return weights_file(BUILT_IN[name].weights)


def weights_file(weights: WeightsEnum) -> Path:
    """Published weights in torch hub's cache, downloaded where they are not there yet.

    Raises:
        DownloadError: They cannot be fetched.
    """
    name = Path(urlsplit(weights.url).path).name
    path = Path(get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hash_prefix = path.stem.rpartition("-")[2]  # torch hub's convention: ...-<the sha256's first digits>.pth
        download_url_to_file(weights.url, str(path), hash_prefix)
    except (OSError, RuntimeError) as error:  # no network, no room; a wrong hash is a RuntimeError
        raise DownloadError(
            f"{name} was not fetched ({error})",
            where=weights.url,
            hint=f"download this file (74 to 167 MB) on a machine with internet, and put it at {path}",
        ) from error
    return path
