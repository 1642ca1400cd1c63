"""Box sizes against the anchors that there are, at the size that the network sees."""

import numpy as np
import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou

from detector.data.doctor.box_sizes import Unmatched, network_boxes_xywh, size_histogram, unmatched
from detector.data.doctor.examination import examine
from detector.data.packed import CocoSource
from detector.data.resizing import SizeRule
from detector.models.building import build_detector
from detector.models.config import ModelConfig


def test_no_boxes_have_no_sizes():
    assert set(size_histogram(np.zeros((0, 4))).values()) == {0}
    assert unmatched(np.zeros((0, 4)), "RetinaNet") == Unmatched()


def test_box_sizes_are_counted_by_the_root_of_their_area():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 8, 8], [0, 0, 16, 64], [5, 5, 512, 512]], float)
    counts = size_histogram(boxes)
    assert {name: count for name, count in counts.items() if count} == {"< 8": 1, "8-16": 1, "32-64": 1, ">= 512": 1}


@pytest.mark.parametrize(
    ("side", "faster_rcnn", "retinanet"),
    [(17, 1, 1), (18, 0, 1), (20, 0, 1), (21, 0, 0), (32, 0, 0)],  # 17.5^2 / 32^2 = 0.3, 20.2^2 / 32^2 = 0.4
)
def test_boxes_too_small_for_every_anchor(side, faster_rcnn, retinanet):
    box = np.array([[0.0, 0, side, side]])
    assert unmatched(box, "Faster R-CNN") == Unmatched(small=faster_rcnn)
    assert unmatched(box, "RetinaNet") == Unmatched(small=retinanet)


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("ratios", [(0.5, 1.0, 2.0), (9.0,), (0.2, 5.0)])
@pytest.mark.parametrize(("detector", "least"), [("Faster R-CNN", 0.3), ("RetinaNet", 0.4)])
def test_boxes_are_held_against_the_anchors_that_there_are(detector, least, ratios, scale):
    """By torchvision's overlap of anchors that the detector itself makes."""
    rng = np.random.default_rng(3)
    boxes = np.concatenate([np.zeros((500, 2)), np.exp(rng.uniform(np.log(3), np.log(2000), (500, 2)))], axis=1)
    name = "faster_rcnn" if detector == "Faster R-CNN" else "retinanet"
    config = ModelConfig.model_validate(
        {"backbone": "davit_nano", "detector": name, "anchor_scale": scale, "anchor_ratios": ratios}
    )
    model = build_detector(config)
    generator = model.rpn.anchor_generator if name == "faster_rcnn" else model.anchor_generator
    anchors = torch.cat(AnchorGenerator(generator.sizes, generator.aspect_ratios).cell_anchors).double()
    centred = torch.from_numpy(np.concatenate([-boxes[:, 2:] / 2, boxes[:, 2:] / 2], axis=1))
    expected = float((box_iou(centred, anchors).amax(dim=1) < least).double().mean())
    assert unmatched(boxes, detector, ratios, scale).share == pytest.approx(expected, abs=0.011)  # theirs are rounded


def test_boxes_that_match_no_anchor_are_told_by_what_they_are():
    boxes = np.array([[0.0, 0, 5, 5], [0, 0, 1400, 1400], [0, 0, 200, 10], [0, 0, 100, 100]])
    assert unmatched(boxes, "Faster R-CNN") == Unmatched(0.25, 0.25, 0.25)
    assert str(unmatched(boxes[2:], "Faster R-CNN")) == "50% match no anchor (50% of another shape)"


def test_boxes_in_the_network_and_in_crops_of_native_resolution():
    boxes, sizes = np.array([[8.0, 4, 40, 20], [8, 4, 40, 20]]), np.array([[4000, 3000], [400, 300]])
    rule = SizeRule(800, 1333)
    np.testing.assert_allclose(
        network_boxes_xywh(boxes, sizes, rule)[:, 2], [40 * rule.size((4000, 3000))[0] / 4000, 40 * 1067 / 400]
    )
    np.testing.assert_allclose(network_boxes_xywh(boxes, sizes, rule, native=True)[:, 2], [40, 40 * 1067 / 400])


@pytest.mark.parametrize(
    ("size_wh", "box", "told"),
    [
        ((4000, 4000), [10, 10, 50, 50], {"small_boxes"}),  # 10 pixels in the network
        ((100, 100), [10, 10, 9, 9], set()),  # too small as they are, and 72 pixels in the network
        ((640, 640), [10, 10, 80, 80], set()),
        ((1333, 800), [1, 1, 1331, 798], {"large_boxes"}),  # not to be made larger still
        ((640, 640), [10, 10, 400, 20], {"long_boxes"}),
    ],
)
def test_advice_on_box_sizes_is_for_the_size_in_the_network(coco_set, size_wh, box, told):
    for record in coco_set.document["images"]:
        record |= {"width": size_wh[0], "height": size_wh[1]}
    for record in coco_set.document["annotations"]:
        record["bbox"] = box
    codes = {finding.code for finding in examine(CocoSource(*coco_set.source)).findings}
    assert {"small_boxes", "large_boxes", "long_boxes"} & codes == told
