"""The machine and the versions behind a figure, for the head of every result file."""

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F

Rival = TypeVar("Rival")


def describe(packages: Sequence[str]) -> str:
    """One Markdown line: date, processor, cores, Python and package versions."""
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{datetime.date.today()}, {processor()}, {cores} cores ({torch.backends.cpu.get_cpu_capability()}), "
        f"Python {platform.python_version()}, {versions}"
    )


def processor() -> str:
    """The processor's name, as far as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def matmul_rate(dtype: torch.dtype, device: torch.device | None = None, repeats: int = 9) -> float:
    """FLOP/s of a large matrix product: what the processor, or a GPU, gives a network at best."""
    device = device or torch.device("cpu")
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, size, size, device=device).to(dtype)

    def multiply() -> None:
        F.linear(a, b)
        wait_for(device)

    return 2 * size**3 / statistics.median(seconds(multiply, repeats))


def wait_for(device: torch.device) -> None:
    """Return when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def computes_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; without (before AVX-512), bf16 is slower than fp32 by far."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def seconds(run: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of each of `repeats` runs, after one that does not count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def take_turns(runs: Mapping[Rival, Callable[[], object]], repeats: int) -> dict[Rival, float]:
    """Median seconds of each rival's run, after one that does not count; in turns, so that all meet the same load."""
    times: dict[Rival, list[float]] = {rival: [] for rival in runs}
    for number in range(repeats + 1):
        for rival, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                times[rival].append(time.perf_counter() - start)
    return {rival: statistics.median(values) for rival, values in times.items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
