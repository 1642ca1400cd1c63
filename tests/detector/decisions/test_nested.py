"""Boxes within boxes: one bird is counted once, and neighbours are not lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.decisions.nested import WITHIN, find_nested

BIRD, AROUND, BESIDE = [0.4, 0.4, 0.1, 0.1], [0.35, 0.3, 0.3, 0.3], [0.5, 0.4, 0.1, 0.1]


def nested(xywh, score, frame=None, key=None, counts=None):  # type: ignore[no-untyped-def]
    number = len(score)
    return find_nested(
        np.array(xywh, np.float32).reshape(-1, 4),
        np.array(score, np.float32),
        np.zeros(number, int) if frame is None else np.array(frame),
        np.zeros(number, int) if key is None else np.array(key),
        np.ones(number, bool) if counts is None else np.array(counts),
    ).tolist()


def test_nothing_is_nested_in_nothing() -> None:
    assert nested([], []) == []


def test_the_surer_of_two_stands_for_the_bird_whichever_is_larger() -> None:
    assert nested([BIRD, AROUND], [0.9, 0.5]) == [False, True]
    assert nested([BIRD, AROUND], [0.5, 0.9]) == [True, False]
    assert nested([BIRD, AROUND], [0.5, 0.5]) == [False, True]


def test_neighbours_other_frames_other_names_and_what_does_not_count_are_left_alone() -> None:
    assert nested([BIRD, BESIDE], [0.9, 0.5]) == [False, False]
    assert nested([BIRD, AROUND], [0.9, 0.5], frame=[0, 1]) == [False, False]
    assert nested([BIRD, AROUND], [0.9, 0.5], key=[0, 1]) == [False, False]
    assert nested([BIRD, AROUND], [0.9, 0.5], counts=[False, True]) == [False, False]


# shares that a float holds exactly, so that areas do not hang on rounding
sides = st.integers(0, 8).map(lambda number: number / 16)
boxes = st.lists(st.tuples(sides, sides, sides, sides, st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)))


@given(boxes)
def test_as_by_hand(rows: list[tuple[float, ...]]) -> None:
    xywh, score = [row[:4] for row in rows], [row[4] for row in rows]
    frame, key = [row[5] for row in rows], [row[6] for row in rows]
    expected = []
    for one, (x, y, w, h) in enumerate(xywh):
        found = False
        for other, (left, top, wide, high) in enumerate(xywh):
            surer = (score[other], -other) > (score[one], -one)
            across = max(0, min(x + w, left + wide) - max(x, left))
            down = max(0, min(y + h, top + high) - max(y, top))
            smaller = min(w * h, wide * high)
            same = frame[one] == frame[other] and key[one] == key[other]
            found |= surer and same and smaller > 0 and across * down >= WITHIN * smaller
        expected.append(found)
    assert nested(xywh, score, frame, key) == expected
