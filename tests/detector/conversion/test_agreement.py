"""What an export is measured by: the boxes and names of the model in float32."""

from __future__ import annotations

import numpy as np
import pytest

from detector.conversion.agreement import classifier_agreement, detector_agreement, sentences
from detector.data.resizing import SizeRule
from detector.types import Detections

RULE = SizeRule(400, 400)


def birds(sides: list[float], score: float = 0.5, shift: float = 0.0) -> Detections:
    """Square boxes side by side."""
    boxes = [[100.0 * n + shift, 0.0, 100.0 * n + shift + side, side] for n, side in enumerate(sides)]
    count = len(sides)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.full(count, score, np.float32),
        np.zeros(count, np.int64),
        ("bird", "fox"),
    )


def test_nothing_seen_is_no_fault() -> None:
    agreement = detector_agreement([], [], [], RULE)
    assert agreement.figures["large"] == {"boxes": 0, "found": 0, "recall": None}
    assert not agreement.faults
    assert len(agreement.doubts) == 2
    assert agreement.entries["doubts"] == list(agreement.doubts)
    assert any("too few to judge" in line for line in sentences(agreement.figures))


def test_boxes_are_counted_by_their_size_in_the_network() -> None:
    ours = birds([40.0, 80.0])
    agreement = detector_agreement([ours], [ours], [(800, 800)], RULE)  # half the size in the network
    assert agreement.figures["small"]["boxes"] == agreement.figures["large"]["boxes"] == 1
    assert agreement.figures["score_difference"] == 0


@pytest.mark.parametrize(
    "theirs",
    [birds([]), birds([50.0] * 20, score=0.19), birds([50.0] * 20, shift=30.0)],
    ids=["nothing", "no longer shown", "boxes elsewhere"],
)
def test_lost_birds_are_a_fault(theirs: Detections) -> None:
    agreement = detector_agreement([birds([50.0] * 20)], [theirs], [(400, 400)], RULE)
    assert agreement.figures["large"]["found"] == 0
    assert len(agreement.faults) == 1
    assert agreement.lost_in == (0,)


@pytest.mark.parametrize(("boxes", "side", "least"), [(50, 50.0, 0.98), (20, 20.0, 0.95)])
def test_where_there_are_enough_boxes_their_share_decides(boxes: int, side: float, least: float) -> None:
    ours = birds([side] * boxes)
    agreements = [detector_agreement([ours], [ours[lost:]], [(400, 400)], RULE) for lost in range(3)]
    name = "large" if side > 32 else "small"
    for agreement in agreements:
        assert bool(agreement.faults) == (agreement.figures[name]["recall"] < least)
        assert not any(str(boxes) in doubt.split(":")[0] for doubt in agreement.doubts)
    assert [bool(agreement.faults) for agreement in agreements] == [False, False, True]


def test_one_lost_box_of_few_is_a_doubt_and_two_are_a_fault() -> None:
    ours = birds([50.0] * 9)
    one, two = (detector_agreement([ours], [ours[lost:]], [(400, 400)], RULE) for lost in (1, 2))
    assert not one.faults
    assert any("8 of 9 boxes from 32 pixels are found: too few to judge, 50 are needed" in each for each in one.doubts)
    assert two.faults
    assert two.entries["faults"] == list(two.faults)


def test_a_faint_box_keeps_half_its_score_and_a_sure_one_is_shown_again() -> None:
    for score, theirs, found in ((0.22, 0.12, 1), (0.22, 0.1, 0), (0.9, 0.19, 0), (0.9, 0.21, 1)):
        agreement = detector_agreement([birds([50.0], score)], [birds([50.0], theirs)], [(400, 400)], RULE)
        assert agreement.figures["large"]["found"] == found


def test_boxes_that_the_export_alone_shows_are_counted() -> None:
    agreement = detector_agreement([birds([50.0])], [birds([50.0, 50.0])], [(400, 400)], RULE)
    assert agreement.figures["new_boxes"] == 1
    assert "  boxes that it alone shows: 1" in sentences(agreement.figures)


def test_a_box_finds_one_box_only() -> None:
    twice = birds([50.0])
    pair = Detections(
        np.repeat(twice.boxes_xyxy, 2, 0), np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64), ("bird",)
    )
    assert detector_agreement([pair], [twice], [(400, 400)], RULE).figures["large"]["found"] == 1


def test_names_are_compared_and_measured_where_labels_are_known() -> None:
    exact = np.eye(3, dtype=np.float32)[[0, 1, 2] * 10] * 4
    other = exact.copy()
    other[:3] = exact[[1, 2, 0]]
    agreement = classifier_agreement(exact, other, np.array([0, 1, 2] * 10))
    assert agreement.figures["same_name"] == 0.9
    assert agreement.figures["exact"]["top1"] == 1.0
    assert agreement.figures["export"]["top1"] == 0.9
    assert agreement.faults
    assert not classifier_agreement(exact, exact).faults
    assert not classifier_agreement(exact, exact).doubts
    assert not classifier_agreement(exact[:0], exact[:0]).faults
    assert classifier_agreement(exact[:19], exact[:19]).doubts
    assert classifier_agreement(exact[:2], exact[[1, 0]]).faults
