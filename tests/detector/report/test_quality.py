"""How often names were right, where people said what it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from detector.report.quality import Quality, wilson
from detector.store.records import Candidate


@given(st.integers(1, 400), st.data())
def test_intervals_are_wilsons(of, data):
    right = data.draw(st.integers(0, of))
    expected = binomtest(right, of).proportion_ci(0.95, method="wilson")
    interval = wilson(right, of)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    wider = wilson(right, of, of / 2)
    assert wider.share == interval.share
    assert wider.high - wider.low > interval.high - interval.low


@pytest.fixture
def said(store_maker):
    """A hoopoe that somebody named."""

    def make(box, confidence=0.95, **changes):
        candidates = (Candidate("Upupa epops", confidence), Candidate("Merops apiaster", 0.01))
        values = {"box": box, "reviewed_by": "ana", "confidence": 1.0, "event_id": f"e{box}", "candidates": candidates}
        return store_maker.detection("m0", **(values | changes))

    return make


def test_without_reviews_nothing_is_known(said):
    quality = Quality()
    quality.add(said(0, reviewed_by=None))
    assert quality.as_json() is None


def test_right_and_wrong_are_counted_by_the_models_confidence_and_not_the_persons(said):
    quality = Quality()
    wrong = {"name": "Merops apiaster", "display_name": "European bee-eater"}
    for found in (said(0), said(1), said(2, **wrong), said(3, confidence=0.55, **wrong)):
        quality.add(found)
    found = quality.as_json()
    assert (found["birds"], found["right"]) == (4, 2)
    assert [row[:5] for row in found["bins"]] == [[0.5, 0.6, 1, 1, 0], [0.9, 1.0, 3, 3, 2]]
    assert found["pairs"] == [["Upupa epops", "Upupa epops", 2], ["Merops apiaster", "Upupa epops", 2]]


def test_a_bird_counts_once_and_boxes_of_one_event_widen_the_interval(said):
    quality = Quality()
    for box in range(4):
        quality.add(said(box, individual_id="i1", event_id="e"))
    for box in range(4, 8):
        quality.add(said(box, individual_id=f"i{box}", event_id="e"))
    found = quality.as_json()
    assert (found["birds"], found["events"], found["right"]) == (5, 1, 5)
    assert found["total"][1] == pytest.approx(binomtest(1, 1).proportion_ci(0.95, method="wilson").low, abs=1e-4)


def test_what_is_no_bird_is_wrong_and_a_wider_name_is_neither(said):
    quality = Quality()
    quality.add(said(0, suppressed=True))
    quality.add(said(1, kind="animal", display_name="fox", name=None, rank=None))
    quality.add(said(2, name="Upupa", rank="genus"))
    assert quality.as_json()["pairs"] == [["nothing", "Upupa epops", 1], ["fox", "Upupa epops", 1]]


def test_a_name_of_the_models_is_no_persons_word_though_a_person_said_bird_or_knew_no_more(said):
    quality = Quality()
    quality.add(replace(said(0), confidence=0.95))  # "a bird", or "real"
    quality.add(said(1, kind="uncertain", name=None, rank=None))
    quality.add(said(2, kind="undecided", name=None, rank=None))
    assert quality.as_json() is None
