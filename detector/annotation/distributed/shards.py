"""Shards: the items that a worker is given at a time, so many that it is busy for about a minute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from detector.annotation.values import BoxedItem
from detector.cluster.dispatch import Shard
from detector.types import MediaItem

TARGET_S = 60.0  # of a shard: what a lost worker costs; in a shorter one the stages of the engine run empty too often
LEAST_S = 2.0  # of a shard towards the end: beginning and ending one take some tenths
FIRST, LEAST, MOST = 8, 2, 2_000  # weight of a shard while no speed is known, towards the end, and ever
VIDEO_WEIGHT = 10  # photos that take as long as a video, roughly; the speed is measured
PIECES = 8  # into which the items of a worker that died are cut

Item = TypeVar("Item", bound=MediaItem | BoxedItem)


class Sharding(Generic[Item]):
    """Takes items as they are asked for, and gives them out in shards.

    Args:
        items: Taken no earlier than they are given out, but for one.
        total: How many there are, if that is known: the last shards are smaller, so that all workers end together.
        whole_folders: Never divide the items of a folder.
    """

    def __init__(self, items: Iterable[Item], total: int | None = None, whole_folders: bool = False) -> None:
        self._items: Iterator[Item] = iter(items)
        self._left, self._whole_folders = total, whole_folders
        self._next: Item | None = None
        self._seconds = self._weight = 0.0  # of late

    def next(self, workers: int) -> Shard[Item] | None:
        """The next shard; None: there are no more items.

        Args:
            workers: Among which the items that are left are divided.
        """
        most, weight = self._most(workers), 0
        items: list[Item] = []
        while (item := self._peek()) is not None:
            full = items and weight + weight_of(item) > most
            if full and not (self._whole_folders and _folder_of(item) == _folder_of(items[-1])):
                break
            items.append(item)
            weight += weight_of(item)
            self._next = None
        if self._left is not None:
            self._left = max(self._left - len(items), 0)
        return Shard(items) if items else None

    @property
    def over(self) -> bool:
        """Whether there are no more items."""
        return self._peek() is None

    def pieces(self, shard: Shard[Item]) -> list[Shard[Item]]:
        """The shards that take the place of one over which a worker has died.

        Folders that are not to be divided are tried once more as they are: the worker may have died by itself.
        """
        if len(shard.items) == 1 or (self._whole_folders and not shard.deaths):
            return [Shard(shard.items, shard.deaths + 1)]
        size = math.ceil(len(shard.items) / PIECES)
        return [Shard(shard.items[start : start + size]) for start in range(0, len(shard.items), size)]

    def measured(self, shard: Shard[Item], seconds: float) -> None:
        """Take how long a shard took; what was long ago counts less."""
        self._seconds = 0.8 * self._seconds + seconds
        self._weight = 0.8 * self._weight + sum(map(weight_of, shard.items))

    def _peek(self) -> Item | None:
        if self._next is None:
            self._next = next(self._items, None)
        return self._next

    def _most(self, workers: int) -> float:
        if not self._weight:
            return FIRST
        per_second = self._weight / max(self._seconds, 1e-6)
        most = min(TARGET_S * per_second, MOST)
        if self._left is None or workers <= 1:  # with nobody to wait for
            return most
        return min(most, max(self._left / (2 * workers), LEAST_S * per_second, LEAST))


def weight_of(item: MediaItem | BoxedItem) -> int:
    """How much work an item is, in photos."""
    return VIDEO_WEIGHT if media_of(item).media_type == "video" else 1


def media_of(item: MediaItem | BoxedItem) -> MediaItem:
    """The media item of an item."""
    return item.item if isinstance(item, BoxedItem) else item


def _folder_of(item: MediaItem | BoxedItem) -> tuple[str, str]:
    media = media_of(item)
    return media.card, media.path.rpartition("/")[0]
