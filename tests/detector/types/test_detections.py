import numpy as np
import pytest

from detector.types import Detections


def make(count=3):
    boxes = np.arange(count)[:, None] + np.array([0, 0, 5, 7])
    return Detections(boxes, np.linspace(0.9, 0.1, count), np.arange(count))


def test_no_detections_keep_their_shapes():
    for nothing in (Detections.empty(), Detections([], [], []), make()[:0]):
        assert len(nothing) == 0
        assert nothing.boxes_xyxy.shape == (0, 4)
        assert nothing.labels.dtype == np.int64


def test_types_are_converted():
    detections = Detections([[0, 0, 1, 1]], [1], np.array([2], np.uint8))
    assert detections.boxes_xyxy.dtype == detections.scores.dtype == np.float32
    assert detections.labels.dtype == np.int64


def test_score_threshold_keeps_order_and_includes_equality():
    detections = Detections(np.tile([0, 0, 1, 1], (3, 1)), [0.5, 0.9, 0.25], [0, 1, 2])
    assert detections.above(0.5).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "message"),
    [
        ([[0, 0, 1]], [1], [0], r"\(N, 4\)"),
        ([[0, 0, 1, 1]], [1, 1], [0], "1 boxes"),
        ([[0, 0, 1, 1]], [1], [], "1 boxes"),
        ([[0, 0, 1, np.nan]], [1], [0], "finite"),
        ([[0, 0, 1, 1]], [np.inf], [0], "finite"),
        ([[2, 0, 1, 1]], [1], [0], "x1 <= x2"),
        ([[0, 0, 1, 1]], [1], [-1], ">= 0"),
        ([[0, 0, 1, 1]], [1], [0.5], "integers"),
    ],
)
def test_wrong_values_are_refused_at_birth(boxes, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        Detections(boxes, scores, labels)


def test_a_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        make().scores = np.zeros(3)
