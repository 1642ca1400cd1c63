"""Soft suppression in place of a detector's own, against a plain loop over what the network gives unsuppressed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.ops import box_iou

from backbones.errors import ConfigError
from detector.api.predict import predict
from detector.evaluation.detecting import DetectionOptions, limited
from detector.models.building import config_of
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect, image_tensor
from detector.models.suppressing.soft import with_suppression

FOUND = 60  # before suppression; a plain loop over more takes its time


def softened(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, least: float) -> list[tuple[float, int]]:
    """Scores and places of what stays, the best first; Bodla et al. 2017, figure 2, with a gaussian of 0.5."""
    left, kept = dict(enumerate(scores.tolist())), []
    while left:
        best = max(left, key=left.__getitem__)
        kept.append((left.pop(best), best))
        for other in list(left):
            if labels[other] == labels[best]:
                iou = box_iou(boxes[best][None], boxes[other][None]).nan_to_num().item()  # some have no area
                left[other] *= math.exp(-(iou**2) / 0.5)
                if left[other] <= least:
                    del left[other]
    return sorted(kept, reverse=True)


def unsuppressed(net: nn.Module, picture: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
    part = getattr(net, "roi_heads", net)
    before = part.nms_thresh, part.detections_per_img
    part.nms_thresh, part.detections_per_img = 1.1, 10**6
    with torch.no_grad():
        [found] = net.eval()([image_tensor(picture)])
    part.nms_thresh, part.detections_per_img = before
    return found


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)  # of the network's size


@pytest.fixture
def make_net(make_detector, picture) -> Callable[[str, int], tuple[nn.Module, float]]:
    """A network that finds `FOUND` boxes of two categories in the picture, before suppression, and its threshold."""

    def make(kind: str, limit: int = 300) -> tuple[nn.Module, float]:
        net = make_detector(detector=kind, categories=["a", "b"], max_detections=limit, proposals=60, score_threshold=0)
        part = getattr(net, "roi_heads", net)
        for weights in part.parameters():  # initial weights are so small that all scores are alike
            if weights.ndim == 4 and kind == "retinanet":
                nn.init.kaiming_normal_(weights)
        part.score_thresh = float(unsuppressed(net, picture)["scores"].sort(descending=True).values[FOUND])
        return net, part.score_thresh

    return make


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
@pytest.mark.parametrize("limit", [300, 7])
def test_it_is_the_papers_over_all_that_the_network_finds(kind, limit, make_net, picture) -> None:
    net, threshold = make_net(kind, limit)
    raw = unsuppressed(net, picture)
    expected = softened(raw["boxes"], raw["scores"], raw["labels"], threshold)[:limit]
    hard = detect(Detector.of(net), [picture])[0]
    [found] = detect(replace(Detector.of(net), suppression="soft"), [picture])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, [score for score, _ in expected], rtol=1e-4)
    places = [place for _, place in expected]
    np.testing.assert_allclose(found.boxes_xyxy, raw["boxes"][places].numpy(), atol=1e-3)
    assert found.labels.tolist() == raw["labels"][places].tolist()
    again = detect(Detector.of(net), [picture])[0]
    np.testing.assert_array_equal(again.scores, hard.scores)
    if limit == 300:
        assert len(raw["scores"]) > len(hard), "something overlaps"


def test_where_labels_only_say_bird_names_do_not_part_boxes(make_net, picture) -> None:
    net, threshold = make_net("faster_rcnn")
    raw = unsuppressed(net, picture)
    expected = softened(raw["boxes"], raw["scores"], torch.zeros_like(raw["labels"]), threshold)
    with limited(net, one_name=True):
        [found] = detect(replace(Detector.of(net), suppression="soft"), [picture])
    np.testing.assert_allclose(found.scores, [score for score, _ in expected], rtol=1e-4)


def test_what_it_cannot_go_with_is_refused(make_detector, picture) -> None:
    with pytest.raises(ConfigError, match="would give a bird several names"):
        predict(make_detector(one_name=True), picture, suppression="soft")
    with pytest.raises(ConfigError, match="soft suppression and tta"):
        predict(make_detector(), picture, suppression="soft", tta=True)
    soft = Detector(make_detector(), DetectorMeta(config_of(make_detector())), suppression="soft")
    with pytest.raises(ConfigError, match="soft suppression and tta"):
        predict(soft, picture, tta=True)
    assert with_suppression(soft, None, tta=False).suppression == "soft"
    assert with_suppression(soft, "hard", tta=True).suppression == "hard"
    with pytest.raises(ConfigError, match="suppression is hard or soft, not 'none'"):
        predict(make_detector(), picture, suppression="none")  # type: ignore[arg-type]


def test_figures_say_what_they_hold_with() -> None:
    assert DetectionOptions().words("hard") is None
    assert DetectionOptions(tile=True).words("soft") == "--tile --suppression soft"
