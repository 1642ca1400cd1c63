"""Speed and memory of the backbones, beside birder (and timm, for DaViT) with the same weights.

    python -m benchmarks.backbones [--models biformer_s davit_tiny] [--tasks classify-384-b8 ...] [--device D] [--write]

For each task the rivals take turns within one process, run by run; the median counts. Peak memory comes from a process
per rival that does nothing else: what its resident set grew by over the model and its input. The share is the
network's arithmetic (counted on birder's network) over the time and the machine's measured rate of matrix products in
the same precision. bf16 is left out where the processor does not compute in it. On CUDA the batches are larger, a run
ends when the device is done, and memory is the peak that PyTorch allocated. --write puts the table into
benchmarks/results/, backbones.md or backbones_cuda.md.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import computes_bf16, describe, matmul_rate, take_turns, wait_for
from benchmarks.processes import resident_mib
from benchmarks.publishing import publish

DTYPES = {
    "fp32": torch.float32,
    "fp32 compiled": torch.float32,
    "bf16": torch.bfloat16,
    "bf16 compiled": torch.bfloat16,
}


@dataclass(frozen=True)
class Task:
    """What a rival does with a batch of images."""

    kind: str  # classify, features or train
    batch: int
    size: tuple[int, int]
    precisions: tuple[str, ...]
    repeats: int

    @property
    def name(self) -> str:
        """As a row of the table and `--tasks` call it."""
        height, width = self.size
        return f"{self.kind}-{height if height == width else f'{height}x{width}'}-b{self.batch}"


TASKS = (
    Task("classify", 1, (384, 384), ("fp32", "bf16"), 9),
    Task("classify", 8, (384, 384), tuple(DTYPES), 5),
    Task("features", 1, (512, 512), ("fp32", "bf16"), 7),
    Task("features", 1, (800, 1344), ("fp32", "bf16"), 5),
    Task("train", 2, (512, 512), ("fp32", "bf16"), 3),
)
GPU_TASKS = (
    Task("classify", 64, (384, 384), ("fp32", "bf16"), 9),
    Task("features", 8, (800, 1344), ("fp32", "bf16"), 9),
    Task("train", 16, (512, 512), ("fp32", "bf16"), 5),
)


def build(rival: str, model: str, task: Task) -> Any:
    """A rival's network for the size of the task, with random weights and no drop path."""
    torch.manual_seed(0)
    if rival == "hoopoe":
        import backbones

        return backbones.create_model(model, 550, drop_path_rate=0.0)
    if rival == "timm":
        import timm

        return timm.create_model(model, num_classes=550, features_only=task.kind != "classify")
    logging.disable(logging.INFO)  # birder logs every change of size
    from birder.model_registry import registry

    if model.startswith("davit"):  # windows of the 384-pixel checkpoint at every size
        net = registry.net_factory(model, 550, size=(384, 384), config={"drop_path_rate": 0.0})
        net.set_dynamic_size()
        return net
    return registry.net_factory(model, 550, size=task.size, config={"drop_path_rate": 0.0})


def rivals_of(model: str) -> tuple[str, ...]:
    """timm has a DaViT, but no BiFormer."""
    return ("hoopoe", "birder", "timm") if model.startswith("davit") else ("hoopoe", "birder")


def prepare(rival: str, model: str, task: Task, precision: str, device: torch.device) -> Callable[[], object]:
    """One run of the task, ready to be called again and again."""
    net = build(rival, model, task).to(device, DTYPES[precision]).train(task.kind == "train")
    images = torch.randn(task.batch, 3, *task.size).to(device, DTYPES[precision])
    forward: Callable[..., Any] = net if task.kind == "classify" or rival == "timm" else net.detection_features
    if precision.endswith("compiled"):
        net.compile(options={"freezing": True})

    def infer() -> None:
        with torch.inference_mode():
            forward(images)
        wait_for(device)

    def train() -> None:
        net.zero_grad(set_to_none=True)
        maps = forward(images)
        loss: Any = sum(x.square().mean() for x in (maps.values() if isinstance(maps, dict) else maps))
        loss.backward()
        wait_for(device)

    return train if task.kind == "train" else infer


def flops(model: str, task: Task) -> float:
    """Floating point operations of one image, a multiply-add counted as two; training counts three forward passes."""
    with torch.device("meta"):
        net, images = build("birder", model, task).eval(), torch.empty(1, 3, *task.size)
    with FlopCounterMode(display=False) as counter:
        net(images) if task.kind == "classify" else net.detection_features(images)
    return counter.get_total_flops() * (3 if task.kind == "train" else 1)


def peak_memory(rival: str, model: str, task: Task, precision: str, device: torch.device) -> float:
    """MiB that a process of its own grows by while it runs the task; on CUDA, what it allocates there."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        prepare(rival, model, task, precision, device)()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    command = [sys.executable, "-m", "benchmarks.backbones", "--memory-of", rival, model, task.name, precision]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _report_memory(rival: str, model: str, task_name: str, precision: str) -> None:
    task = next(task for task in TASKS if task.name == task_name)
    torch.nn.functional.linear(torch.randn(64, 64), torch.randn(64, 64))  # start the libraries
    run = prepare(rival, model, task, precision, torch.device("cpu"))
    before = resident_mib()
    run()
    print(json.dumps(resident_mib(peak=True) - before))


def measure(models: list[str], tasks: list[Task], repeats: int | None, device: torch.device) -> list[str]:
    """Lines of the Markdown table, printed as they come."""
    lines = [
        "| model | task | precision | images/s: hoopoe | birder | timm | ratio to birder | to birder fp32 | share of "
        "matmul rate | peak MiB: hoopoe | birder | timm |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for model in models:
        for task in tasks:
            work = flops(model, task)
            fp32_of_birder = float("nan")
            for precision in task.precisions:
                if DTYPES[precision] == torch.bfloat16 and device.type == "cpu" and not computes_bf16():
                    continue
                rivals = rivals_of(model)
                rate = matmul_rate(DTYPES[precision], device)
                runs = {rival: prepare(rival, model, task, precision, device) for rival in rivals}
                times = take_turns(runs, repeats or task.repeats)
                del runs
                measured = () if "compiled" in precision else rivals
                memory = {rival: peak_memory(rival, model, task, precision, device) for rival in measured}
                speed = {rival: task.batch / took for rival, took in times.items()}
                if precision == "fp32":
                    fp32_of_birder = speed["birder"]
                cells = [model, task.name, precision]
                cells += [f"{speed[rival]:.2f}" if rival in speed else "" for rival in ("hoopoe", "birder", "timm")]
                cells += [f"{speed['hoopoe'] / speed['birder']:.2f}", f"{speed['hoopoe'] / fp32_of_birder:.2f}"]
                cells += [f"{speed['hoopoe'] * work / rate:.0%} of {rate / 1e9:.0f} GFLOP/s"]
                cells += [f"{memory[rival]:.0f}" if rival in memory else "" for rival in ("hoopoe", "birder", "timm")]
                lines.append(f"| {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["biformer_s", "davit_tiny"])
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="all of the device by default")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--repeats", type=int, help="runs of each rival; the task's own number by default")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/results")
    parser.add_argument("--memory-of", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        _report_memory(*args.memory_of)
        return
    device = torch.device(args.device)
    all_tasks = GPU_TASKS if device.type == "cuda" else TASKS
    if args.tasks and not {task.name for task in all_tasks} >= set(args.tasks):
        parser.error(f"--tasks must be of {', '.join(task.name for task in all_tasks)}")
    tasks = [task for task in all_tasks if args.tasks is None or task.name in args.tasks]
    head = describe(["torch", "birder", "timm"])
    if device.type == "cuda":
        head = f"{torch.cuda.get_device_name(device)}; {head}"
    print(head, flush=True)
    lines = measure(args.models, tasks, args.repeats, device)
    about = "Written by `make bench` (`benchmarks/backbones.py`, whose docstring says how it measures)."
    output = "backbones.md" if device.type == "cpu" else f"backbones_{device.type}.md"
    publish(["# Backbones", "", about, "", head, "", *lines], output, args.write)


if __name__ == "__main__":
    main()
