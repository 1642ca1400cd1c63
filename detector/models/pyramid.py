"""Backbone, a norm on each tapped stage, feature pyramid: images in, the maps that detectors look at out."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from backbones.base import Backbone

BatchNormPolicy = Literal["auto", "train", "frozen"]
BODY_PREFIX = "backbone.body."  # of the names of the backbone's tensors in a detector


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel: (B, C, H, W) -> (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # a view: the maps are channels-last


class CoarseLevels(LastLevelP6P7):
    """P6 and P7 by 3 x 3 convolutions of stride 2, always in float32.

    In bfloat16 on CPU, oneDNN's weight gradient of such a convolution reads memory that nobody wrote where the map is
    one pixel wide (torch 2.15), as P6 is for images up to 64 pixels wide. These maps are too small to take any time.
    """

    def forward(self, p: list[Tensor], c: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        with torch.autocast(c[-1].device.type, enabled=False):
            return super().forward(p, [c[-1].float()], names)


class PyramidBackbone(nn.Module):
    """Backbone -> LayerNorm per stage -> feature pyramid.

    The norms lie on the taps alone; the backbone's own stages see what they were trained on. Classifier and last norm
    of the backbone, and the norms of stages that are not tapped, do not exist: every parameter is used.

    Args:
        body: The classifier; its head is cut off.
        first_stage: The first stage that is tapped, 1 to 4.
        out_channels: Channels of the pyramid.
        extra_blocks: What makes the levels above stage 4.
        batch_norm: How the backbone's BatchNorm is treated; "auto" freezes it if `pretrained`.
        pretrained: Whether the backbone starts from weights.
    """

    def __init__(
        self,
        body: Backbone,
        first_stage: int,
        out_channels: int,
        extra_blocks: ExtraFPNBlock,
        batch_norm: BatchNormPolicy,
        pretrained: bool,
    ) -> None:
        super().__init__()
        body.reset_classifier(0)
        body.features = nn.Sequential()
        self.body = body
        tapped = range(first_stage, len(body.return_channels) + 1)
        self.norms = nn.ModuleDict({f"stage{stage}": ChannelNorm(body.return_channels[stage - 1]) for stage in tapped})
        channels = [body.return_channels[stage - 1] for stage in tapped]
        self.fpn = FeaturePyramidNetwork(channels, out_channels, extra_blocks)
        self.out_channels = out_channels
        self.strides = tuple(body.return_strides[stage - 1] for stage in tapped)
        self.batch_norm_frozen = False
        if batch_norm == "frozen" or (batch_norm == "auto" and pretrained):
            self.freeze_batch_norm()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Normalised images (B, 3, H, W) -> maps (B, out_channels, H / stride, W / stride) by level, finest first."""
        maps = self.body.detection_features(x)
        return self.fpn({stage: norm(maps[stage]) for stage, norm in self.norms.items()})

    def freeze_batch_norm(self) -> None:
        """Keep the statistics and the affine parameters of the backbone's BatchNorm as they are."""
        self.batch_norm_frozen = True
        for module in self._batch_norms():
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PyramidBackbone":
        super().train(mode)
        if self.batch_norm_frozen:
            for module in self._batch_norms():
                module.eval()
        return self

    def _batch_norms(self) -> list[nn.Module]:
        return [module for module in self.body.modules() if isinstance(module, nn.BatchNorm2d)]


def faster_rcnn_pyramid(
    body: Backbone, channels: int, batch_norm: BatchNormPolicy, pretrained: bool
) -> PyramidBackbone:
    """Levels at strides 4 to 32, and one at 64 by subsampling."""
    return PyramidBackbone(body, 1, channels, LastLevelMaxPool(), batch_norm, pretrained)


def retinanet_pyramid(body: Backbone, channels: int, batch_norm: BatchNormPolicy, pretrained: bool) -> PyramidBackbone:
    """Levels at strides 8 to 32, and P6 and P7 (64, 128) by convolution from the normed stage 4."""
    extra = CoarseLevels(body.return_channels[-1], channels)
    extra.use_P5 = False  # torchvision would take P5 where stage 4 happens to have as many channels as the pyramid
    return PyramidBackbone(body, 2, channels, extra, batch_norm, pretrained)
