"""Labels count from 0 here, and from 1 in torchvision: the habit fails with words, before anything is learnt."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backbones.errors import DataError

IMAGE = torch.rand(3, 64, 64)
BOX = torch.tensor([[4.0, 4.0, 40.0, 40.0]])


def target(label: int = 0) -> dict[str, torch.Tensor]:
    return {"boxes": BOX, "labels": torch.tensor([label])}


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_an_image_without_boxes_is_learnt_from(kind: str, make_detector) -> None:
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = make_detector(detector=kind)([IMAGE], [nothing])
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_labels_counted_from_1_are_refused_with_a_hint(kind: str, make_detector) -> None:
    net = make_detector(detector=kind, categories=["a", "b"])
    net([IMAGE, IMAGE], [target(0), target(1)])
    with pytest.raises(DataError, match=r"labels are 1 to 2, and those of 2 categories are 0 to 1.*take 1 off"):
        net([IMAGE, IMAGE], [target(1), target(2)])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (None, "needs targets"),
        ([], "1 images need as many targets, not 0"),
        (target(), "not a dict"),
        ([BOX], "a dict is expected"),
        ([{"boxes": BOX}], "no tensor 'labels'"),
        ([{"boxes": BOX.tolist(), "labels": torch.tensor([0])}], "no tensor 'boxes'"),
        ([{"boxes": BOX[0], "labels": torch.tensor([0])}], "boxes are"),
        ([{"boxes": BOX.long(), "labels": torch.tensor([0])}], "int64"),
        ([{"boxes": BOX, "labels": torch.tensor([0, 1])}], "beside 1 boxes"),
        ([{"boxes": BOX, "labels": torch.tensor([0.0])}], "float32"),
        ([{"boxes": BOX, "labels": torch.tensor([-1])}], "labels are -1"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(targets: Any, message: str, make_detector) -> None:
    with pytest.raises(DataError, match=message):
        make_detector()([IMAGE], targets)
