"""Where the time of a backbone goes, by torch's profiler: shares of the operators that compute.

    python -m benchmarks.profile_backbones [--models biformer_s davit_tiny] [--precision fp32] [--write]

One thread, so that an operator's time is its work. --write puts the tables into benchmarks/results/.
"""

import argparse
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.backbones import DTYPES, Task, prepare
from benchmarks.machine import describe
from benchmarks.publishing import publish

OUTPUT = "backbones_profile.md"
RIVALS = ("hoopoe", "birder")
TASKS = (Task("classify", 4, (384, 384), (), 3), Task("train", 1, (512, 512), (), 2))
CPU = torch.device("cpu")
SMALLEST_SHARE = 0.01  # groups below it in both are left out

# operator name, or what it begins with -> what it is to a reader; the first that fits counts
GROUPS = (
    ("linear layers", ("aten::addmm", "aten::mm", "aten::linear", "mkldnn::_linear", "aten::_addmm")),
    ("products of attention", ("aten::bmm", "aten::baddbmm", "aten::_scaled_dot")),
    ("softmax", ("aten::_softmax",)),
    (
        "convolutions",
        ("aten::mkldnn_convolution", "aten::_slow_conv2d", "aten::convolution", "aten::_convolution", "mkldnn::_conv"),
    ),
    ("norms", ("aten::native_layer_norm", "aten::native_batch_norm", "aten::batch_norm")),
    ("activations", ("aten::gelu",)),
    ("layout copies", ("aten::copy_", "aten::contiguous", "aten::clone", "aten::cat")),
    ("gathers and their sums", ("aten::index", "aten::_embedding_bag", "aten::gather", "aten::sort", "aten::scatter")),
    ("additions and products", ("aten::add", "aten::mul", "aten::sum", "aten::sub", "aten::div")),
    ("memory", ("aten::empty", "aten::fill_", "aten::zero", "aten::resize", "aten::constant_pad")),
)


def group_of(operator: str) -> str:
    """The reader's name for an operator."""
    return next((name for name, starts in GROUPS if operator.startswith(starts)), "everything else")


def shares(run: Callable[[], object], repeats: int) -> dict[str, float]:
    """Share of each group in the time that operators take themselves, falling."""
    run()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            run()
    spent: dict[str, float] = {}
    for event in profiler.key_averages():
        if "::" in event.key:  # not the bookkeeping of autograd
            group = group_of(event.key)
            spent[group] = spent.get(group, 0.0) + event.self_cpu_time_total
    total = sum(spent.values())
    return {name: spent[name] / total for name in sorted(spent, key=lambda name: -spent[name])}


def main() -> None:
    """Profile, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["biformer_s", "davit_tiny"])
    parser.add_argument("--precision", choices=[name for name in DTYPES if "compiled" not in name], default="fp32")
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["# Where the time of the backbones goes", ""]
    lines += [f"`python -m benchmarks.profile_backbones --precision {args.precision} --write`; one thread.", ""]
    lines += [describe(["torch", "birder"]), ""]
    for model in args.models:
        for task in TASKS:
            found = {rival: shares(prepare(rival, model, task, args.precision, CPU), task.repeats) for rival in RIVALS}
            lines += [f"## {model}, {task.name}, {args.precision}", "", f"| share of the time | {' | '.join(RIVALS)} |"]
            lines += ["|---|---|---|"]
            for name in dict.fromkeys([*found["hoopoe"], *found["birder"]]):
                cells = [found[rival].get(name, 0.0) for rival in RIVALS]
                if max(cells) >= SMALLEST_SHARE:
                    lines.append(f"| {name} | {' | '.join(f'{cell:.0%}' for cell in cells)} |")
            lines.append("")
            print("\n".join(lines[-14:]), flush=True)
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
