"""torchvision's heads in their two versions, with outputs in float32 whatever they compute in.

Under autocast the convolutions run in bfloat16; from these outputs on, boxes, scores and losses are float32. Version 2
differs from torchvision's in that GroupNorm stands in place of the box head's BatchNorm.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

from detector.models.config import GROUPS, ModelConfig

ROI_SIZE = 7  # cells along the side of a pooled box
LIGHT_DEPTH = 2  # layers of the light head
RPN_DEPTH = {"v1": 1, "v2": 2}


class Float32RPNHead(RPNHead):
    """Region proposals: objectness and box deltas per level, float32."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x)
        return [level.float() for level in logits], [level.float() for level in deltas]


class Float32BoxPredictor(FastRCNNPredictor):
    """Class scores (N, 1 + K) and box deltas (N, 4 + 4K) of pooled boxes, float32."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = super().forward(x)
        return scores.float(), deltas.float()


class SharedBoxPredictor(Float32BoxPredictor):
    """The same with one set of box deltas, which every category gets: where things are does not hang on their names."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, deltas = super().forward(x)
        return scores, deltas.repeat(1, scores.shape[1])


class Float32RetinaNetHead(RetinaNetHead):
    """Class logits (B, anchors, K) and box deltas (B, anchors, 4), float32."""

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {name: output.float() for name, output in super().forward(x).items()}


class LightRetinaNetHead(Float32RetinaNetHead):
    """The same with two depthwise-separable layers that classes and boxes share, in place of eight convolutions.

    At stride 8 the plain head costs as much as a backbone; this one takes a twentieth of its arithmetic.
    """

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, norm_layer: Callable[..., nn.Module] | None
    ) -> None:
        super().__init__(in_channels, num_anchors, num_classes)
        self.classification_head.conv = self.regression_head.conv = nn.Identity()
        self.tower = nn.Sequential(*(_separable(in_channels, norm_layer) for _ in range(LIGHT_DEPTH)))

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return super().forward([self.tower(each) for each in x])


def _separable(channels: int, norm_layer: Callable[..., nn.Module] | None) -> nn.Sequential:
    """(B, C, H, W) -> (B, C, H, W), by a 3 x 3 convolution of each channel, and a 1 x 1 convolution of all."""
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    norm = nn.Identity() if norm_layer is None else norm_layer(channels)
    return nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1), norm, nn.ReLU(inplace=True))


class StrideRoIAlign(MultiScaleRoIAlign):
    """torchvision's pooling of boxes from the level that fits their size, with the strides told.

    Torchvision guesses them from the first image that it sees, and guesses wrong if that one is small.

    Args:
        levels: Names of the maps to pool from.
        strides: Their strides, powers of two, in pixels.
    """

    def __init__(self, levels: list[str], strides: tuple[int, ...]) -> None:
        super().__init__(levels, output_size=ROI_SIZE, sampling_ratio=2)
        self.scales = [1 / stride for stride in strides]
        self.map_levels = initLevelMapper(strides[0].bit_length() - 1, strides[-1].bit_length() - 1)


def rpn_head(config: ModelConfig, anchors_per_cell: int) -> RPNHead:
    """The head of the region proposal network."""
    return Float32RPNHead(config.fpn_channels, anchors_per_cell, conv_depth=RPN_DEPTH[config.version])


def box_head(config: ModelConfig) -> nn.Module:
    """Pooled boxes (N, C, 7, 7) -> (N, box_head_width): two layers (v1), or four convolutions and one layer (v2)."""
    channels = config.fpn_channels
    if config.version == "v1":
        return TwoMLPHead(channels * ROI_SIZE**2, config.box_head_width)
    return FastRCNNConvFCHead(
        (channels, ROI_SIZE, ROI_SIZE), [channels] * 4, [config.box_head_width], partial(nn.GroupNorm, GROUPS)
    )


def box_predictor(config: ModelConfig) -> FastRCNNPredictor:
    """The last layer of Faster R-CNN; class 0 is the background."""
    predictor = SharedBoxPredictor if config.shared_boxes else Float32BoxPredictor
    return predictor(config.box_head_width, len(config.categories) + 1)


def retinanet_head(config: ModelConfig, anchors_per_cell: int) -> RetinaNetHead:
    """RetinaNet's head; v2 has GroupNorm and learns boxes by GIoU instead of L1."""
    norm_layer = partial(nn.GroupNorm, GROUPS) if config.version == "v2" else None
    kind = LightRetinaNetHead if config.light_head else Float32RetinaNetHead
    head = kind(config.fpn_channels, anchors_per_cell, len(config.categories), norm_layer)
    if config.version == "v2":
        head.regression_head._loss_type = "giou"
    return head
