"""Clusters of three nodes on this machine, what kills in them, and what their stores are compared by."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.annotation.report import RunReport
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.cluster.options import ClusterOptions
from detector.decisions.decide import decide, stored_options
from detector.exports.refresh import refresh
from detector.store.layout import facts_folder, parts
from tests.detector.annotation.conftest import save_photo, save_video

PHOTOS, VIDEOS = (int(os.environ.get(name, count)) for name, count in (("HOOPOE_PHOTOS", 48), ("HOOPOE_VIDEOS", 2)))
FILES = PHOTOS + VIDEOS + 1
NUMBER = re.compile(r"\b\d+\.\d+\b")
CLUSTER = ClusterOptions(fewest=1, cpus_per_worker=1, device="cpu", precision="fp32", batch_size=3)
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


class ThreeNodes:
    """A cluster of three nodes of one core each.

    Args:
        head_works: Whether the head, to which this process is connected, has workers too.
    """

    def __init__(self, head_works: bool = True) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(
            initialize_head=True, head_node_args={**_NODE, "num_cpus": int(head_works), "include_dashboard": False}
        )
        self.spare = [self.cluster.add_node(**_NODE) for _ in range(2)]

    def kill(self) -> None:
        """End a worker at once, and take a node away."""
        os.kill(workers()[0], signal.SIGKILL)
        self.cluster.remove_node(self.spare.pop())

    def mend(self) -> None:
        """Bring a node in place of the one that was taken away."""
        self.spare.append(self.cluster.add_node(**_NODE))


@contextmanager
def three_nodes(head_works: bool = True) -> Iterator[ThreeNodes]:
    """A cluster, to which this process is connected."""
    import ray

    nodes = ThreeNodes(head_works)
    ray.init(address=nodes.cluster.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


def mending(nodes: ThreeNodes, run: Callable[[], RunReport]) -> tuple[RunReport, int]:
    """What a run says while a node comes in place of each that goes down, and how many came.

    Ray adds nodes in the main thread alone.
    """
    import ray

    came = 0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        while not wait([running], 1.0).done:
            if sum(node["Alive"] for node in ray.nodes()) < 3:
                nodes.mend()
                came += 1
    return running.result(), came


def make_card(root: Path) -> Path:
    """Photos, videos, and a file that is damaged."""
    for number in range(PHOTOS):
        save_photo(root / "DCIM" / f"IMG_{number:04d}.JPG", number, *((160, 120) if number % 3 else (200, 90)))
    for number in range(VIDEOS):
        save_video(root / "DCIM" / f"VID_{number:04d}.mp4", frames=12, seed=100 + number)
    (root / "DCIM" / "IMG_9999.JPG").write_bytes(b"no photo")
    return root


def by_ray(request: AnnotateRequest, models: Models, **changes: Any) -> RunReport:
    """Annotate on the cluster."""
    return annotate(request, models, RunSettings(quiet=True, cluster=replace(CLUSTER, **changes)))


def killing(output: Path, kill: Callable[[], None], after: int = 1) -> threading.Thread:
    """A thread that kills when there are so many parts."""

    def wait() -> None:
        while len(parts(facts_folder(output))) < after:
            time.sleep(0.05)
        kill()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def workers() -> list[int]:
    """Process ids of workers of clusters that this process began."""
    import psutil

    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::_Host"):
                found.append(process.pid)
    return found


def exported(output: Path) -> dict[str, str]:
    """What the exports say."""
    decide(output, stored_options(output))
    refresh(output, ("megadetector", "csv", "events"))
    texts = {path.name: path.read_text() for path in output.glob("*.csv")}
    return texts | {"images": json.dumps(json.loads((output / "results.json").read_text())["images"])}


def assert_same_exports(found: dict[str, str], expected: dict[str, str]) -> None:
    """Equal but for rounding: pictures of other batches."""
    assert found.keys() == expected.keys()
    for name, text in found.items():
        assert NUMBER.sub("", text) == NUMBER.sub("", expected[name]), name
        numbers = [list(map(float, NUMBER.findall(each))) for each in (text, expected[name])]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-3), name  # results.json has three digits
