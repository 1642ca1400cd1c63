"""Who does which shard, and what becomes of the shards of workers that died.

Nothing here knows Ray: a pool of workers is whatever takes shards and tells what came of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)
Done = TypeVar("Done")
Done_co = TypeVar("Done_co", covariant=True)

STEP_S = 0.25  # an engine may be told to end twice a second at least
PATIENCE_S = 60.0  # for workers that were told to end: a batch of a slow video
DEATHS = 2  # of workers over one file alone: then it is the file
_KILLED = f"it ended the process that looked at it, {DEATHS} times"


class Ending(Exception):
    """Thrown into what does items, where it yielded None, to end it: it may yield what it has finished, and no more."""


@dataclass(frozen=True)
class Shard(Generic[Item_co]):
    """Items that one worker does together.

    Attributes:
        items: At least one.
        deaths: Workers that died over just these.
    """

    items: Sequence[Item_co]
    deaths: int = 0


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


def dispatch(
    sharding: Shards[Item],
    pool: Pool[Item, Done],
    adopt: Callable[[ShardResult[Done]], None],
    fail: Callable[[Item, str], Done],
) -> Generator[Done | None]:
    """Have all items done, each once, and yield what came of them; None where it may be told to end, by `Ending`.

    The items of a worker that died go to others: in smaller and smaller shards, until the one that kills is alone.

    Args:
        sharding: Has the items.
        pool: Does them.
        adopt: Takes the part of a shard that is done, before its items count.
        fail: What becomes of an item that killed `DEATHS` workers, and why.
    """
    again: deque[Shard[Item]] = deque()
    under_way = 0
    try:
        while True:
            while pool.idle and (shard := again.popleft() if again else sharding.next(pool.ready)) is not None:
                pool.submit(shard)
                under_way += 1
            waiting = bool(again) or not sharding.over
            if not waiting and not under_way:
                return
            pool.scale(waiting)
            for event in pool.events(STEP_S):
                under_way -= 1
                if isinstance(event, Finished):
                    sharding.measured(event.shard, event.result.seconds)
                    adopt(event.result)
                    yield from event.result.done
                elif not event.blamed:
                    again.append(event.shard)
                elif len(event.shard.items) == 1 and event.shard.deaths + 1 >= DEATHS:
                    yield fail(event.shard.items[0], _KILLED)
                else:
                    again.extend(sharding.pieces(event.shard))
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
