"""Backbone, a norm on each tapped stage, feature pyramid: images in, the maps that detectors look at out."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from backbones.base import Backbone

BatchNormPolicy = Literal["auto", "train", "frozen"]
BODY_PREFIX = "backbone.body."  # of the names of the backbone's tensors in a detector

# what lies between the backbone's channels and the pyramid's: norms, 1 x 1 convolutions, and P6 from the last stage
LATERALS = ("backbone.norms.", "backbone.fpn.inner_blocks.", "backbone.fpn.extra_blocks.p6.")


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
        source = (p if self.use_P5 else c)[-1].float()
        with torch.autocast(source.device.type, enabled=False):
            p6 = self.p6(source)
            p7 = self.p7(F.relu(p6))
        return [*p, p6, p7], [*names, "p6", "p7"]


class PyramidBackbone(nn.Module):
    """Backbone -> LayerNorm per stage -> feature pyramid.

    The norms lie on the taps alone; the backbone's own stages see what they were trained on. Classifier and last norm
    of the backbone, and the norms of stages that are not tapped, do not exist: every parameter is used.

    Args:
        body: The classifier, without its head.
        first_stage: The first stage that is tapped, 1 to 4.
        out_channels: Channels of the pyramid.
        extra_blocks: What makes the levels above stage 4.
        batch_norm: How the backbone's BatchNorm is treated; "auto" freezes it if `pretrained`.
        pretrained: Whether the backbone starts from weights.
    """

    pyramid_norm: Callable[..., nn.Module] | None = None  # after each convolution of the pyramid

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
        self.body = body
        tapped = range(first_stage, len(body.return_channels) + 1)
        self.norms = nn.ModuleDict(
            {f"stage{stage}": self.stage_norm(body.return_channels[stage - 1]) for stage in tapped}
        )
        channels = [body.return_channels[stage - 1] for stage in tapped]
        self.fpn = FeaturePyramidNetwork(channels, out_channels, extra_blocks, self.pyramid_norm)
        self.out_channels = out_channels
        self.strides = tuple(body.return_strides[stage - 1] for stage in tapped)
        self.batch_norm_frozen = False
        if batch_norm == "frozen" or (batch_norm == "auto" and pretrained):
            self.freeze_batch_norm()

    def stage_norm(self, channels: int) -> nn.Module:
        """The norm on the map of a tapped stage."""
        return ChannelNorm(channels)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Normalised images (B, 3, H, W) -> maps (B, out_channels, H / stride, W / stride) by level, finest first."""
        maps = self.body.detection_features(x)
        return self.fpn({stage: norm(maps[stage]) for stage, norm in self.norms.items()})

    def freeze_batch_norm(self) -> None:
        """Keep the statistics and the affine parameters of the BatchNorm here as they are."""
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
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]


def faster_rcnn_pyramid(
    body: Backbone, channels: int, batch_norm: BatchNormPolicy, pretrained: bool
) -> PyramidBackbone:
    """Levels at strides 4 to 32, and one at 64 by subsampling."""
    return PyramidBackbone(_headless(body), 1, channels, LastLevelMaxPool(), batch_norm, pretrained)


def retinanet_pyramid(body: Backbone, channels: int, batch_norm: BatchNormPolicy, pretrained: bool) -> PyramidBackbone:
    """Levels at strides 8 to 32, and P6 and P7 (64, 128) by convolution from the normed stage 4."""
    extra = CoarseLevels(body.return_channels[-1], channels)
    extra.use_P5 = False  # torchvision would take P5 where stage 4 happens to have as many channels as the pyramid
    return PyramidBackbone(_headless(body), 2, channels, extra, batch_norm, pretrained)


def _headless(body: Backbone) -> Backbone:
    """A classifier without its head."""
    body.reset_classifier(0)
    body.features = nn.Sequential()
    return body
