"""Sequences, individuals, repeats and events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.decisions.events import Sights, find_events
from detector.decisions.individuals.sequences import find_sequences


def sequences(deployment: list[int], seconds: list[float | None], videos: tuple[int, ...] = ()) -> list[int]:
    known = np.array([moment is not None for moment in seconds], bool)
    moments = np.array([1000 * (moment or 0) for moment in seconds], np.int64)
    is_video = np.isin(np.arange(len(seconds)), videos)
    return find_sequences(np.array(deployment, np.int64), moments, known, is_video)[0].tolist()


def test_nothing_has_no_sequences() -> None:
    assert sequences([], []) == []


def test_bursts_end_with_a_gap_a_camera_and_a_video() -> None:
    assert sequences([0] * 5, [0, 1, 6, 12, 12]) == [0, 0, 0, 3, 3]
    assert sequences([0, 1, 0], [0, 0, 1]) == [0, 1, 0]
    assert sequences([0] * 3, [0, 1, 2], videos=(1,)) == [0, 1, 0]
    assert sequences([0] * 3, [None, None, 2]) == [0, 1, 2]
    assert sequences([0] * 3, [7, 0, 4]) == [1, 1, 1]  # paths in another order than times


def events(deployment, key, seconds, frame, counts=None, nested=None, minutes=30.0):  # type: ignore[no-untyped-def]
    count = len(key)
    sights = Sights(
        np.array(deployment, np.int64),
        np.array(key, np.int64),
        np.array(seconds, np.int64) * 1000,
        np.array(frame, np.int64),
        np.array(frame, np.int64),
        np.ones(count, bool) if counts is None else np.array(counts, bool),
        np.ones(count, int) if nested is None else 1 - np.array(nested, int),
    )
    return find_events(sights, np.full(max([0, *deployment]) + 1, int(minutes * 60_000)))


def test_nothing_has_no_events() -> None:
    assert len(events([], [], [], []).count) == 0
    assert events([0], [0], [0], [0], counts=[False]).of_box.tolist() == [-1]


def test_event_ends_after_half_an_hour_without_the_bird() -> None:
    found = events([0] * 4, [1] * 4, [0, 1800, 3600, 5401], range(4))
    assert found.of_box.tolist() == [0, 0, 0, 1]
    assert found.media.tolist() == [3, 1]


def test_count_is_the_most_at_once_never_the_sum() -> None:
    found = events([0] * 6, [1] * 6, [0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 1, 2])
    assert (found.count.tolist(), found.boxes.tolist(), found.media.tolist()) == ([3], [6], [3])
    twice = events([0] * 3, [1] * 3, [0, 0, 1], [0, 0, 1], nested=[False, True, False])
    assert (twice.count.tolist(), twice.boxes.tolist()) == ([1], [3])


def test_events_are_by_camera_and_name() -> None:
    found = events([0, 1, 0], [1, 1, 2], [0, 0, 0], range(3))
    assert len(set(found.of_box.tolist())) == 3


@st.composite
def sightings(draw: st.DrawFn) -> tuple:
    frames = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20_000)), min_size=1, max_size=12))
    boxes = draw(st.lists(st.tuples(st.integers(0, len(frames) - 1), st.integers(0, 2), st.booleans()), max_size=40))
    return frames, boxes


@given(sightings(), st.randoms())
def test_rules_of_events(drawn: tuple, random) -> None:  # type: ignore[no-untyped-def]
    frames, boxes = drawn
    place = [frames[frame][0] for frame, _, _ in boxes]
    when = [frames[frame][1] for frame, _, _ in boxes]
    key = [name for _, name, _ in boxes]
    counts = [count for _, _, count in boxes]
    at = [frame for frame, _, _ in boxes]
    found = events(place, key, when, at, counts)
    assert [event >= 0 for event in found.of_box] == counts
    spans: dict[tuple, list] = {}
    for number in range(len(found.count)):
        members = np.flatnonzero(found.of_box == number)
        assert {place[box] for box in members} == {found.deployment[number]}
        assert {key[box] for box in members} == {found.key[number]}
        assert found.count[number] == np.bincount([at[box] for box in members]).max()
        assert found.boxes[number] == len(members)
        moments = sorted(when[box] for box in members)
        assert (when[found.first_box[number]], when[found.last_box[number]]) == (moments[0], moments[-1])
        assert all(np.diff(moments) <= 1800)
        spans.setdefault((found.deployment[number], found.key[number]), []).append((moments[0], moments[-1]))
    for ranges in spans.values():  # events of one name do not overlap, and are half an hour apart
        ranges.sort()
        assert all(later[0] - earlier[1] > 1800 for earlier, later in pairwise(ranges))

    order = list(range(len(boxes)))
    random.shuffle(order)
    again = events(*([values[box] for box in order] for values in (place, key, when, at, counts)))
    assert again.count.tolist() == found.count.tolist()
    assert again.of_box.tolist() == [found.of_box[box] for box in order]
