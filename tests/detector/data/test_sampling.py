"""Sampling: every image once an epoch, shared out evenly, and resumable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.data.packed import Annotations, CocoSource, PackedText
from detector.data.sampling import (
    Pool,
    aspect_groups,
    crowded_factors,
    epoch_batches,
    evaluation_batches,
    repeat_factors,
)


def annotations(
    labels_by_image: list[list[int]], crowds: frozenset[int] = frozenset(), categories: int = 3
) -> Annotations:
    """Images of 10 x 10 with one box for each label; `crowds` are rows of boxes."""
    images, counts = len(labels_by_image), [len(labels) for labels in labels_by_image]
    boxes = sum(counts)
    return Annotations(
        sources=(CocoSource("a.json", "images"),),
        category_names=tuple("abcdefgh"[:categories]),
        category_ids=tuple(range(1, categories + 1)),
        image_ids=np.arange(images) + 1,
        source_index=np.zeros(images, np.int32),
        file_names=PackedText.pack(f"{index}.jpg" for index in range(images)),
        sizes_wh=np.full((images, 2), 10, np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes_xywh=np.ones((boxes, 4)),
        labels=np.array([label for labels in labels_by_image for label in labels], np.int32),
        is_crowd=np.isin(np.arange(boxes), list(crowds)),
        areas=np.ones(boxes),
        annotation_ids=np.arange(boxes) + 1,
    )


plans = st.fixed_dictionaries(
    {
        "images": st.integers(0, 60),
        "batch_size": st.integers(1, 7),
        "seed": st.integers(0, 2**40),
        "epoch": st.integers(0, 500),
    }
)


def batches_of(plan: dict, groups: np.ndarray | None = None, **process: int) -> list[np.ndarray]:
    rest = {name: value for name, value in plan.items() if name != "images"}
    return epoch_batches(Pool(plan["images"], groups=groups), **rest, **process)


def all_places(batches: list[np.ndarray]) -> list[int]:
    return [int(place) for batch in batches for place in batch[:, 0]]


def test_no_images_no_batches():
    assert epoch_batches(Pool(0), 4, seed=0, epoch=0) == []
    assert evaluation_batches(np.zeros((0, 2), np.int64), 4) == []


@settings(deadline=None)
@given(plans, st.booleans())
def test_one_process_sees_every_image_exactly_once(plan, grouped):
    groups = np.arange(plan["images"]) % 3 if grouped else None
    batches = batches_of(plan, groups)
    assert sorted(all_places(batches)) == list(range(plan["images"]))
    assert sum(len(batch) < plan["batch_size"] for batch in batches) <= 1


@settings(deadline=None)
@given(plans, st.integers(2, 5), st.booleans())
def test_ranks_share_the_images_and_fill_up_with_fewer_than_one_each(plan, world_size, grouped):
    groups = np.arange(plan["images"]) % 3 if grouped else None
    ranks = [batches_of(plan, groups, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert len({len(batches) for batches in ranks}) == 1
    assert len({tuple(len(batch) for batch in batches) for batches in ranks}) == 1
    places = [place for batches in ranks for place in all_places(batches)]
    assert set(places) == set(range(plan["images"]))
    assert len(places) - plan["images"] < world_size


@settings(deadline=None)
@given(plans, st.integers(1, 4))
def test_two_processes_train_on_the_batches_of_one_with_twice_the_batch(plan, batch_size):
    plan = plan | {"images": 2 * (plan["images"] // 2), "batch_size": batch_size}
    ranks = [batches_of(plan, rank=rank, world_size=2) for rank in (0, 1)]
    one = batches_of(plan | {"batch_size": 2 * batch_size})
    for left, right, whole in zip(*ranks, one, strict=True):
        np.testing.assert_array_equal(np.concatenate([left, right]), whole)


def test_order_follows_from_seed_and_epoch():
    def plan(seed: int, epoch: int) -> list[int]:
        return all_places(epoch_batches(Pool(50), 4, seed=seed, epoch=epoch))

    assert plan(1, 2) == plan(1, 2)
    assert plan(1, 2) != plan(1, 3)
    assert plan(1, 2) != plan(2, 2)


def test_batches_are_of_one_group_but_for_the_left_over():
    groups = np.array([0] * 10 + [1] * 7 + [2] * 3)
    batches = epoch_batches(Pool(20, groups=groups), 4, seed=0, epoch=0)
    mixed = [batch for batch in batches if len(set(groups[batch[:, 0]])) > 1]
    assert len(batches) == 5
    assert len(mixed) <= 2  # 2 + 3 + 3 images are left over of the groups


@pytest.mark.parametrize(
    ("size", "group"), [((100, 300), 0), ((100, 110), 2), ((100, 100), 3), ((110, 100), 3), ((300, 100), 5)]
)
def test_aspect_groups_run_from_narrow_to_wide(size, group):
    assert aspect_groups(np.array([size])) == [group]


def test_repeat_factors_are_those_of_the_formula():
    # a in 4 of 5 images, b in 1, c in none; threshold 0.45
    packed = annotations([[0], [0, 0], [0], [0, 1], []])
    expected_b = np.sqrt(0.45 / 0.2)
    np.testing.assert_allclose(repeat_factors(packed, 0.45), [1, 1, 1, expected_b, 1])


def test_repeat_factors_ignore_crowds():
    packed = annotations([[0], [0], [0, 1]], crowds=frozenset({3}))
    np.testing.assert_array_equal(repeat_factors(packed, 0.9), [1, 1, 1])


def test_repeat_factors_of_nothing():
    np.testing.assert_array_equal(repeat_factors(annotations([[], []]), 0.5), [1, 1])


def test_crowded_images_are_shown_by_the_root_of_their_birds():
    packed = annotations([[], [0], [0] * 4, [0] * 30, [0] * 5], crowds=frozenset({35}))
    np.testing.assert_allclose(crowded_factors(packed, 3), [1, 1, 2, 3, np.sqrt(4)])
    np.testing.assert_array_equal(crowded_factors(annotations([[], []]), 4), [1, 1])


def test_rare_images_are_shown_as_often_as_their_factor_on_average():
    factors = np.array([1.0, 1.0, 2.5, 1.0])
    shown = np.zeros(4)
    for epoch in range(200):
        for batch in epoch_batches(Pool(4, factors), 2, seed=0, epoch=epoch):
            np.add.at(shown, batch[:, 0], 1)
    assert shown[[0, 1, 3]].tolist() == [200, 200, 200]
    assert abs(shown[2] / 200 - 2.5) < 0.15


def test_repeated_showings_are_numbered():
    batches = epoch_batches(Pool(2, np.array([3.0, 1.0])), 8, seed=0, epoch=0)
    assert sorted(map(tuple, np.concatenate(batches).tolist())) == [(0, 0), (0, 1), (0, 2), (1, 0)]


sizes = st.lists(st.sampled_from([(64, 48), (48, 64), (64, 64)]), max_size=30)


@settings(deadline=None)
@given(sizes, st.integers(1, 5), st.integers(1, 4))
def test_evaluation_sees_every_image_once_in_batches_of_one_size(sizes_wh, batch_size, world_size):
    packed = np.array(sizes_wh, np.int64).reshape(-1, 2)
    ranks = [evaluation_batches(packed, batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    batches = [batch for each in ranks for batch in each]
    assert sorted(int(place) for batch in batches for place in batch) == list(range(len(packed)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert len({tuple(size) for size in packed[batch].tolist()}) == 1


# --- negatives --------------------------------------------------------------------------------------------------------


def shown_negatives(pool, epoch):
    places = np.concatenate(epoch_batches(pool, 4, seed=0, epoch=epoch))[:, 0]
    assert sorted(places[places < pool.images]) == list(range(pool.images)), "every image is shown all the same"
    return np.sort(places[places >= pool.images] - pool.images)


def test_no_negatives_change_no_epoch():
    plain, without = Pool(30), Pool(30, negatives=0, negatives_share=0.25)
    for one, other in zip(*(epoch_batches(each, 4, seed=0, epoch=1) for each in (plain, without)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(shown_negatives(Pool(30, negatives=9, negatives_share=0.0), 0)) == 0


@pytest.mark.parametrize(("negatives", "share", "shown"), [(100, 0.25, 10), (100, 0.5, 30), (4, 0.25, 4)])
def test_negatives_are_at_most_their_share_of_an_epoch_each_once_and_others_each_time(negatives, share, shown):
    pool = Pool(30, negatives=negatives, negatives_share=share)
    first, second = (shown_negatives(pool, epoch) for epoch in (0, 1))
    assert len(first) == len(set(first)) == shown
    assert shown == negatives or not np.array_equal(first, second)
    np.testing.assert_array_equal(first, shown_negatives(pool, 0))


@pytest.mark.parametrize(("hard", "shown"), [(0, 0), (3, 3), (40, 5)])
def test_half_of_the_negatives_are_hard_ones_where_there_are_so_many(hard, shown):
    is_hard = np.arange(1000) < hard
    pool = Pool(30, negatives=1000, negatives_share=0.25, hard=is_hard)
    counts = [is_hard[shown_negatives(pool, epoch)].sum() for epoch in range(20)]
    assert min(counts) == shown
    assert np.mean(counts) < shown + 1  # of the others as many as chance brings


def test_hard_negatives_do_not_wait_for_their_half_where_the_others_are_few():
    pool = Pool(30, negatives=12, negatives_share=0.25, hard=np.arange(12) > 0)
    assert len(shown_negatives(pool, 0)) == 10
