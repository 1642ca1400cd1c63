"""Several machines on one: network namespaces with a cable between any two, each with a name and folders of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
TRAIN = ("-m", "detector.cli.main", "train")
PORT = 29500


@dataclass
class Started:
    """A command that runs on a host, and what it has said so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    ended_at: float | None = None

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._waiter.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def _wait(self) -> None:
        self.process.wait()
        self.ended_at = time.monotonic()

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def steps(self) -> int:
        """Steps of training that were told."""
        return sum(" epochs, loss " in line for line in self.lines)

    def await_steps(self, count: int, seconds: float = 300) -> None:
        until = time.monotonic() + seconds
        while self.steps() < count:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.02)

    def end(self, seconds: float = 300) -> int:
        """Wait for its end; returns its exit code."""
        self._waiter.join(seconds)
        self._reader.join(3.0)  # workers of a killed process hold its output for a while
        if self._waiter.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"it goes on after {seconds} s:\n{self.said}")
        return self.process.wait()

    def kill(self, local_rank: int = 0) -> None:
        """Kill one of the processes that train here."""
        wanted = f"LOCAL_RANK={local_rank}".encode()
        for pid in _descendants(self.process.pid):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                return
        assert local_rank == 0
        os.kill(self.process.pid, signal.SIGKILL)  # `hoopoe train` itself


def _descendants(pid: int) -> list[int]:
    found, parents = [], [pid]
    while parents:
        tasks = Path(f"/proc/{parents.pop()}/task").glob("*/children")
        children = [int(each) for task in tasks for each in task.read_text().split()]
        parents += children
        found += children
    return found


@dataclass(frozen=True)
class Host:
    """A machine: a network namespace with an address, a host name, and a folder of its own."""

    name: str
    namespace: str
    address: str
    folder: Path

    def start(self, *words: str, env: dict[str, str] | None = None) -> Started:
        """Start Python with some words here."""
        entered = ["ip", "netns", "exec", self.namespace, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(env or {})}
        process = subprocess.Popen(
            [*entered, self.name, sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=environment,
            start_new_session=True,
        )
        return Started(process)

    def cut(self, other: Host) -> None:
        """Take the cable to another host out."""
        _ip("-n", self.namespace, "link", "set", other.name, "down")


class Network:
    """Hosts node-a, node-b ...; skips where namespaces cannot be made.

    Args:
        folder: Where their folders are made.
        hosts: Their number.
    """

    def __init__(self, folder: Path, hosts: int = 2) -> None:
        if shutil.which("ip") is None or shutil.which("unshare") is None or os.geteuid() != 0:
            pytest.skip("network namespaces need root, ip and unshare")
        mark = secrets.token_hex(3)
        self.hosts = []
        for number, letter in enumerate("abc"[:hosts]):
            (folder / letter).mkdir()
            name = f"hoopoe-{mark}-{letter}"
            self.hosts.append(Host(f"node-{letter}", name, f"10.77.0.{number + 1}", folder / letter))
        try:
            for host in self.hosts:
                _ip("netns", "add", host.namespace)
                _ip("-n", host.namespace, "link", "set", "lo", "up")
            for number, (host, other) in enumerate(combinations(self.hosts, 2)):
                ends = f"h{mark}{number}a", f"h{mark}{number}b"
                _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
                self._plug(host, other, ends[0])
                self._plug(other, host, ends[1])
        except subprocess.CalledProcessError as error:
            self.close()
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        self.first, self.second = self.hosts[:2]

    @staticmethod
    def _plug(host: Host, other: Host, end: str) -> None:
        """Plug an end of a cable into a host, which has the same address at all of them, and calls it as the other."""
        _ip("link", "set", end, "netns", host.namespace)
        _ip("-n", host.namespace, "link", "set", end, "name", other.name)
        _ip("-n", host.namespace, "addr", "add", f"{host.address}/32", "dev", other.name)
        _ip("-n", host.namespace, "link", "set", other.name, "up")
        _ip("-n", host.namespace, "route", "add", other.address, "dev", other.name, "src", host.address)

    def close(self) -> None:
        for host in self.hosts:
            subprocess.run(["ip", "netns", "del", host.namespace], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def meeting(network: Network, words: Sequence[str], **env: str) -> list[Started]:
    """The same command on all hosts."""
    return [
        host.start(*TRAIN, *words, *_place(network, number), env=env or None)
        for number, host in enumerate(network.hosts)
    ]


def _place(network: Network, number: int) -> tuple[str, ...]:
    return (
        "--nodes",
        str(len(network.hosts)),
        "--node-rank",
        str(number),
        "--rendezvous",
        f"{network.first.address}:{PORT}",
    )
