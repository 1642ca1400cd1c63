"""ResNets under a detector, as torchvision builds them: the common baseline, under torchvision's own names.

A detector with `resnet50` has the tensors of torchvision's `fasterrcnn_resnet50_fpn` (v1), its `_v2`,
`retinanet_resnet50_fpn` or its `_v2`, and finds the same: BatchNorm in place of our norms, and torchvision's anchors.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.models import resnet18, resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, TwoMLPHead
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

from backbones.errors import ConfigError
from detector.models.anchors import FASTER_RCNN_SIZES, RETINANET_SIZES, Float32Anchors
from detector.models.config import ModelConfig
from detector.models.pyramid import CoarseLevels, PyramidBackbone

RESNET = "resnet50"  # what torchvision's detectors of COCO have
RESNETS = {RESNET: (resnet50, (256, 512, 1024, 2048)), "resnet18": (resnet18, (64, 128, 256, 512))}  # and channels
LAYERS = ("layer1", "layer2", "layer3", "layer4")


class ResNetBody(nn.Module):
    """torchvision's ResNet without its classifier, as a backbone; each layer is a stage, under its own name.

    Args:
        name: One of `RESNETS`.
    """

    return_strides = (4, 8, 16, 32)

    def __init__(self, name: str) -> None:
        super().__init__()
        build, self.return_channels = RESNETS[name]
        net = build(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.frozen_stages: int | None = None
        self.grad_checkpointing = False

    def detection_features(self, x: Tensor) -> dict[str, Tensor]:
        """Normalised images (B, 3, H, W) -> `stage1` .. `stage4`: (B, C, ceil(H / stride), ceil(W / stride))."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps: dict[str, Tensor] = {}
        for number, name in enumerate(LAYERS, start=1):
            layer = getattr(self, name)
            again = self.grad_checkpointing and self.training
            x = checkpoint(layer, x, use_reentrant=False) if again else layer(x)
            maps[f"stage{number}"] = x
        return maps

    def freeze_stages(self, count: int) -> None:
        """Stop training the stem and the first `count` layers; torchvision's `trainable_layers` is 4 - count."""
        self.frozen_stages = count
        for module in self._frozen_modules():
            module.requires_grad_(False)
        self.train(self.training)

    def set_grad_checkpointing(self, enabled: bool = True) -> None:
        """Keep only the layers' inputs for the backward, and compute the rest again."""
        self.grad_checkpointing = enabled

    def train(self, mode: bool = True) -> ResNetBody:
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages is None:
            return []
        return [getattr(self, name) for name in ("conv1", "bn1", *LAYERS[: self.frozen_stages])]


class ResNetPyramid(PyramidBackbone):
    """torchvision's pyramid: its stages have their norms already."""

    def stage_norm(self, channels: int) -> nn.Module:
        return nn.Identity()


class NormedResNetPyramid(ResNetPyramid):
    """That of Faster R-CNN v2, with a BatchNorm after each of its convolutions."""

    pyramid_norm = nn.BatchNorm2d


def check_resnet(config: ModelConfig) -> None:
    """Refuse what a ResNet has not.

    Raises:
        ConfigError: A setting is one of our own backbones'.
    """
    hint = "leave it out; `--init coco` starts from torchvision's detector of COCO"
    for name, value in (("weights", config.weights), ("drop_path", config.drop_path)):
        if value is not None:
            raise ConfigError(f"{config.backbone} knows no {name}", where=f"model.{name}", hint=hint)
    if config.backbone_config:
        problem = f"{config.backbone} is as torchvision builds it"
        raise ConfigError(problem, where="model.backbone_config", hint="leave it out")


def resnet_pyramid(config: ModelConfig, body: Any) -> PyramidBackbone:
    """Body and pyramid as torchvision has them for this detector and version."""
    channels, faster = config.fpn_channels, config.detector == "faster_rcnn"
    extra: ExtraFPNBlock = LastLevelMaxPool()
    if not faster:
        # the first version makes P6 from P5, the second from the last stage
        extra = CoarseLevels(channels if config.version == "v1" else body.return_channels[-1], channels)
        extra.use_P5 = config.version == "v1"
    pyramid = NormedResNetPyramid if faster and config.version == "v2" else ResNetPyramid
    return pyramid(body, 1 if faster else 2, channels, extra, config.batch_norm, False)


def resnet_anchors(config: ModelConfig, strides: tuple[int, ...]) -> AnchorGenerator:
    """torchvision's anchors: whole pixels, on strides told from the maps."""
    sizes = FASTER_RCNN_SIZES if config.detector == "faster_rcnn" else RETINANET_SIZES
    scaled = tuple(tuple(int(size * stride * config.anchor_scale) for size in sizes) for stride in strides)
    return Float32Anchors(scaled, (config.anchor_ratios,) * len(strides))


def resnet_box_head(config: ModelConfig, roi_size: int) -> nn.Module:
    """torchvision's box head; the second version has BatchNorm, which sees hundreds of boxes an image."""
    channels = config.fpn_channels
    if config.version == "v1":
        return TwoMLPHead(channels * roi_size**2, config.box_head_width)
    return FastRCNNConvFCHead((channels, roi_size, roi_size), [channels] * 4, [config.box_head_width], nn.BatchNorm2d)
