"""Sequences, individuals, repeats and events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decisions.events import find_events
from detector.decisions.repeats import FEWEST_FRAMES, find_repeats
from detector.decisions.sequences import find_sequences

STONE = [0.5, 0.5, 0.1, 0.08]


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
    return find_events(
        np.array(deployment, np.int64),
        np.array(key, np.int64),
        np.array(seconds, np.int64) * 1000,
        np.array(frame, np.int64),
        np.array(frame, np.int64),
        np.ones(count, bool) if counts is None else np.array(counts, bool),
        np.zeros(count, bool) if nested is None else np.array(nested, bool),
        np.full(max([0, *deployment]) + 1, int(minutes * 60_000)),
    )


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


def repeats(xywh, looks, camera=None, sequence=None):  # type: ignore[no-untyped-def]
    count = len(xywh)
    frames = np.arange(count)
    return find_repeats(
        np.array(xywh, np.float32).reshape(-1, 4),
        np.array(looks, np.uint8).reshape(-1, 64),
        np.ones(count, bool),
        np.zeros(count, int) if camera is None else np.array(camera),
        frames,
        frames if sequence is None else np.array(sequence),
    )


@pytest.fixture
def stones() -> tuple[np.ndarray, np.ndarray]:
    """A stone in 60 photos: its box and its light waver."""
    rng = np.random.default_rng(0)
    w, h = STONE[2:]
    boxes = np.array(STONE) + rng.uniform(-0.01, 0.01, (60, 4)) * [w, h, w, h]
    looks = rng.uniform(50, 150, 64)[None] * rng.uniform(0.6, 1.4, (60, 1)) + rng.normal(0, 3, (60, 64))
    return boxes, looks.clip(0, 255)


def test_nothing_repeats_in_nothing() -> None:
    assert len(repeats([], [])) == 0


def test_stone_is_one_group(stones: tuple[np.ndarray, np.ndarray]) -> None:
    assert set(repeats(*stones).tolist()) == {0}


def test_bird_that_changes_its_looks_is_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, _ = stones
    looks = np.random.default_rng(1).integers(0, 255, (60, 64))
    assert set(repeats(boxes, looks).tolist()) == {-1}


def test_few_frames_few_sequences_and_several_cameras_are_none(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, looks = stones
    few = FEWEST_FRAMES - 1
    assert set(repeats(boxes[:few], looks[:few]).tolist()) == {-1}
    assert set(repeats(boxes, looks, sequence=np.arange(60) // 15).tolist()) == {-1}
    assert set(repeats(boxes, looks, camera=np.arange(60) % 4).tolist()) == {-1}


def test_stone_by_day_and_by_night_is_one_group(stones: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, looks = stones
    looks = np.where(np.arange(60)[:, None] % 2, looks, 255 - looks)
    assert set(repeats(boxes, looks).tolist()) == {0}


@settings(max_examples=30)
@given(
    st.floats(0.01, 0.7), st.floats(0.01, 0.7), st.floats(0.01, 0.25), st.floats(0.01, 0.25), st.integers(0, 2**32 - 1)
)
def test_stone_is_found_wherever_it_lies_among_birds(x: float, y: float, w: float, h: float, seed: int) -> None:
    """No place in the frame falls between the cells of the search."""
    rng = np.random.default_rng(seed)
    first = np.array([[x, y, w, h]])
    near = first + rng.uniform(-0.012, 0.012, (40, 4)) * [w, h, w, h]  # of IoU 0.9 and more with the first
    birds = np.concatenate([rng.uniform(0, 0.7, (200, 2)), rng.uniform(0.02, 0.3, (200, 2))], axis=1)
    face = rng.integers(0, 255, 64)
    looks = np.concatenate([np.tile(face, (41, 1)), rng.integers(0, 255, (200, 64))])
    found = repeats(np.concatenate([first, near, birds]), looks)
    assert set(found[:41].tolist()) == {0}
    assert set(found[41:].tolist()) <= {-1}
