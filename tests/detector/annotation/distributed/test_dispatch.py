"""Every item is done once, whatever workers do; a file that kills them is found and called failed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.errors import HoopoeError
from detector.annotation.distributed.shards import FIRST, LEAST_S, Sharding
from detector.cluster.dispatch import DEATHS, LOSSES, Died, Ending, Finished, Shard, ShardResult, dispatch
from detector.types import MediaItem


def media(count: int, folders: int = 1) -> list[MediaItem]:
    """Photos, as many in each folder."""
    each = -(-count // folders) or 1
    paths = [f"{number // each:03d}/{number:05d}.jpg" for number in range(count)]
    return [MediaItem("card", path, "photo", 1, Path("card") / path) for path in paths]


class FakePool:
    """Workers that do their shards when they are asked what has come, and die as they are told.

    Args:
        workers: How many.
        poison: Paths over which they die.
        deaths: Numbers of shards, as they are submitted, over which they die by chance.
        lost: The same, with their machine.
        fells: Whether poison takes down the machine, with all of the workers, which are there again.
    """

    def __init__(
        self,
        workers: int = 2,
        poison: Sequence[str] = (),
        deaths: Sequence[int] = (),
        lost: Sequence[int] = (),
        fells: bool = False,
    ) -> None:
        self.workers, self.poison, self.deaths, self.lost = workers, set(poison), set(deaths), set(lost)
        self.fells = fells
        self.shards: list[Shard[MediaItem]] = []
        self.waiting: list[int] = []
        self.killed: Counter[str] = Counter()
        self.scaled: list[bool] = []
        self.stopped = False

    @property
    def idle(self) -> int:
        return self.workers - len(self.waiting)

    @property
    def ready(self) -> int:
        return self.workers

    def submit(self, shard: Shard[MediaItem]) -> None:
        assert self.idle
        self.waiting.append(len(self.shards))
        self.shards.append(shard)

    def events(self, timeout_s: float) -> list[Finished[MediaItem, str] | Died[MediaItem]]:
        if self.fells and any(
            item.path in self.poison for number in self.waiting for item in self.shards[number].items
        ):
            lost, self.waiting = self.waiting, []
            self.killed.update(item.path for number in lost for item in self.shards[number].items)
            return [Died(self.shards[number], blamed=False) for number in lost]
        return [self._event(self.waiting.pop(0))] if self.waiting else []

    def _event(self, number: int) -> Finished[MediaItem, str] | Died[MediaItem]:
        shard = self.shards[number]
        killers = [item.path for item in shard.items if item.path in self.poison]
        if killers or number in self.deaths | self.lost:
            self.killed.update(killers[:1])
            return Died(shard, blamed=bool(killers) or number in self.deaths)
        done = [item.path for item in shard.items]
        return Finished(shard, ShardResult(done[:1] if self.stopped else done, seconds=0.1 * len(done)))

    def scale(self, waiting: bool) -> None:
        self.scaled.append(waiting)

    def stop(self) -> None:
        self.stopped = True


def run(items: Sequence[MediaItem], pool: FakePool, whole_folders: bool = False) -> list[str]:
    """What is yielded: paths, with `!` where they failed."""
    sharding = Sharding(items, len(items), whole_folders)
    done = dispatch(sharding, pool, lambda result: None, lambda item, why: f"!{item.path}")
    return [each for each in done if each is not None]


def test_nothing_to_do_asks_for_nothing():
    pool = FakePool()
    assert run([], pool) == []
    assert pool.shards == pool.scaled == []


def test_every_item_is_done_once():
    items = media(1_000)
    pool = FakePool(workers=4)
    assert sorted(run(items, pool)) == [item.path for item in items]
    assert pool.scaled[0]
    assert not pool.scaled[-1]


@pytest.mark.parametrize("count", [1, 2, 9, 1_000])
def test_a_file_that_kills_is_found_and_failed_and_all_others_are_done(count):
    items = media(count)
    poison = items[count // 2].path
    pool = FakePool(poison=[poison])
    done = run(items, pool)
    assert sorted(done) == sorted([f"!{poison}", *(item.path for item in items if item.path != poison)])
    assert 2 <= pool.killed[poison] <= 6


def test_workers_that_die_by_chance_cost_no_file():
    items = media(100)
    pool = FakePool(deaths=[0, 1, 5, 9])
    assert sorted(run(items, pool)) == [item.path for item in items]


def test_lost_machines_are_no_file_s_fault():
    items = media(1)
    pool = FakePool(lost=range(LOSSES + DEATHS - 1))
    assert run(items, pool) == [items[0].path]


@pytest.mark.parametrize("count", [1, 2, 9, 100])
def test_a_file_that_takes_down_every_machine_is_failed_and_no_file_that_was_beside_it(count):
    items = media(count)
    poison = items[count // 2].path
    pool = FakePool(workers=4, poison=[poison], fells=True)
    done = run(items, pool)
    assert sorted(done) == sorted([f"!{poison}", *(item.path for item in items if item.path != poison)])
    assert LOSSES + DEATHS <= pool.killed[poison] <= LOSSES + DEATHS + 2


def test_of_several_files_that_take_down_machines_each_is_found_and_none_beside_them():
    items = media(40)
    poison = [item.path for item in items[::7]]
    done = run(items, FakePool(workers=8, poison=poison, fells=True))
    assert sorted(each[1:] for each in done if each.startswith("!")) == poison
    assert len(done) == 40


@settings(max_examples=25)
@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.sets(st.integers(0, 59), max_size=4),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_whatever_dies_each_item_is_done_or_failed_once(count, workers, poison, fells, chance: random.Random):
    items = media(count, folders=3)
    bad = {items[number].path for number in poison if number < count}
    deaths = chance.sample(range(30), 3)
    done = run(items, FakePool(workers, bad, deaths[:1], deaths[1:], fells), whole_folders=chance.random() < 0.5)
    assert sorted(each.lstrip("!") for each in done) == [item.path for item in items]
    assert bad == {each[1:] for each in done if each.startswith("!")}


def test_what_a_worker_raises_ends_the_run():
    class Broken(FakePool):
        def events(self, timeout_s):
            raise HoopoeError("the disk is full")

    with pytest.raises(HoopoeError, match="disk is full"):
        run(media(3), Broken())


def test_told_to_end_it_yields_what_workers_finish_yet_and_begins_nothing():
    pool, adopted = FakePool(workers=2), []
    engine = dispatch(Sharding(media(100)), pool, adopted.append, lambda item, why: "!")
    while next(engine) is not None:
        pass
    begun = len(pool.shards)
    last = [engine.throw(Ending())]
    last += list(engine)
    assert pool.stopped
    assert len(pool.shards) == begun
    assert [each for each in last if each is not None]
    assert len(adopted) == len(pool.shards)


def test_shards_grow_with_speed_and_shrink_towards_the_end():
    sharding = Sharding(media(10_000), 10_000)
    first = sharding.next(workers=4)
    assert first is not None
    assert len(first.items) == FIRST
    sharding.measured(first, seconds=0.5)
    second = sharding.next(workers=4)
    assert second is not None
    assert len(second.items) == 60 / 0.5 * FIRST
    sizes = []
    while (shard := sharding.next(workers=4)) is not None:
        sizes.append(len(shard.items))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] == LEAST_S / 0.5 * FIRST
    assert sum(sizes) + FIRST + len(second.items) == 10_000


def test_one_worker_has_nobody_to_end_with():
    sharding = Sharding(media(1_000), 1_000)
    sharding.measured(Shard(media(1)), seconds=0.1)
    assert [len(sharding.next(1).items) for _ in range(2)] == [600, 400]


def test_folders_stay_whole_where_photos_depend_on_those_before():
    sharding = Sharding(media(100, folders=4), whole_folders=True)
    sizes = []
    while (shard := sharding.next(workers=2)) is not None:
        sizes.append(len(shard.items))
    assert sizes == [25] * 4


def test_videos_weigh_more_than_photos():
    videos = [MediaItem("card", f"{n}.mp4", "video", 1, Path(f"{n}.mp4")) for n in range(3)]
    assert [len(Sharding(videos).next(1).items), len(Sharding(media(20)).next(1).items)] == [1, FIRST]
