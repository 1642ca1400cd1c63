"""What a pool tells apart without a cluster: machines that go away, and what a worker takes of one."""

from __future__ import annotations

from typing import Any

import pytest

from backbones.errors import HoopoeError
from detector.cluster import ray_pool
from detector.cluster.dispatch import Shard
from detector.cluster.options import ClusterOptions
from detector.cluster.ray_pool import MEMORY_BYTES, RayPool, _connect, _Worker, cores_of
from detector.cluster.work import Machines


class FakeRay:
    """Two machines."""

    def __init__(self) -> None:
        self.alive = {"one", "two"}

    def is_initialized(self) -> bool:
        return True

    def put(self, work: Any) -> Any:
        return work

    def kill(self, actor: Any) -> None:
        pass

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": name, "Alive": name in self.alive, "Resources": {"CPU": 2.0}} for name in ("one", "two")]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    found = FakeRay()
    monkeypatch.setattr(ray_pool, "_ray", lambda: found)
    return found


def pool() -> RayPool[Any, Any]:
    work: Any = None
    return RayPool(work, ClusterOptions(device="cpu"), Machines(0))


def test_a_worker_that_dies_just_before_its_machine_blames_no_file(ray: FakeRay) -> None:
    begun = pool()
    assert begun._lost(_Worker(None, "one"), Shard(["a file"]), RuntimeError()) is None
    assert begun.events(0.0) == []
    ray.alive.remove("one")
    [died] = begun.events(0.0)
    assert not died.blamed
    assert begun.events(0.0) == []


def test_a_worker_that_dies_in_a_machine_that_stays_blames_its_file(
    ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_pool, "VERDICT_S", -1.0)
    begun = pool()
    assert begun._lost(_Worker(None, "two"), Shard(["a file"]), RuntimeError()) is None
    [died] = begun.events(0.0)
    assert died.blamed


def test_several_files_are_cut_at_once(ray: FakeRay) -> None:
    died = pool()._lost(_Worker(None, "two"), Shard(["a file", "another"]), RuntimeError())
    assert died is not None
    assert died.blamed


@pytest.mark.parametrize(
    ("machines", "cores"),
    [
        ([], 1),
        ([{"CPU": 1.0}], 1),
        ([{"CPU": 8.0, "memory": 8.0 * MEMORY_BYTES}], 1),
        ([{"CPU": 8.0, "memory": 4.0 * MEMORY_BYTES}], 2),
        ([{"CPU": 8.0, "memory": 8.0 * MEMORY_BYTES}, {"CPU": 2.0, "memory": 1.0}], 2),
    ],
)
def test_a_worker_takes_a_core_where_memory_suffices(machines: list[dict[str, float]], cores: int) -> None:
    assert cores_of(machines) == cores


def test_a_machine_that_is_too_busy_for_ray_is_no_defect() -> None:
    class Busy:
        def init(self, **_: Any) -> None:
            raise Exception("The current node timed out during startup.")

    with pytest.raises(HoopoeError, match="Ray did not start"):
        _connect(Busy(), None)
