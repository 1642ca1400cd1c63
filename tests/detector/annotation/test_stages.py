"""Batches hold one size, halve where memory ends, and boxes are chosen for the classifier by their labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import HoopoeError
from detector.annotation.detecting import HalvingBatches, SizeBuckets
from detector.annotation.stages import may_be_bird

sizes = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2)))


@given(sizes, st.integers(1, 4), st.integers(1, 8))
def test_batches_hold_one_size_and_lose_nothing(entries, batch_size, waiting):
    buckets = SizeBuckets(batch_size, waiting)
    batches = []
    for number, size in enumerate(entries):
        if batch := buckets.add(size, (number, size)):
            batches.append(batch)
        assert len(buckets) <= waiting
    batches += buckets.pop()
    assert len(buckets) == 0
    assert sorted(entry for batch in batches for entry in batch) == list(enumerate(entries))
    assert all(len({size for _, size in batch}) == 1 <= len(batch) <= batch_size for batch in batches)


def test_the_size_that_has_waited_longest_goes_out_first():
    buckets = SizeBuckets(3, 3)
    assert [buckets.add((1, side), side) for side in (5, 6, 5)] == [None] * 3
    assert list(buckets.pop(waited_s=60)) == []
    assert buckets.add((1, 7), 7) == [5, 5]
    assert list(buckets.pop()) == [[6], [7]]


@pytest.mark.parametrize("room", [1, 2, 3, 5, 100])
def test_a_batch_that_does_not_fit_is_halved_from_then_on(room):
    tried = []

    def double(entries):
        tried.append(len(entries))
        if len(entries) > room:
            raise torch.cuda.OutOfMemoryError
        return [2 * entry for entry in entries]

    batches = HalvingBatches(double, 16)
    assert batches(list(range(40))) == [2 * entry for entry in range(40)]
    failures = [size for size in tried if size > room]
    assert failures == sorted(set(failures), reverse=True), "no size is tried again that did not fit"
    assert batches([]) == []


def test_without_room_for_one_it_is_an_error():
    def fail(_):
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(HoopoeError, match="GPU's memory"):
        HalvingBatches(fail, 4)([1, 2])


def test_on_a_cpu_batches_are_halved_too_and_other_errors_stay_what_they_are():
    def add(entries):
        if len(entries) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        if entries == [7]:
            raise RuntimeError("shapes do not fit")
        return [each + 1 for each in entries]

    assert HalvingBatches(add, 4)([1, 2, 3]) == [2, 3, 4]
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        HalvingBatches(add, 1)([7])

    def fail(_):
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    with pytest.raises(HoopoeError, match="computer's memory"):
        HalvingBatches(fail, 4)([1, 2])


def test_boxes_that_may_be_birds_are_classified():
    categories = ("bird", "person", "animal", "other animal")
    scores = np.array(
        [[0.9, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 0.9], [0.1, 0.8, 0, 0], [0.04, 0, 0, 0]]
    )
    assert may_be_bird(categories, scores.astype(np.float32), 0.05).tolist() == [0, 2, 4]
    assert may_be_bird(categories, np.zeros((0, 4), np.float32), 0.05).tolist() == []
    words = ("gribbler", "coyote", "Barred Owl", "leaf", "hiker")  # of the first nobody knows what it is yet
    assert may_be_bird(words, np.eye(5, dtype=np.float32), 0.05).tolist() == [0, 2]
