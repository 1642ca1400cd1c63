"""RetinaNet's light head beside the plain one, trained for equal CPU time: what it costs in AP.

    python -m benchmarks.light_head OUTPUT DATA [--minutes 6] [--seeds 0 1] [--after OUTPUT]

DATA holds images/, and train.json and val.json, or a folder `annotations` with them. Both networks are `nano` with
RetinaNet's v2, from the shipped start (backbone and pyramid; the towers begin at random), or with --after each from
what it had learnt on other DATA, one thread. A run of one epoch and a run of three say what an epoch costs each, in CPU
time of its process; then each gets as many epochs as fill --minutes. The intervals of AP50, and that of the difference,
come from drawing val's pictures again and again, the same ones for both: they say nothing of what another seed would
give, which the seeds say.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.defaults import START
from benchmarks.machine import describe
from detector.data.config import DataConfig
from detector.evaluation.bootstrap import Estimate, average_precision, draw, rankings
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import Evaluation, evaluate
from detector.evaluation.ground_truth import read_ground_truth
from detector.evaluation.inputs import Floats
from detector.models.saving import load_detector

HEADS = {"plain": "false", "light": "true"}


def settings_of(head: str, epochs: int, seed: int) -> list[str]:
    """What differs from `nano`."""
    values: dict[str, object] = {
        "model.detector": "retinanet",
        "model.version": "v2",
        "model.light_head": HEADS[head],
        "train.epochs": epochs,
        "train.eval_epochs": epochs,
        "train.seed": seed,
    }
    return [f"{key}={value}" for key, value in values.items()]


def trained(head: str, args: argparse.Namespace, epochs: int, seed: int, folder: Path) -> float:
    """Train for so many epochs; minutes of CPU time, with start and evaluation."""
    before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    words = ["-m", "detector.cli.main", "train", "nano", "--output", str(folder), "--accelerator", "cpu"]
    for name, file in annotations_of(args.data).items():
        words += [f"--{name}-annotations", str(file), f"--{name}-images", str(args.data / "images")]
    start = START if args.after is None else args.after / f"{head}_{seed}" / "best.safetensors"
    words += ["--init", str(start), "--set", *settings_of(head, epochs, seed)]
    subprocess.run([sys.executable, *words], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    return (sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before) / 60


def annotations_of(data: Path) -> dict[str, Path]:
    """Boxes by what they are for."""
    folder = data / "annotations" if (data / "annotations").is_dir() else data
    return {name: folder / f"{name}.json" for name in ("train", "val")}


def measured(run: Path, data: Path) -> tuple[Evaluation, Floats]:
    """A run's detector on the pictures that it has not seen; AP50 of the set and of each draw of its pictures."""
    detector = load_detector(str(run), "cpu", "fp32")
    truth, _ = read_ground_truth([(annotations_of(data)["val"], data / "images")], detector.meta)
    found = evaluate(detector, truth, DetectionOptions(batch_size=4, loading=DataConfig(workers=0)))
    [ranking] = rankings(found.inputs, found.matches)
    return found, average_precision(ranking, draw(np.arange(len(found.images))))


def main() -> None:
    """Train both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="for the runs")
    parser.add_argument("data", type=Path, metavar="DATA", help="annotated birds, of one category")
    parser.add_argument("--minutes", type=float, default=6, help="of CPU time for each (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the training (%(default)s)")
    parser.add_argument("--after", type=Path, metavar="OUTPUT", help="begin with what these runs on other data learnt")
    args = parser.parse_args()
    print(describe(["torch", "torchvision"]), flush=True)
    epochs = {}
    for head in HEADS:
        short, long = (trained(head, args, count, 0, args.output / f"{head}{count}") for count in (1, 3))
        epochs[head] = max(1, round((args.minutes - 1.5 * short + long / 2) * 2 / (long - short)))
    for seed in args.seeds:
        draws: list[Floats] = []
        for head, count in epochs.items():
            run = args.output / f"{head}_{seed}"
            minutes = trained(head, args, count, seed, run)
            found, ap50 = measured(run, args.data)
            draws.append(ap50)
            values = found.metrics.as_dict()
            print(
                f"seed {seed}, {head}: {count} epochs in {minutes:.1f} minutes, AP {values['AP']:.3f}, "
                f"AP50 {_words(ap50)}, AR100 {values['AR100']:.3f}",
                flush=True,
            )
        print(f"seed {seed}, light less plain, AP50: {_words(draws[1] - draws[0])}", flush=True)


def _words(values: Floats) -> str:
    found = Estimate.of(values, drawn=True)
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    main()
