"""Who does which shard, and what becomes of the shards of workers that died.

Nothing here knows Ray: a pool of workers is whatever takes shards and tells what came of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)
Done = TypeVar("Done")
Done_co = TypeVar("Done_co", covariant=True)

STEP_S = 0.25  # an engine may be told to end twice a second at least
PATIENCE_S = 60.0  # for workers that were told to end: a batch of a slow video
DEATHS = 2  # of workers, or of machines, over one file alone: then it is the file
LOSSES = 2  # of machines over the same items: then they may be why, and are on trial, one shard at a time
_KILLED = f"it ended the process that looked at it, {DEATHS} times"
_FELLED = f"the machine that looked at it went down, {DEATHS} times"


class Ending(Exception):
    """Thrown into what does items, where it yielded None, to end it: it may yield what it has finished, and no more."""


@dataclass(frozen=True)
class Shard(Generic[Item_co]):
    """Items that one worker does together.

    Attributes:
        items: At least one.
        deaths: Workers that died over just these.
        losses: Machines that were lost over these, maybe among others.
    """

    items: Sequence[Item_co]
    deaths: int = 0
    losses: int = 0


@dataclass(frozen=True, eq=False)
class ShardResult(Generic[Done_co]):
    """What came of a shard.

    Attributes:
        done: Of each of its items that is finished; a worker that is told to end leaves the others.
        part: The file in which what was found is written; None: there is none.
        content: Of that file, where the worker does not see the store.
        seconds: How long it took.
    """

    done: Sequence[Done_co]
    part: Path | None = None
    content: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Finished(Generic[Item, Done]):
    """A worker is done with a shard."""

    shard: Shard[Item]
    result: ShardResult[Done]


@dataclass(frozen=True, eq=False)
class Died(Generic[Item]):
    """A worker died over a shard.

    Attributes:
        shard: The shard.
        blamed: Whether its items may be why; False where the machine was lost.
    """

    shard: Shard[Item]
    blamed: bool


class Shards(Protocol[Item]):
    """Items that are given out."""

    @property
    def over(self) -> bool:
        """Whether there are no more items."""

    def next(self, workers: int) -> Shard[Item] | None:
        """The next shard, where so many workers share what is left; None: there are no more items."""

    def pieces(self, shard: Shard[Item]) -> Sequence[Shard[Item]]:
        """The shards that take the place of one over which a worker has died."""

    def measured(self, shard: Shard[Item], seconds: float) -> None:
        """Take how long a shard took."""


class Pool(Protocol[Item, Done]):
    """Workers, which come and go."""

    @property
    def idle(self) -> int:
        """Workers that wait for a shard."""

    @property
    def ready(self) -> int:
        """Workers that can take shards, those at work included."""

    def submit(self, shard: Shard[Item]) -> None:
        """Have an idle worker do a shard."""

    def events(self, timeout_s: float) -> Sequence[Finished[Item, Done] | Died[Item]]:
        """What has come of shards, or comes within this time.

        Raises:
            HoopoeError: What a worker raised; or there are no workers, and there will be none.
        """

    def scale(self, waiting: bool) -> None:
        """Ask for more workers while work waits, and let idle ones go where none will come."""

    def stop(self) -> None:
        """Tell all workers to end after their batch."""


class _Queue(Generic[Item]):
    """What is given out next: shards that come back, and then new ones.

    Args:
        sharding: Has the items.
    """

    def __init__(self, sharding: Shards[Item]) -> None:
        self._sharding = sharding
        self._again: deque[Shard[Item]] = deque()
        self._trials: deque[Shard[Item]] = deque()  # of what machines were lost over
        self._last: deque[Shard[Item]] = deque()  # trials of single files, after which they have failed
        self._tried: Shard[Item] | None = None  # the one on trial that is under way

    @property
    def over(self) -> bool:
        """Whether nothing waits."""
        return not (self._again or self._trials or self._last) and self._sharding.over

    def next(self, workers: int, nothing_else: bool) -> Shard[Item] | None:
        """The next shard; None: there is none now.

        Args:
            workers: Among which the items that are left are divided.
            nothing_else: Whether no shard is under way.
        """
        if self._trials and self._tried is None:
            self._tried = self._trials.popleft()
            return self._tried
        shard = self._again.popleft() if self._again else self._sharding.next(workers)
        return self._last.popleft() if shard is None and self._last and nothing_else else shard

    def came_back(self, shard: Shard[Item]) -> None:
        """A shard is under way no longer."""
        if shard is self._tried:
            self._tried = None

    def take_back(self, died: Died[Item]) -> str | None:
        """Keep the items of a worker that died for others; or why the only one of them has failed."""
        shard = died.shard
        if not died.blamed and shard.losses < LOSSES:
            shards = [replace(shard, losses=shard.losses + 1)]
        elif len(shard.items) == 1 and shard.deaths + 1 >= DEATHS:
            return _KILLED if died.blamed else _FELLED
        else:
            shards = [replace(each, losses=shard.losses) for each in self._sharding.pieces(shard)]
        for each in shards:
            if each.losses < LOSSES:
                self._again.append(each)
            elif len(each.items) == 1 and each.deaths + 1 >= DEATHS:
                self._last.append(each)
            else:
                self._trials.append(each)
        return None


def dispatch(
    sharding: Shards[Item],
    pool: Pool[Item, Done],
    adopt: Callable[[ShardResult[Done]], None],
    fail: Callable[[Item, str], Done],
) -> Generator[Done | None]:
    """Have all items done, each once, and yield what came of them; None where it may be told to end, by `Ending`.

    The items of a worker that died go to others: in smaller and smaller shards, until the one that kills is alone.
    Those of a machine that was lost go to others as they are, since machines are taken away. When that happens to the
    same ones again they are on trial, one shard at a time; and the last trial of a file is held when all else is done.

    Args:
        sharding: Has the items.
        pool: Does them.
        adopt: Takes the part of a shard that is done, before its items count.
        fail: What becomes of an item that killed `DEATHS` workers or machines, and why.
    """
    queue, under_way = _Queue(sharding), 0
    try:
        while True:
            while pool.idle and (shard := queue.next(pool.ready, nothing_else=not under_way)) is not None:
                pool.submit(shard)
                under_way += 1
            if queue.over and not under_way:
                return
            pool.scale(waiting=not queue.over)
            for event in pool.events(STEP_S):
                under_way -= 1
                queue.came_back(event.shard)
                if isinstance(event, Finished):
                    sharding.measured(event.shard, event.result.seconds)
                    adopt(event.result)
                    yield from event.result.done
                elif (why := queue.take_back(event)) is not None:
                    yield fail(event.shard.items[0], why)
            yield None
    except Ending:
        pool.stop()
        end = time.monotonic() + PATIENCE_S
        while under_way and time.monotonic() < end:
            for event in pool.events(STEP_S):
                under_way -= 1
                if isinstance(event, Finished):
                    adopt(event.result)
                    yield from event.result.done
