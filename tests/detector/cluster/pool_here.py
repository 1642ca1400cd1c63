"""Workers in this process, in place of Ray's."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from detector.cluster.dispatch import Died, Finished, Shard
from detector.cluster.options import ClusterOptions
from detector.cluster.work import Share

CLUSTER = ClusterOptions(fewest=2, most=2, cpus_per_worker=1, device="cpu")


class PoolHere:
    """Workers to which all goes as through a wire; the last piece that was given out is done first.

    Attributes:
        deaths: Numbers of pieces, as they are given out, over which one dies.
        begun: How many pools there were.
    """

    deaths: frozenset[int] = frozenset()
    begun = 0

    def __init__(self, work: Any, cluster: ClusterOptions, machines: Any) -> None:
        self.run = pickle.loads(pickle.dumps(work)).start(Share(1))
        self.waiting: list[tuple[int, Shard[Any]]] = []
        self.given = 0
        PoolHere.begun += 1

    def __enter__(self) -> PoolHere:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def idle(self) -> int:
        return 3 - len(self.waiting)

    ready = 3

    def submit(self, shard: Shard[Any]) -> None:
        self.waiting.append((self.given, shard))
        self.given += 1

    def events(self, timeout_s: float) -> Sequence[Finished[Any, Any] | Died[Any]]:
        number, shard = self.waiting.pop()
        if number in self.deaths:
            return [Died(shard, blamed=True)]
        return [Finished(shard, pickle.loads(pickle.dumps(self.run(shard.items, lambda: False))))]

    def scale(self, waiting: bool) -> None:
        pass


def put_in_place(monkeypatch: pytest.MonkeyPatch) -> type[PoolHere]:
    """Have it take the place of Ray's, on any system."""
    monkeypatch.setattr("detector.cluster.ray_pool.RayPool", PoolHere)
    monkeypatch.setattr("detector.cluster.ordered.check_platform", lambda: None)
    monkeypatch.setattr(PoolHere, "begun", 0)
    return PoolHere
