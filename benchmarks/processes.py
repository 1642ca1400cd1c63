"""Fresh processes, so that each measurement begins with the same memory: this module does not import torch."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20


def in_process(target: Callable[..., None], *arguments: Any, method: str = "spawn") -> Any:
    """What a function sends through the pipe that it gets behind its arguments, in a process of its own."""
    context: Any = multiprocessing.get_context(method)
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*arguments, send))
    process.start()
    send.close()
    result = receive.recv()
    process.join()
    return result


def resident_mib(peak: bool = False) -> float:
    """MiB of this process's resident memory; getrusage's peak would be the parent's on Linux, which survives exec."""
    status, field = Path("/proc/self/status"), "VmHWM" if peak else "VmRSS"
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) / 1024
    if not peak:
        import psutil

        return psutil.Process().memory_info().rss / MEBIBYTE
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MEBIBYTE if sys.platform == "darwin" else 1024)


class PeakSampler:
    """The highest resident memory, in bytes, while a block runs, sampled every 5 ms."""

    def __enter__(self) -> PeakSampler:
        self.peak, self.done = 0, threading.Event()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def sample(self) -> None:
        """Sample until the block ends."""
        import psutil

        process, finished = psutil.Process(), False
        while not finished:
            finished = self.done.wait(0.005)
            self.peak = max(self.peak, process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
