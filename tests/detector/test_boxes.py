import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchvision import ops

from detector.boxes import box_areas, box_iou, clip_boxes, paired_iou, xywh_to_xyxy, xyxy_to_xywh

coordinates = st.floats(-1000, 1000, width=32)
sides = st.floats(0, 1000, width=32)


@st.composite
def boxes(draw, min_count=0):
    count = draw(st.integers(min_count, 6))
    corners = draw(arrays(np.float64, (count, 2), elements=coordinates))
    return np.concatenate([corners, corners + draw(arrays(np.float64, (count, 2), elements=sides))], axis=1)


@given(boxes())
def test_conversions_match_torchvision(boxes_xyxy):
    expected = ops.box_convert(torch.from_numpy(boxes_xyxy), "xyxy", "xywh").numpy()
    np.testing.assert_array_equal(xyxy_to_xywh(boxes_xyxy), expected)
    expected = ops.box_convert(torch.from_numpy(boxes_xyxy), "xywh", "xyxy").numpy()
    np.testing.assert_array_equal(xywh_to_xyxy(boxes_xyxy), expected)


@given(boxes(), st.integers(1, 900), st.integers(1, 900))
def test_clipping_matches_torchvision(boxes_xyxy, width, height):
    expected = ops.clip_boxes_to_image(torch.from_numpy(boxes_xyxy), (height, width)).numpy()
    np.testing.assert_array_equal(clip_boxes(boxes_xyxy, (width, height)), expected)


@given(boxes(), boxes())
def test_areas_and_iou_match_torchvision(some, others):
    np.testing.assert_allclose(box_areas(some), ops.box_area(torch.from_numpy(some)).numpy())
    expected = ops.box_iou(torch.from_numpy(some), torch.from_numpy(others)).numpy()
    np.testing.assert_allclose(box_iou(some, others), np.nan_to_num(expected), atol=1e-12)
    count = min(len(some), len(others))
    each = paired_iou(some[:count], others[:count])
    np.testing.assert_array_equal(each, box_iou(some, others)[:count, :count].diagonal())


def test_every_box_can_have_a_frame_of_its_own():
    boxes_xyxy = np.array([[-5.0, 0, 50, 50], [0, 0, 50, 50]])
    clipped = clip_boxes(boxes_xyxy, np.array([[20, 30], [40, 10]]))
    assert clipped.tolist() == [[0, 0, 20, 30], [0, 0, 40, 10]]


@pytest.mark.parametrize("function", [xywh_to_xyxy, xyxy_to_xywh, box_areas])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(function, dtype):
    assert function(np.ones((2, 4), dtype)).dtype == dtype


def test_two_empty_boxes_have_no_overlap():
    point = np.zeros((1, 4))
    assert box_iou(point, point).tolist() == [[0.0]]
