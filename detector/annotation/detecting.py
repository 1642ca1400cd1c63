"""Batches that hold one network size, and shrink where memory does not hold them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from backbones.errors import HoopoeError
from detector.base.failures import ran_out_of_memory

CPU_BATCH, CUDA_BATCH = 2, 16  # pictures: on a CPU more only cost memory

Size = tuple[int, int]
Entry = TypeVar("Entry")
Result = TypeVar("Result")


class SizeBuckets(Generic[Entry]):
    """Gathers entries into batches of one network size, as padding to a common size would change what is found.

    Args:
        batch_size: Entries in a batch, at most.
        waiting: Entries that wait in all buckets, at most; above that the size that has waited longest goes out as it
            is, so that pictures of many sizes take no more memory than those of one.
    """

    def __init__(self, batch_size: int, waiting: int) -> None:
        self.batch_size = batch_size
        self.waiting = waiting
        self._buckets: OrderedDict[Size, _Bucket[Entry]] = OrderedDict()  # the one that has waited longest first

    def __len__(self) -> int:
        return sum(len(bucket.entries) for bucket in self._buckets.values())

    def add(self, size: Size, entry: Entry) -> list[Entry] | None:
        """Take an entry; the batch that is due, if one is."""
        bucket = self._buckets.setdefault(size, _Bucket())
        bucket.entries.append(entry)
        if len(bucket.entries) >= self.batch_size:
            return self._buckets.pop(size).entries
        return next(self.pop(), None) if len(self) > self.waiting else None

    def pop(self, waited_s: float = 0.0) -> Iterator[list[Entry]]:
        """Take out what has waited for so long, a size after the other, the one that has waited longest first."""
        now = time.monotonic()
        while self._buckets and now - next(iter(self._buckets.values())).since >= waited_s:
            yield self._buckets.popitem(last=False)[1].entries


@dataclass
class _Bucket(Generic[Entry]):
    """What waits of one size, and since when."""

    entries: list[Entry] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class HalvingBatches(Generic[Entry, Result]):
    """Runs a function on batches; where the memory does not hold one, on halves from then on.

    Args:
        function: Entries to as many results.
        batch_size: Entries in a batch, at most.
    """

    def __init__(self, function: Callable[[Sequence[Entry]], Sequence[Result]], batch_size: int) -> None:
        self.function = function
        self.batch_size = batch_size

    def __call__(self, entries: Sequence[Entry]) -> list[Result]:
        """The results of all entries.

        Raises:
            HoopoeError: Not even one entry fits into the memory.
        """
        results: list[Result] = []
        while len(results) < len(entries):
            chunk = entries[len(results) : len(results) + self.batch_size]
            try:
                results.extend(self.function(chunk))
                continue
            except (torch.cuda.OutOfMemoryError, RuntimeError) as error:  # on a CPU torch raises the latter
                on_gpu = isinstance(error, torch.cuda.OutOfMemoryError)
                if not on_gpu and not ran_out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    problem = f"not one picture fits into the {'GPU' if on_gpu else 'computer'}'s memory"
                    hint = "free the GPU, or take the CPU as device" if on_gpu else "close other programs"
                    raise HoopoeError(problem, hint=f"{hint}; run it again to go on") from error
                self.batch_size = max(1, min(self.batch_size, len(chunk)) // 2)
            if on_gpu:
                torch.cuda.empty_cache()  # outside the handler, whose traceback holds the tensors
        return results
