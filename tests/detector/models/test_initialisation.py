from pathlib import Path

import pytest
import torch
from torch import nn

from backbones.errors import ConfigError
from detector.models.building import config_of
from detector.models.detector import Detector
from detector.models.initialisation import init_from_detector
from detector.models.saving import save_detector

CLASSIFIERS = {
    "faster_rcnn": ("roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.bbox_pred.bias"),
    "retinanet": ("head.classification_head.cls_logits.weight", "head.classification_head.cls_logits.bias"),
}


@pytest.fixture
def save(tmp_path: Path, make_detector):
    """A saved detector whose tensors are all random, and its path."""

    def _save(**changes: object) -> tuple[nn.Module, Path]:
        model = make_detector(**changes)
        torch.manual_seed(11)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                nn.init.uniform_(tensor)
        path = tmp_path / "start.safetensors"
        save_detector(path, Detector.of(model))
        return model, path

    return _save


def category_rows(model: nn.Module, name: str, category: str) -> torch.Tensor:
    """The outputs of one category, told independently of the code under test."""
    config = config_of(model)
    tensor, index, count = model.state_dict()[name], config.categories.index(category), len(config.categories)
    if "cls_score" in name:
        return tensor[index + 1]
    if "bbox_pred" in name:
        return tensor[4 * (index + 1) : 4 * (index + 2)]
    return tensor[index::count]  # anchor by anchor, category by category


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_the_same_categories_take_over_everything(detector: str, save, make_detector) -> None:
    start, path = save(detector=detector, categories=["a", "b"])
    model = make_detector(detector=detector, categories=["a", "b"])
    report = init_from_detector(model, path)
    assert report.left == ()
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in start.state_dict().items())


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_categories_that_both_know_go_along_by_name(detector: str, save, make_detector) -> None:
    start, path = save(detector=detector, categories=["a", "b", "c"])
    model = make_detector(detector=detector, categories=["c", "new", "a"])  # as many, but others
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = init_from_detector(model, path)
    assert report.shared_categories == ("c", "a")
    for name in CLASSIFIERS[detector]:
        for category in ("a", "c"):
            assert torch.equal(category_rows(model, name, category), category_rows(start, name, category))
        kept = model.state_dict()[name] == initial[name]
        assert category_rows_mask(kept, model, name, "new").all()
    if detector == "faster_rcnn":
        name = CLASSIFIERS[detector][0]
        assert torch.equal(model.state_dict()[name][0], start.state_dict()[name][0])  # the background


def category_rows_mask(kept: torch.Tensor, model: nn.Module, name: str, category: str) -> torch.Tensor:
    index, count = config_of(model).categories.index(category), len(config_of(model).categories)
    if "cls_score" in name:
        return kept[index + 1]
    return kept[4 * (index + 1) : 4 * (index + 2)] if "bbox_pred" in name else kept[index::count]


def test_no_category_in_common_keeps_the_new_outputs_and_says_so(save, make_detector) -> None:
    _, path = save(detector="retinanet", categories=["a"])
    model = make_detector(detector="retinanet", categories=["x", "y"])
    report = init_from_detector(model, path)
    assert report.left == CLASSIFIERS["retinanet"]
    assert str(report).endswith("new: head.classification_head (2); of the categories, none is known to it")


def test_another_head_takes_over_backbone_and_pyramid(save, make_detector) -> None:
    start, path = save(detector="faster_rcnn")
    model = make_detector(detector="retinanet")
    report = init_from_detector(model, path)
    assert any(name.startswith("head.") for name in report.left)
    body = start.backbone.body.state_dict()
    assert all(torch.equal(tensor, model.backbone.body.state_dict()[name]) for name, tensor in body.items())


def test_colours_and_frozen_batch_norm_go_along(save, make_detector) -> None:
    _, path = save(backbone="biformer_nano", rgb_mean=[0.1, 0.2, 0.3], rgb_std=[0.4, 0.5, 0.6])
    model = make_detector(backbone="biformer_nano")
    assert not model.backbone.batch_norm_frozen
    init_from_detector(model, path)
    assert model.backbone.batch_norm_frozen
    assert config_of(model).batch_norm == "frozen"  # so that a resumed run is built like this one
    assert config_of(model).rgb_mean == (0.1, 0.2, 0.3)
    assert list(model.transform.image_std) == [0.4, 0.5, 0.6]


def test_windows_of_another_size_are_refused(save, make_detector) -> None:
    _, path = save(backbone_size=[96, 96])
    with pytest.raises(ConfigError, match=r"set model.backbone_size=\[96, 96\]"):
        init_from_detector(make_detector(), path)


def test_another_backbone_is_refused(save, make_detector) -> None:
    _, path = save(backbone="biformer_nano")
    model = make_detector(backbone="davit_nano")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError, match=r"backbone biformer_nano does not fit.*set model.backbone=biformer_nano"):
        init_from_detector(model, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True)])
def test_box_deltas_that_are_shared_go_along_whole_or_not_at_all(
    before: bool, after: bool, save, make_detector
) -> None:
    start, path = save(detector="faster_rcnn", categories=["a", "b", "c"], shared_boxes=before)
    model = make_detector(detector="faster_rcnn", categories=["a", "new"], shared_boxes=after)
    report = init_from_detector(model, path)
    name = "roi_heads.box_predictor.bbox_pred.weight"
    assert (name in report.copied) == (before and after)
    if before and after:
        assert torch.equal(model.state_dict()[name], start.state_dict()[name])


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ""),
        ({"anchor_scale": 0.5}, "anchor_scale was 1 and is 0.5"),
        (
            {"anchor_scale": 0.5, "anchor_ratios": (0.2, 0.25, 0.3)},
            "anchor_scale was 1 and is 0.5, anchor_ratios was [0.5, 1.0, 2.0] and is [0.2, 0.25, 0.3]",
        ),
    ],
)
def test_heads_that_were_taught_with_other_anchors_are_said(detector, settings, said, save, make_detector) -> None:
    _, path = save(detector=detector)
    report = init_from_detector(make_detector(detector=detector, **settings), path)
    assert bool(report.anchors) == bool(said)
    assert said in str(report)


def test_another_head_has_no_anchors_to_compare(save, make_detector) -> None:
    _, path = save(detector="retinanet")
    assert not init_from_detector(make_detector(anchor_scale=0.25), path).anchors
