"""Workers of a Ray cluster: actors, each of which holds what it needs and does one shard at a time.

Ray's own ways of trying again are off: they would give a file that kills its worker to one after the other for ever.
Objects of Ray are the shards and their receipts alone; pixels never leave a worker.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic

from backbones.errors import ConfigError, HoopoeError
from detector.base.closing import Closing
from detector.base.reporting import warn
from detector.base.version import __version__
from detector.cluster.dispatch import Died, Done, Finished, Item, Shard, ShardResult
from detector.cluster.options import ClusterOptions
from detector.cluster.work import Machines, Share, Work

OBJECT_STORE_BYTES = 256 << 20  # of a cluster that is begun here: shards and receipts are small
CPUS = 2  # of a worker without a GPU, where memory is short: one reads, one computes
MEMORY_BYTES = 2 << 30  # for a worker with large networks and the process that reads, of what Ray gives out
STILLBORN, MISFORTUNES = 3, 30  # workers that died one after the other before they did anything: at first, and later
LOOK_S = 10.0  # between two looks at what the cluster has
VERDICT_S = 30.0  # after a death over a single file: in a machine that is taken away workers die before it is told
LONELY_S = 60.0  # without any worker, after which that is said


@dataclass(frozen=True)
class Greeting:
    """What a worker says when it is ready: on which machine, by Ray's id of it, and of which version."""

    node: str
    host: str
    version: str


class _Host:
    """The actor: a worker in its own process."""

    def __init__(self, work: Work[Any, Any], share: Share) -> None:
        self.work, self.share, self.stopped = work, share, False

    def start(self) -> Greeting:
        import ray

        greeting = Greeting(ray.get_runtime_context().get_node_id(), platform.node(), __version__)
        self.run = self.work.start(self.share)
        return greeting

    def do(self, items: Sequence[Any]) -> ShardResult[Any]:
        return self.run(items, lambda: self.stopped)

    def stop(self) -> None:
        self.stopped = True


@dataclass(eq=False)
class _Worker(Generic[Item]):
    """An actor as the driver sees it."""

    actor: Any
    node: str | None = None  # None: it is not ready
    shard: Shard[Item] | None = None


@dataclass(frozen=True, eq=False)
class _Doubt(Generic[Item]):
    """A worker has died over a single file: it may be the file, or the first sign that the machine goes away."""

    shard: Shard[Item]
    node: str
    until: float  # of the monotonic clock


class RayPool(Closing, Generic[Item, Done]):
    """Workers of a cluster, a `Pool`: as many as there is work for, within bounds. A context manager that ends them.

    Args:
        work: What they do.
        options: Which cluster, and how many.
        machines: Is told how many machines work.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, work: Work[Item, Done], options: ClusterOptions, machines: Machines) -> None:
        self._ray = _ray()
        self._options, self._machines = options, machines
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, options.address)
        self._alone = options.address is None and self._own
        self._work = self._ray.put(work)
        self._workers: dict[Any, _Worker[Item]] = {}  # by what they are asked for
        self._idle: list[_Worker[Item]] = []
        self._doubts: list[_Doubt[Item]] = []
        self._most, self._looked = 0, 0.0
        self._stillborn, self._proven = 0, False
        self._lonely_since = time.monotonic()
        self._gpus, self._cpus = self._share()

    @property
    def idle(self) -> int:
        """Workers that wait for a shard."""
        return len(self._idle)

    @property
    def ready(self) -> int:
        """Workers that can take shards, those at work included."""
        return len(self._idle) + sum(worker.node is not None for worker in self._workers.values())

    def submit(self, shard: Shard[Item]) -> None:
        """Have an idle worker do a shard."""
        worker = self._idle.pop()
        worker.shard = shard
        self._workers[worker.actor.do.remote(shard.items)] = worker

    def events(self, timeout_s: float) -> list[Finished[Item, Done] | Died[Item]]:
        """What has come of shards, or comes within this time.

        Raises:
            HoopoeError: What a worker raised; or they all die before they have done anything.
        """
        verdicts = self._verdicts()
        if not self._workers:
            time.sleep(timeout_s)
            return [*verdicts]
        asked = list(self._workers)
        heard, _ = self._ray.wait(asked, num_returns=1, timeout=0 if verdicts else timeout_s)
        if heard:
            heard, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)
        told = (self._event(each, self._workers.pop(each)) for each in heard)
        return [*verdicts, *(event for event in told if event is not None)]

    def _verdicts(self) -> list[Died[Item]]:
        """The deaths of which it is known now whether a machine was lost with the worker."""
        nodes = self._nodes() if self._doubts else set()
        ripe = [doubt for doubt in self._doubts if doubt.node not in nodes or time.monotonic() > doubt.until]
        self._doubts = [doubt for doubt in self._doubts if doubt not in ripe]
        return [Died(doubt.shard, blamed=doubt.node in nodes) for doubt in ripe]

    def _event(self, asked: Any, worker: _Worker[Item]) -> Finished[Item, Done] | Died[Item] | None:
        shard, worker.shard = worker.shard, None
        try:
            answer = self._ray.get(asked)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            return self._lost(worker, shard, error)
        if isinstance(answer, Greeting):
            _check_version(answer)
            worker.node = answer.node
            event = None
        else:
            assert shard is not None
            self._proven, self._stillborn = True, 0
            event = Finished(shard, answer)
        self._idle.append(worker)
        self._count_machines()
        return event

    def _lost(self, worker: _Worker[Item], shard: Shard[Item] | None, error: Exception) -> Died[Item] | None:
        """A worker that has died or does not answer; what it may write yet is never taken."""
        self._ray.kill(worker.actor)
        self._count_machines()
        if shard is not None:
            assert worker.node is not None
            blamed = worker.node in self._nodes()
            if blamed and len(shard.items) == 1:
                self._doubts.append(_Doubt(shard, worker.node, time.monotonic() + VERDICT_S))
                return None
            return Died(shard, blamed)
        self._stillborn += 1
        if self._stillborn >= (MISFORTUNES if self._proven else STILLBORN):
            said = _line_of(error, -1)
            hint = "is there enough memory for each? fewer workers a machine: more --cpus-per-worker"
            raise HoopoeError(f"workers die as they begin ({said})", hint=hint)
        return None

    def scale(self, waiting: bool) -> None:
        """Ask for more workers while work waits, and let idle ones go where none will come."""
        if waiting and not self._idle:
            for _ in range(self._wanted() - len(self._workers)):
                self._ask()
        elif not waiting:
            while self._idle and len(self._workers) + len(self._idle) > self._options.fewest:
                self._ray.kill(self._idle.pop().actor)
            self._count_machines()
        self._tell_if_lonely()

    def stop(self) -> None:
        """Tell all workers to end after their batch."""
        self._doubts = [replace(doubt, until=0.0) for doubt in self._doubts]
        for asked, worker in list(self._workers.items()):
            if worker.shard is None:
                del self._workers[asked]
                self._ray.kill(worker.actor)
            else:
                worker.actor.stop.remote()

    def close(self) -> None:
        """End all workers."""
        for worker in [*self._workers.values(), *self._idle]:
            self._ray.kill(worker.actor)
        self._workers.clear()
        self._idle.clear()
        self._machines.count = 0
        if self._own:
            self._ray.shutdown()

    def _ask(self) -> None:
        actor = self._ray.remote(_Host).options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=0, max_task_retries=0, max_concurrency=2
        )
        worker: _Worker[Item] = _Worker(actor.remote(self._work, Share(self._cpus)))
        self._workers[worker.actor.start.remote()] = worker

    def _wanted(self) -> int:
        """Workers that are asked for while work waits."""
        if self._options.most is not None:
            return self._options.most
        if time.monotonic() - self._looked > LOOK_S or not self._most:
            self._looked = time.monotonic()
            self._most = sum(self._fitting(node["Resources"]) for node in self._ray.nodes() if node["Alive"])
        return max(self._most, self._options.fewest)

    def _fitting(self, resources: dict[str, float]) -> int:
        by_cpu = int(resources.get("CPU", 0) // self._cpus)
        return min(by_cpu, int(resources.get("GPU", 0) // self._gpus)) if self._gpus else by_cpu

    def _share(self) -> tuple[int, int]:
        """GPUs and cores of a worker."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        with_gpu = [each for each in machines if each.get("GPU")]
        gpus = 0 if self._options.device == "cpu" or not with_gpu else 1
        if self._options.cpus_per_worker is not None:
            return gpus, self._options.cpus_per_worker
        if gpus:
            return gpus, max(1, min(int(each.get("CPU", 1) // each["GPU"]) for each in with_gpu))
        return gpus, cores_of(machines)

    def _nodes(self) -> set[str]:
        return {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}

    def _count_machines(self) -> None:
        nodes = {worker.node for worker in [*self._workers.values(), *self._idle] if worker.node is not None}
        self._machines.count = len(nodes)

    def _tell_if_lonely(self) -> None:
        if self.ready:
            self._lonely_since = time.monotonic()
        elif time.monotonic() - self._lonely_since > LONELY_S:
            self._lonely_since = time.monotonic()
            has = self._ray.cluster_resources()
            asks = f"{self._cpus} cores" + (f" and {self._gpus} GPU" if self._gpus else "")
            warn(
                f"no worker is ready yet: each asks for {asks}; the cluster has {has.get('CPU', 0):.0f} cores and "
                f"{has.get('GPU', 0):.0f} GPUs, which others may use"
            )


def cores_of(machines: Sequence[dict[str, float]]) -> int:
    """Cores of a worker without a GPU: one where every machine has the memory for as many workers, else two.

    Two workers of a core each read while they compute, and so do more than one of two cores.
    """
    cores = [int(each.get("CPU", 0)) for each in machines]
    roomy = all(each.get("memory", 0) >= MEMORY_BYTES * each.get("CPU", 0) for each in machines)
    return max(1, min(1 if roomy else CPUS, max(cores, default=CPUS)))


def _line_of(error: Exception, number: int) -> str:
    """A line of what an error says, which may be nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[number][:300]


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        problem, hint = "the extra `ray` is not installed", "pip install 'hoopoe[ray]'; on all machines of the cluster"
        raise ConfigError(problem, where="engine", hint=hint) from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or begin one of this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    local = address is None and "RAY_ADDRESS" not in os.environ
    own = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False} if local else {}
    with _signals_kept():
        try:
            ray.init(address="local" if local else address, log_to_driver=False, logging_level="ERROR", **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = _line_of(error, 0)
            hint = "start one: `ray start --head`, and `ray start --address=HEAD:6379` on the others"
            raise ConfigError(f"there is no Ray cluster there ({said})", where=address, hint=hint) from error
        except Exception as error:  # bare ones, where a machine is too busy to start it
            hint = "is this machine very busy, or short of memory? run the same command again"
            raise HoopoeError(f"Ray did not start ({_line_of(error, 0)})", where=address, hint=hint) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Who hears SIGTERM stays as it is: Ray would end the program on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_version(greeting: Greeting) -> None:
    if greeting.version != __version__:
        problem = f"{greeting.host} has Hoopoe {greeting.version}, not {__version__}"
        raise ConfigError(problem, where="engine", hint="install the same version on all machines")
