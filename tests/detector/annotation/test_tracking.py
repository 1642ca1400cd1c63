"""Tracks: one bird, one number, through hops, crossings and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.annotation.tracking import FrameBoxes, TrackLinker


def frame(time_s, *centres, size=40.0, scores=None, kinds=None, embeddings=None, species=None):
    points = np.array(centres, np.float64).reshape(-1, 2)
    boxes = np.concatenate([points - size / 2, points + size / 2], axis=1)
    return FrameBoxes(
        time_s,
        boxes,
        np.full(len(boxes), 0.9) if scores is None else np.array(scores),
        np.zeros(len(boxes), np.int64) if kinds is None else np.array(kinds),
        np.zeros((len(boxes), 0)),
        np.zeros((len(boxes), 0)) if embeddings is None else np.array(embeddings, np.float64),
        None if species is None else np.array(species, np.float64),
    )


def numbers(frames):
    linker = TrackLinker()
    return [linker.link(frame).tolist() for frame in frames]


def test_frames_without_boxes_have_empty_rows():
    assert numbers([frame(0.0), frame(1.0)]) == [[], []]


def test_a_hop_of_two_body_lengths_in_a_second_is_the_same_bird():
    assert numbers([frame(0.0, (100, 100)), frame(1.0, (180, 100))]) == [[0], [0]]


def test_the_same_hop_between_two_frames_of_thirty_a_second_is_another_bird():
    assert numbers([frame(0.0, (100, 100)), frame(1 / 30, (400, 100))]) == [[0], [1]]


def test_birds_that_cross_keep_their_numbers():
    times = np.arange(9.0)
    frames = [frame(t, (100 + 50 * t, 200), (500 - 50 * t, 206)) for t in times]
    assert numbers(frames) == [[0, 1]] * 9


def test_birds_that_cross_are_told_by_their_looks_where_they_hop_at_random():
    random = np.random.default_rng(0)
    looks = np.eye(2)
    frames = []
    for time_s in range(12):
        order = random.permutation(2)
        places = random.uniform(200, 290, (2, 2))
        frames.append(frame(time_s, *places[order], embeddings=looks[order]))
    linked = numbers(frames)
    owners = [dict(zip(map(tuple, f.embeddings), row, strict=True)) for f, row in zip(frames, linked, strict=True)]
    assert all(owner == owners[0] for owner in owners)


def test_a_bird_that_is_missed_for_three_frames_goes_on():
    frames = [frame(0.0, (100, 100)), frame(1.0), frame(2.0), frame(3.0, (110, 100))]
    assert numbers(frames) == [[0], [], [], [0]]


def test_a_bird_that_comes_back_after_a_minute_is_a_new_track():
    frames = [frame(0.0, (100, 100)), *[frame(float(t)) for t in range(1, 60)], frame(60.0, (100, 100))]
    assert numbers(frames)[-1] == [1]


def test_a_weak_box_does_not_take_a_track_from_a_sure_one():
    frames = [frame(0.0, (100, 100)), frame(1.0, (100, 100), (120, 100), scores=[0.06, 0.8])]
    assert numbers(frames) == [[0], [1, 0]]


def test_a_person_is_never_linked_with_a_bird():
    assert numbers([frame(0.0, (100, 100), kinds=[0]), frame(1.0, (100, 100), kinds=[1])]) == [[0], [1]]


def test_a_small_bird_in_front_of_a_large_one_is_another():
    large, small = frame(0.0, (100, 100), size=200), frame(1.0, (100, 100), size=30)
    assert numbers([large, small]) == [[0], [1]]


@pytest.mark.parametrize("seconds", [1, 3, 4, 10, 60, 600])
def test_a_bird_that_a_classifier_sees_as_another_is_another_wherever_and_whenever_it_is(seconds):
    for place in ((100, 100), (130, 100), (220, 100), (900, 500)):
        first, second = frame(0.0, (100, 100), embeddings=[[1, 0]]), frame(seconds, place, embeddings=[[0, 1]])
        assert numbers([first, second]) == [[0], [1]]
        first, second = frame(0.0, (100, 100), species=[[1, 0]]), frame(seconds, place, species=[[0, 1]])
        assert numbers([first, second]) == [[0], [1]]


def test_a_classifier_that_wavers_leaves_a_bird_what_it_was():
    looks = {"embeddings": [[1.0, 0.1]], "species": [[0.6, 0.4]]}
    frames = [frame(0.0, (100, 100), **looks), frame(1.0, (110, 100), embeddings=[[0.9, 0.2]], species=[[0.3, 0.7]])]
    assert numbers(frames) == [[0], [0]]


def test_a_frame_in_which_nothing_was_classified_is_linked_by_place():
    known, unknown = frame(0.0, (100, 100), species=[[1, 0]]), frame(1.0, (100, 100), species=np.zeros((1, 0)))
    assert numbers([known, unknown, known]) == [[0]] * 3


def test_after_a_minute_in_which_nothing_moved_only_what_sat_is_the_same():
    """The motion gate hands on two frames a minute apart."""
    assert numbers([frame(0.0, (100, 100)), frame(60.0, (105, 100))]) == [[0], [0]]
    assert numbers([frame(0.0, (100, 100)), frame(60.0, (200, 100))]) == [[0], [1]]
    changed = [frame(time_s, (100, 100), embeddings=[look]) for time_s, look in ((0.0, [1, 0]), (60.0, [0.4, 0.9]))]
    assert numbers(changed) == [[0], [1]]


def test_a_link_that_is_impossible_takes_no_place_from_one_that_is_possible():
    """The best sum of all scores would give both tracks a box that fits neither well enough."""
    first = frame(0.0, (100, 100), (160, 100), embeddings=np.eye(3)[[0, 1]])
    second = frame(1.0, (130, 100), embeddings=[[0.75, 0.66, 0]])
    both = frame(1.0, (130, 100), (400, 100), embeddings=[[0.75, 0.66, 0], [0.7, 0.7, 0]])
    assert numbers([first, second])[1] == numbers([first, both])[1][:1] == [0]


centres = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 600)), max_size=5)


@given(st.lists(centres, max_size=8))
def test_numbers_are_dense_in_order_of_appearance_and_never_twice_in_a_frame(places):
    frames = [frame(float(time_s), *points) for time_s, points in enumerate(places)]
    linked = numbers(frames)
    assert [len(row) for row in linked] == [len(points) for points in places]
    assert all(len(set(row)) == len(row) for row in linked)
    first_seen = list(dict.fromkeys(number for row in linked for number in row))
    assert first_seen == list(range(len(first_seen)))
    assert numbers(frames) == linked
