"""Boxes within boxes: one bird is counted once, and neighbours are not lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.decisions.nested import DISJOINT, WITHIN, ToldApart, find_nested

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


PAIR = [[0.30, 0.40, 0.20, 0.25], [0.52, 0.40, 0.20, 0.25]]  # side by side
BOTH = [0.29, 0.39, 0.44, 0.27]  # a box around the two


def at_once(xywh, score):  # type: ignore[no-untyped-def]
    return nested(xywh, score).count(False)


def test_two_birds_within_a_box_around_both_are_two_however_sure_it_is() -> None:
    for scores in ([0.9, 0.5, 0.4], [0.5, 0.9, 0.4], [0.3, 0.5, 0.9], [0.5, 0.5, 0.5]):
        assert at_once([BOTH, *PAIR], scores) == 2


def test_a_head_in_a_body_is_one_bird_and_so_are_parts_that_overlap() -> None:
    head, neck = [0.32, 0.41, 0.05, 0.06], [0.32, 0.42, 0.05, 0.1]
    assert at_once([PAIR[0], head], [0.9, 0.3]) == 1
    assert at_once([PAIR[0], head, neck], [0.9, 0.3, 0.3]) == 1
    assert at_once([BOTH, *PAIR, head], [0.9, 0.5, 0.4, 0.3]) == 2


ADULT, CHICK, OTHER_CHICK = [0.3, 0.3, 0.4, 0.4], [0.35, 0.55, 0.1, 0.12], [0.5, 0.55, 0.1, 0.12]


def told(xywh, score, drawn=(), traits=None):  # type: ignore[no-untyped-def]
    """How many birds there are, once people have drawn some boxes and said of which sex and age they are."""
    number = len(score)
    flags = np.isin(np.arange(number), drawn)
    said = np.full((2, number), -1) if traits is None else np.array(traits)
    boxes, zeros = np.array(xywh, np.float32), np.zeros(number, int)
    found = find_nested(boxes, np.array(score, np.float32), zeros, zeros, np.ones(number, bool), ToldApart(flags, said))
    return found.tolist().count(False)


def test_a_chick_that_a_person_drew_within_its_mothers_box_is_a_bird_of_its_own() -> None:
    assert told([ADULT, CHICK], [0.9, 1.0]) == 1
    assert told([ADULT, CHICK], [0.9, 1.0], drawn=[1]) == 2
    assert told([ADULT, CHICK, OTHER_CHICK], [0.9, 1.0, 1.0], drawn=[1, 2]) == 3
    assert told([ADULT, CHICK], [1.0, 0.9], drawn=[0]) == 1, "the whole bird, of which the detector saw a part"


def test_what_people_draw_anew_is_no_second_bird() -> None:
    smaller = [0.32, 0.32, 0.36, 0.36]
    assert told([ADULT, smaller], [0.9, 1.0], drawn=[1]) == 1
    assert told([BOTH, *PAIR], [0.9, 1.0, 1.0], drawn=[1, 2]) == 2, "two birds that the detector took for one"


def test_birds_that_people_say_differ_in_sex_or_age_are_two() -> None:
    assert told([ADULT, CHICK], [0.9, 0.5], traits=[[-1, -1], [0, 2]]) == 2
    assert told([ADULT, CHICK], [0.9, 0.5], traits=[[0, 1], [-1, -1]]) == 2
    assert told([ADULT, CHICK], [0.9, 0.5], traits=[[0, -1], [0, 0]]) == 1


def test_a_small_bird_where_two_others_overlap_takes_neither_away() -> None:
    left, right, small = [0.1, 0.1, 0.3, 0.3], [0.3, 0.1, 0.3, 0.3], [0.32, 0.15, 0.05, 0.05]
    assert at_once([left, right, small], [0.9, 0.8, 0.7]) == 2


def test_a_box_around_what_a_surer_one_stands_for_does_not_take_the_neighbour() -> None:
    assert at_once([PAIR[0], BOTH, PAIR[1]], [0.9, 0.8, 0.7]) == 2


# shares that a float holds exactly, so that areas do not hang on rounding
sides = st.integers(0, 8).map(lambda number: number / 16)
boxes = st.lists(
    st.tuples(sides, sides, sides, sides, st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)), max_size=12
)


def by_hand(rows: list[tuple[float, ...]]) -> list[bool]:
    """The two rules, box by box: rows of x, y, w, h, score of one frame and name."""

    def common(one: int, other: int) -> float:
        (x, y, w, h), (left, top, wide, high) = rows[one][:4], rows[other][:4]
        return max(0, min(x + w, left + wide) - max(x, left)) * max(0, min(y + h, top + high) - max(y, top))

    area = [row[2] * row[3] for row in rows]
    order = sorted(range(len(rows)), key=lambda box: (-rows[box][4], box))
    is_nested = [
        [0 < min(area[one], area[other]) <= common(one, other) / WITHIN for other in range(len(rows))]
        for one in range(len(rows))
    ]
    kept: list[int] = []
    for box in order:
        if not any(is_nested[box][other] for other in kept):
            kept.append(box)
    stand = set(kept)
    for outer in kept:
        inside = [
            box
            for box in order
            if box not in kept and area[box] < area[outer] and [k for k in kept if is_nested[box][k]] == [outer]
        ]
        apart: list[int] = []
        for box in sorted(inside, key=lambda each: (area[each], order.index(each))):
            if all(common(box, other) <= DISJOINT * min(area[box], area[other]) for other in apart):
                apart.append(box)
        if len(apart) > 1:
            stand = stand - {outer} | set(apart)
    return [box not in stand for box in range(len(rows))]


@given(boxes)
def test_as_by_hand(rows: list[tuple[float, ...]]) -> None:
    expected = [False] * len(rows)
    for place in {row[5:] for row in rows}:
        members = [index for index, row in enumerate(rows) if row[5:] == place]
        for index, value in zip(members, by_hand([rows[index][:5] for index in members]), strict=True):
            expected[index] = value
    assert nested([r[:4] for r in rows], [r[4] for r in rows], [r[5] for r in rows], [r[6] for r in rows]) == expected
