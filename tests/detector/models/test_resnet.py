"""The common baseline is torchvision's, tensor for tensor and box for box."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from backbones.errors import ConfigError
from detector.models.building import build_detector
from detector.models.config import ModelConfig

KINDS = {
    ("faster_rcnn", "v1"): detection.fasterrcnn_resnet50_fpn,
    ("faster_rcnn", "v2"): detection.fasterrcnn_resnet50_fpn_v2,
    ("retinanet", "v1"): detection.retinanet_resnet50_fpn,
    ("retinanet", "v2"): detection.retinanet_resnet50_fpn_v2,
}
SIDE = 64  # pixels: torchvision resizes nothing then, and pads nothing


@pytest.fixture(params=KINDS, ids="-".join)
def both(request) -> tuple[nn.Module, nn.Module]:
    """torchvision's detector of three categories, and ours with its weights."""
    kind, version = request.param
    faster = kind == "faster_rcnn"
    torch.manual_seed(0)
    theirs = KINDS[request.param](
        weights=None,
        weights_backbone=None,
        num_classes=3 + faster,
        min_size=SIDE,
        **({"box_score_thresh": 0.0, "rpn_post_nms_top_n_test": 50} if faster else {"score_thresh": 0.0}),
    )
    config = ModelConfig.model_validate(
        {
            "detector": kind,
            "version": version,
            "backbone": "resnet50",
            "categories": ["a", "b", "c"],
            "score_threshold": 0.0,
            "max_detections": 100 if faster else 300,
        }
    )
    with torch.device("meta"):
        ours = build_detector(config)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    if faster:  # which the configuration has as one number with those before suppression
        ours.rpn._post_nms_top_n["testing"] = 50
    return theirs, ours


def test_a_resnet_finds_what_torchvisions_finds(both) -> None:
    theirs, ours = both
    assert list(theirs.state_dict()) == list(ours.state_dict())
    images = [torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))]
    with torch.no_grad():
        [expected], [found] = theirs.eval()(images), ours.eval()(images)
    first_label = 1 if "roi_heads.box_predictor.cls_score.bias" in ours.state_dict() else 0
    assert len(expected["boxes"]) > 10
    assert torch.equal(found["boxes"], expected["boxes"])
    assert torch.equal(found["scores"], expected["scores"])
    assert torch.equal(found["labels"], expected["labels"] - first_label)


def small(**changes: object) -> nn.Module:
    return build_detector(ModelConfig.model_validate({"backbone": "resnet50", "box_head_width": 32, **changes}))


def trained(module: nn.Module) -> list[Tensor]:
    return [each for each in module.parameters() if each.requires_grad]


def test_frozen_stages_and_batch_norm_stay_as_they_are_in_training() -> None:
    model = small(freeze_stages=1, batch_norm="frozen", version="v2").train()
    body = model.backbone.body
    assert not trained(body.conv1)
    assert not trained(body.layer1)
    assert trained(body.layer2)
    norms = [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 53 + 8  # the pyramid's too
    assert not any(norm.training or trained(norm) for norm in norms)
    assert all(norm.training for norm in model.roi_heads.box_head.modules() if isinstance(norm, nn.BatchNorm2d))


def test_checkpointing_gives_the_same_gradients() -> None:
    model = small(batch_norm="frozen").train()
    images = torch.rand(1, 3, 32, 32)

    def gradient() -> Tensor:
        model.zero_grad()
        model.backbone.body.detection_features(images)["stage4"].sum().backward()
        return model.backbone.body.layer1[0].conv1.weight.grad.clone()

    expected = gradient()
    model.backbone.body.set_grad_checkpointing(True)
    assert torch.equal(gradient(), expected)


@pytest.mark.parametrize(
    "setting", [{"weights": "x.pt"}, {"drop_path": 0.1}, {"backbone_config": {"window_size": [4, 4]}}]
)
def test_settings_of_our_own_backbones_are_refused(setting: dict) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{next(iter(setting))}"):
        small(**setting)


def test_the_smaller_one_is_torchvisions_too() -> None:
    theirs = detection.FasterRCNN(resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5), 2)
    with torch.device("meta"):
        ours = build_detector(ModelConfig.model_validate({"backbone": "resnet18"}))
    shapes = {name: each.shape for name, each in ours.state_dict().items() if "num_batches" not in name}
    assert shapes == {name: each.shape for name, each in theirs.state_dict().items()}
