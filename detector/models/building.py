"""From a configuration to a detector: backbone -> norms -> pyramid -> torchvision's Faster R-CNN | RetinaNet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator

import backbones
from backbones.base import Backbone
from backbones.checkpoints import get_size_from_signature
from backbones.errors import ConfigError
from backbones.registry import get_config
from detector.models.anchors import FASTER_RCNN_SIZES, RETINANET_SIZES, StrideAnchors
from detector.models.baseline.resnet import (
    RESNETS,
    ResNetBody,
    check_resnet,
    resnet_anchors,
    resnet_box_head,
    resnet_pyramid,
)
from detector.models.config import ModelConfig
from detector.models.heads import ROI_SIZE, StrideRoIAlign, box_head, box_predictor, retinanet_head, rpn_head
from detector.models.ignoring import IgnoringRetinaNet, IgnoringRoIHeads, IgnoringRPN
from detector.models.own_sizes import losses_by_size, rows_by_size
from detector.models.pyramid import faster_rcnn_pyramid, retinanet_pyramid
from detector.models.targets import check_targets
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD, NormalizeAndPad

DEFAULT_SIZE = (384, 384)  # of the published classifiers
EVERY_DETECTION = 1_000_000  # above the score threshold: more than there are proposals times categories


def build_detector(config: ModelConfig, *, load_weights: bool = True) -> nn.Module:
    """Build a detector with torchvision's call convention.

    `model(images, targets)` returns a dict of losses in training mode, `model(images)` a list of dicts of boxes, labels
    and scores in evaluation mode. Images are (3, H, W), RGB, float in 0..1 or uint8, already resized (see
    detector.data.resizing); boxes are xyxy in their pixels, and labels are 0-based indices into `config.categories`. A
    target may have `ignored`, xyxy (M, 4): regions in which nothing is taught as background.

    Args:
        config: What to build.
        load_weights: Whether the backbone starts from `config.weights`. False leaves it at random, for weights that
            are loaded afterwards; a configuration that `build_detector` resolved before then needs no other file.

    Returns:
        The detector in training mode; `config_of` tells its configuration, with everything resolved.

    Raises:
        ConfigError: There is no such backbone, or the weights are those of another.
        CheckpointError, DownloadError: The weights cannot be used, or not be fetched.
    """
    body: Backbone | ResNetBody
    if config.backbone in RESNETS:
        check_resnet(config)
        body, config = ResNetBody(config.backbone), _with_defaults(config)
    elif config.weights is not None and load_weights:
        body, config = _pretrained_backbone(config)
    else:
        body, config = _random_backbone(config)
    return assemble(config, body)


def assemble(config: ModelConfig, body: Backbone | ResNetBody) -> nn.Module:
    """Put a detector on a backbone; `config` is resolved."""
    if config.freeze_stages is not None:
        body.freeze_stages(config.freeze_stages)
    body.set_grad_checkpointing(config.grad_checkpointing)
    model = _faster_rcnn(config, body) if config.detector == "faster_rcnn" else _retinanet(config, body)
    return model


def config_of(net: nn.Module) -> ModelConfig:
    """The configuration of a network from `build_detector`.

    Raises:
        ConfigError: It is another network.
    """
    if isinstance(net, ConfiguredFasterRCNN | ConfiguredRetinaNet):
        return net.config
    problem = f"a network from build_detector is expected, not {type(net).__name__}"
    raise ConfigError(problem, where="detector", hint="build it with build_detector, or load it with load_detector")


class ConfiguredFasterRCNN(FasterRCNN):
    """torchvision's, and the configuration that made it."""

    def __init__(self, config: ModelConfig, pyramid: nn.Module, **options: Any) -> None:
        super().__init__(pyramid, **options)
        self.config = config

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Losses by name in training mode, else detections an image; see `build_detector`."""
        if self.training:
            check_targets(images, targets, len(self.config.categories))
        return super().forward(images, targets)


class ConfiguredRetinaNet(IgnoringRetinaNet):
    """torchvision's, and the configuration that made it."""

    def __init__(self, config: ModelConfig, pyramid: nn.Module, **options: Any) -> None:
        super().__init__(pyramid, len(config.categories), **options)
        self.config = config

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Losses by name in training mode, else detections an image; see `build_detector`."""
        if self.training:
            check_targets(images, targets, len(self.config.categories))
        if self.config.version == "v1" or len(rows_by_size(images)) == 1:
            return super().forward(images, targets)
        if self.training and targets is not None:
            return losses_by_size(self, images, targets)
        found: dict[int, dict[str, Tensor]] = {}
        for rows in rows_by_size(images).values():
            found |= zip(rows, super().forward([images[row] for row in rows]), strict=True)
        return [found[row] for row in range(len(images))]


def _faster_rcnn(config: ModelConfig, body: Backbone | ResNetBody) -> Any:
    if isinstance(body, ResNetBody):
        pyramid, head = resnet_pyramid(config, body), resnet_box_head(config, ROI_SIZE)
    else:
        pyramid = faster_rcnn_pyramid(body, config.fpn_channels, config.batch_norm, config.weights is not None)
        head = box_head(config)
    anchors = _anchors(config, body, (*pyramid.strides, 2 * pyramid.strides[-1]))
    model = ConfiguredFasterRCNN(
        config,
        pyramid,
        rpn_anchor_generator=anchors,
        rpn_head=rpn_head(config, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=config.train_proposals,
        rpn_post_nms_top_n_train=config.train_proposals,
        rpn_pre_nms_top_n_test=config.proposals,
        rpn_post_nms_top_n_test=config.proposals,
        box_roi_pool=StrideRoIAlign(list(pyramid.norms), pyramid.strides),
        box_head=head,
        box_predictor=box_predictor(config),
        box_score_thresh=config.score_threshold,
        box_nms_thresh=config.nms_iou,
        box_detections_per_img=_before_naming(config),
        box_batch_size_per_image=config.roi_samples,
    )
    # torchvision makes these two itself; the subclasses have no state of their own
    model.rpn.__class__, model.roi_heads.__class__ = IgnoringRPN, IgnoringRoIHeads
    model.transform = _transform(config, first_label=1)
    return model


def _retinanet(config: ModelConfig, body: Backbone | ResNetBody) -> Any:
    if isinstance(body, ResNetBody):
        pyramid = resnet_pyramid(config, body)
    else:
        pyramid = retinanet_pyramid(body, config.fpn_channels, config.batch_norm, config.weights is not None)
    anchors = _anchors(config, body, (*pyramid.strides, 2 * pyramid.strides[-1], 4 * pyramid.strides[-1]))
    model = ConfiguredRetinaNet(
        config,
        pyramid,
        anchor_generator=anchors,
        head=retinanet_head(config, anchors.num_anchors_per_location()[0]),
        score_thresh=config.score_threshold,
        nms_thresh=config.nms_iou,
        detections_per_img=_before_naming(config),
    )
    model.transform = _transform(config, first_label=0)
    return model


def _anchors(config: ModelConfig, body: Backbone | ResNetBody, strides: tuple[int, ...]) -> AnchorGenerator:
    if isinstance(body, ResNetBody):
        return resnet_anchors(config, strides)
    sizes = FASTER_RCNN_SIZES if config.detector == "faster_rcnn" else RETINANET_SIZES
    return StrideAnchors(strides, tuple(size * config.anchor_scale for size in sizes), config.anchor_ratios)


def _before_naming(config: ModelConfig) -> int:
    """Detections of an image before those of one bird under several names become one: `max_detections` counts birds."""
    return EVERY_DETECTION if config.one_name else config.max_detections


def _transform(config: ModelConfig, first_label: int) -> NormalizeAndPad:
    mean, std = config.rgb_mean or IMAGENET_MEAN, config.rgb_std or IMAGENET_STD
    if not config.one_name:
        return NormalizeAndPad(mean, std, first_label)
    return NormalizeAndPad(mean, std, first_label, config.nms_iou, config.max_detections)


def _pretrained_backbone(config: ModelConfig) -> tuple[Backbone, ModelConfig]:
    """The backbone with its classifier's weights, and the configuration with what they bring along."""
    assert config.weights is not None
    source, _, signature, rgb_stats = backbones.load_pretrained_model(config.weights)
    if source.name != config.backbone:
        raise ConfigError(
            f"these are weights of {source.name}, not of {config.backbone}",
            where=config.weights,
            hint=f"set model.backbone={source.name}, or give other weights",
        )
    resolved = config.model_copy(
        update={
            "backbone_size": get_size_from_signature(signature),
            "backbone_config": _differences(source),
            "rgb_mean": tuple(rgb_stats["mean"]),
            "rgb_std": tuple(rgb_stats["std"]),
        }
    )
    with torch.device("meta"):  # the drop path may differ from the file's; shapes do not
        body = _create(resolved)
    state = {name: tensor for name, tensor in source.state_dict().items() if name in body.state_dict()}
    body.load_state_dict(state, assign=True)
    return body, resolved


def _random_backbone(config: ModelConfig) -> tuple[Backbone, ModelConfig]:
    resolved = _with_defaults(config).model_copy(update={"backbone_size": config.backbone_size or DEFAULT_SIZE})
    return _create(resolved), resolved


def _with_defaults(config: ModelConfig) -> ModelConfig:
    """With the colour statistics of ImageNet where no others are given."""
    colours = {"rgb_mean": config.rgb_mean or IMAGENET_MEAN, "rgb_std": config.rgb_std or IMAGENET_STD}
    return config.model_copy(update=colours)


def _create(config: ModelConfig) -> Backbone:
    return backbones.create_model(
        config.backbone,
        num_classes=0,
        input_size=config.backbone_size or DEFAULT_SIZE,
        drop_path_rate=config.drop_path,
        config=config.backbone_config,
    )


def _differences(net: Backbone) -> dict[str, Any]:
    """Where a network's architecture is not its variant's, as YAML and JSON can say it."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in net.config.items()}
    variant = {key: list(value) if isinstance(value, tuple) else value for key, value in get_config(net.name).items()}
    return {key: value for key, value in plain.items() if variant.get(key) != value}
