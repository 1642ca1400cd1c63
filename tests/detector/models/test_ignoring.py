"""In ignored regions nothing is taught as background, in both detectors; birds in them are taught as ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pycocotools import mask
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from detector.models import ModelConfig, build_detector
from detector.models.ignoring import lie_in

SIZE = 256
REGION = (64.0, 64.0, 192.0, 192.0)
BIRD = (96.0, 96.0, 160.0, 160.0)


def build(detector: str) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig(
        detector=detector, backbone="davit_nano", backbone_size=(64, 64), fpn_channels=64, box_head_width=64
    )
    return build_detector(config).train()


def target(boxes: list[tuple[float, ...]], ignored: list[tuple[float, ...]]) -> dict[str, Tensor]:
    as_boxes = [torch.tensor(each, dtype=torch.float32).reshape(-1, 4) for each in (boxes, ignored)]
    return {"boxes": as_boxes[0], "ignored": as_boxes[1], "labels": torch.zeros(len(boxes), dtype=torch.int64)}


def taught(model: nn.Module, wanted: dict[str, Tensor]) -> tuple[dict[str, Tensor], NDArray[np.bool_]]:
    """Losses, and which cells of the finest map get a gradient from the classification of their anchors (h, w)."""
    finest: list[Tensor] = []
    head = model.rpn.head.cls_logits if hasattr(model, "rpn") else model.head.classification_head.cls_logits

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        finest.append(output)

    handle = head.register_forward_hook(keep)
    torch.manual_seed(1)
    image = torch.randint(0, 255, (3, SIZE, SIZE), dtype=torch.uint8)
    losses = model([image], [wanted])
    sum(losses.values()).backward()
    handle.remove()
    gradient = finest[0].grad
    assert gradient is not None
    return losses, (gradient[0].abs().sum(dim=0) > 0).numpy()


def reaching_out(model: nn.Module) -> NDArray[np.bool_]:
    """Which cells of the finest map (h, w) have an anchor of which less than half lies in the region."""
    generator = model.rpn.anchor_generator if hasattr(model, "rpn") else model.anchor_generator
    maps = [torch.zeros(1, 1, SIZE // stride, SIZE // stride) for stride in generator.strides]
    [anchors] = generator(ImageList(torch.zeros(1, 3, SIZE, SIZE), [(SIZE, SIZE)]), maps)
    side, number = SIZE // generator.strides[0], generator.num_anchors_per_location()[0]
    finest = anchors[: side * side * number]
    return (~lie_in(finest, torch.tensor([REGION]))).reshape(side, side, number).any(dim=2).numpy()


def test_nothing_lies_in_no_region() -> None:
    assert lie_in(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)
    assert not lie_in(torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4)).any()
    assert lie_in(torch.zeros(0, 4), torch.tensor([REGION])).shape == (0,)


def test_overlap_is_that_of_pycocotools_with_crowds() -> None:
    rng = np.random.default_rng(0)
    boxes, regions = (np.sort(rng.uniform(0, 100, (count, 2, 2)), axis=1).reshape(-1, 4) for count in (200, 5))
    xywh = [np.concatenate([each[:, :2], each[:, 2:] - each[:, :2]], axis=1) for each in (boxes, regions)]
    expected = (mask.iou(xywh[0], xywh[1], [1] * len(regions)) >= 0.5).any(axis=1)
    assert 0 < expected.sum() < len(boxes)
    assert lie_in(torch.tensor(boxes), torch.tensor(regions)).tolist() == expected.tolist()


@pytest.mark.parametrize("detector", ["retinanet", "faster_rcnn"])
def test_crowd_gives_no_gradient_as_background(detector: str) -> None:
    inner = slice(*((96 // 8, 160 // 8) if detector == "retinanet" else (96 // 4, 160 // 4)))
    _, plain = taught(build(detector), target([], []))
    _, ignoring = taught(build(detector), target([], [REGION]))
    assert plain[inner, inner].any()
    assert not ignoring[inner, inner].any()
    assert ignoring.any()  # around the region


@pytest.mark.parametrize("detector", ["retinanet", "faster_rcnn"])
def test_cells_in_a_crowd_are_taught_only_where_an_anchor_reaches_out_of_it(detector: str) -> None:
    """RetinaNet, which learns from all anchors: 21 of 256 cells, in the corners, by 9 anchors of up to 50 pixels."""
    model = build(detector)
    _, ignoring = taught(model, target([], [REGION]))
    reaching = reaching_out(model)
    if detector == "retinanet":
        np.testing.assert_array_equal(ignoring, reaching)
        assert int(ignoring[8:24, 8:24].sum()) == 21
    else:  # a sample of them
        assert not ignoring[~reaching].any()


@pytest.mark.parametrize("detector", ["retinanet", "faster_rcnn"])
def test_bird_in_a_crowd_is_still_taught(detector: str) -> None:
    losses, _ = taught(build(detector), target([BIRD], [REGION]))
    name = "bbox_regression" if detector == "retinanet" else "loss_rpn_box_reg"
    assert losses[name] > 0


@pytest.mark.parametrize("detector", ["retinanet", "faster_rcnn"])
def test_picture_that_is_all_crowd_teaches_nothing(detector: str) -> None:
    model = build(detector)
    losses, _ = taught(model, target([], [(-1000.0, -1000.0, 2000.0, 2000.0)]))
    assert [value.item() for value in losses.values()] == [0.0] * len(losses)
    used = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in used)  # or other ranks of DDP would wait for them
    assert not any(parameter.grad.any() for parameter in used)


@pytest.mark.parametrize("detector", ["retinanet", "faster_rcnn"])
def test_without_regions_losses_are_those_of_torchvision(detector: str) -> None:
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.roi_heads import RoIHeads
    from torchvision.models.detection.rpn import RegionProposalNetwork

    ours, theirs = build(detector), build(detector)
    if detector == "retinanet":
        theirs.__class__ = RetinaNet
    else:
        theirs.rpn.__class__, theirs.roi_heads.__class__ = RegionProposalNetwork, RoIHeads
    losses = [taught(model, target([BIRD], []))[0] for model in (ours, theirs)]
    assert losses[0] == losses[1]
