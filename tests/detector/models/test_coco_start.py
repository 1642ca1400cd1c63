"""`--init coco`, parameter by parameter; torchvision's networks with random weights stand for the published ones."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.detection._utils import overwrite_eps

from backbones.errors import DownloadError
from detector.models.baseline.coco_start import STARTS
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig
from detector.models.initialisation import init_from_detector

BIRD = 16  # in COCO's list, the background is 0
HEADS = ("rpn.head.", "roi_heads.box_head.", "head.")
NEW = ("backbone.norms.", "backbone.fpn.inner_blocks.", "backbone.fpn.extra_blocks.p6.")


@pytest.fixture(scope="module", autouse=True)
def published() -> Iterator[None]:
    """Networks that were made stay until the last test of this file; each has 150 MB."""
    yield
    network.cache_clear()


@functools.cache
def network(kind: str, version: str) -> nn.Module:
    """torchvision's network with random weights and statistics."""
    with torch.device("meta"):
        theirs = STARTS[kind, version].build(weights=None, weights_backbone=None, num_classes=91)
    theirs.to_empty(device="cpu")
    torch.manual_seed(0)
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            positive = name.endswith("running_var") or tensor.ndim == 1
            nn.init.uniform_(tensor, *((0.5, 1.5) if positive else (-0.05, 0.05)))
        else:
            tensor.zero_()
    return theirs.eval()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, without a way to the internet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(hub: Path, kind: str, version: str) -> nn.Module:
    """`network` in the cache under the published name."""
    theirs = network(kind, version)
    torch.save(theirs.state_dict(), hub / Path(STARTS[kind, version].weights.url).name)
    return theirs


def make(kind: str, version: str, **changes: object) -> nn.Module:
    torch.manual_seed(1)
    settings = {"detector": kind, "version": version, "backbone": "davit_nano", "categories": ["heron", "bird"]}
    return build_detector(ModelConfig.model_validate({**settings, **changes}))


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("faster_rcnn", "v2"),
        ("retinanet", "v2"),
        pytest.param("faster_rcnn", "v1", marks=pytest.mark.slow),
        pytest.param("retinanet", "v1", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_pyramid_and_heads_are_torchvisions(kind: str, version: str, hub: Path) -> None:
    theirs = publish(hub, kind, version)
    given = theirs.state_dict()
    model = make(kind, version)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = init_from_detector(model, "coco")
    after = model.state_dict()
    categorical = ("roi_heads.box_predictor.", "head.classification_head.cls_logits.")
    for name, tensor in after.items():
        if name.startswith(("backbone.body.", *NEW)):
            assert torch.equal(tensor, before[name]), name
        elif name.startswith(HEADS) and not name.startswith(categorical):
            assert torch.equal(tensor, given[name]), name
    maps = torch.rand(1, 256, 5, 5)
    for ours, other in zip(model.backbone.fpn.layer_blocks, theirs.backbone.fpn.layer_blocks, strict=True):
        torch.testing.assert_close(ours(maps), other(maps), rtol=1e-4, atol=1e-5)
    if kind == "faster_rcnn":
        scores, deltas = (f"roi_heads.box_predictor.{layer}.weight" for layer in ("cls_score", "bbox_pred"))
        assert torch.equal(after[scores][[0, 2]], given[scores][[0, BIRD]])
        assert torch.equal(after[scores][1], before[scores][1])  # COCO knows no heron
        assert torch.equal(after[deltas][8:12], given[deltas][4 * BIRD : 4 * BIRD + 4])
    else:
        outputs = "head.classification_head.cls_logits.weight"
        assert torch.equal(after[outputs][1::2], given[outputs][BIRD::91])
        assert torch.equal(after[outputs][0::2], before[outputs][0::2])
    new = tuple(name for name in after if name.startswith(NEW))
    assert report.left == new
    assert report.shared_categories == ("bird",)
    assert "backbone.norms" in str(report)
    assert config_of(model).batch_norm == "auto"  # the backbone is not COCO's


@pytest.mark.parametrize("version", ["v2", pytest.param("v1", marks=pytest.mark.slow)])
@torch.no_grad()
def test_a_resnet_takes_over_everything_and_finds_the_same_birds(version: str, hub: Path) -> None:
    theirs = publish(hub, "faster_rcnn", version)
    if version == "v1":
        theirs = copy.deepcopy(theirs)
        overwrite_eps(theirs, 0.0)  # as torchvision does with its published weights
    model = make("faster_rcnn", version, backbone="resnet50", categories=["bird"]).eval()
    report = init_from_detector(model, "coco")
    assert report.left == ()
    assert model.backbone.batch_norm_frozen
    images = torch.rand(1, 3, 64, 64)
    features, expected = model.backbone(images), theirs.backbone(images)
    for ours, other in zip(features.values(), expected.values(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-3, atol=1e-3)
    pooled = torch.rand(2, 256, 7, 7)
    scores, deltas = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
    all_scores, all_deltas = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(pooled))
    torch.testing.assert_close(scores, all_scores[:, [0, BIRD]])
    torch.testing.assert_close(deltas[:, 4:], all_deltas[:, 4 * BIRD : 4 * BIRD + 4])


@torch.no_grad()
def test_a_smaller_resnet_takes_over_pyramid_and_heads(hub: Path) -> None:
    given = publish(hub, "faster_rcnn", "v2").state_dict()
    model = make("faster_rcnn", "v2", backbone="resnet18", categories=["bird"])
    report = init_from_detector(model, "coco")
    taken = {name: tensor for name, tensor in model.state_dict().items() if name in report.copied}
    assert all(torch.equal(tensor, given[name]) for name, tensor in taken.items() if "box_predictor" not in name)
    assert {name.split(".")[2] for name in report.left} == {"inner_blocks"}
    assert not model.backbone.batch_norm_frozen


@torch.no_grad()
def test_other_widths_and_ratios_keep_what_is_new_and_say_so(hub: Path) -> None:
    publish(hub, "retinanet", "v2")
    model = make("retinanet", "v2", fpn_channels=64, anchor_ratios=[1.0], anchor_scale=0.5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = init_from_detector(model, "coco")
    assert report.copied == ()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert "anchor_scale was 1 and is 0.5" in str(report)


def test_offline_the_missing_file_is_named(hub: Path) -> None:
    with pytest.raises(DownloadError, match=r"retinanet_resnet50_fpn_coco-eeacb38b\.pth"):
        init_from_detector(make("retinanet", "v1", fpn_channels=64), "coco")


def test_older_files_are_read_under_todays_names(hub: Path) -> None:
    from detector.models.coco import _with_names_of_today

    old = ["rpn.head.conv.weight", "backbone.fpn.inner_blocks.2.bias", "head.classification_head.conv.6.weight"]
    new = ["rpn.head.conv.0.0.weight", "backbone.fpn.inner_blocks.2.0.bias", "head.classification_head.conv.3.0.weight"]
    assert list(_with_names_of_today(dict.fromkeys(old))) == new
    assert list(_with_names_of_today(dict.fromkeys(new))) == new
