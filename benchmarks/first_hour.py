"""A detector of one's own photos within an hour of one core: trained by the configuration first_hour, and measured.

    python -m benchmarks.first_hour BIRDS OUTPUT [--blanks FOLDER] [--config first_hour] [--set train.epochs=4 ...]
    python -m benchmarks.first_hour BIRDS FURTHER --init OUTPUT/best.safetensors --negatives FOLDER [--blanks OTHERS]

BIRDS holds images/, annotations/train.json and annotations/val.json. It starts from nothing. An OUTPUT that was stopped
goes on; one that is finished is measured again. Prints AP, AP50 by kind of picture, recall by size of the bird,
false boxes on pictures without birds (FOLDER: others than were trained on), and CPU time: user and system, of the
training's process with its one evaluation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import detector as hp
from benchmarks.machine import describe

USED = "cpu_seconds.json"  # of every part of a run that was stopped and went on


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("birds", type=Path, metavar="BIRDS", help="the data set")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the run's folder")
    parser.add_argument("--blanks", type=Path, metavar="FOLDER", help="pictures without birds, not trained on")
    parser.add_argument("--config", default="first_hour", help="%(default)s")
    parser.add_argument("--init", metavar="FILE", help="a detector to start from (none)")
    parser.add_argument("--negatives", nargs="+", default=[], metavar="FOLDER", help="blanks to train on too")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other settings")
    args = parser.parse_args()
    minutes = trained(args) / 60
    print(describe(["torch", "torchvision"]))
    print(f"training: {minutes:.1f} minutes of CPU time")
    for line in figures(args.output, args.birds, args.blanks):
        print(line)


def trained(args: argparse.Namespace) -> float:
    """Train, or go on; seconds of CPU time in all."""
    folder = args.birds / "annotations"
    words = [
        "train",
        args.config,
        "--output",
        str(args.output),
        *(["--init", args.init] if args.init else []),
        *(word for folder in args.negatives for word in ("--negatives", folder)),
        "--accelerator",
        "cpu",
        "--resume",
    ]
    for name in ("train", "val"):
        words += [f"--{name}-annotations", str(folder / f"{name}.json"), f"--{name}-images", str(args.birds / "images")]
    words += ["--set", *args.set] if args.set else []
    file = args.output / USED
    parts = json.loads(file.read_text()) if file.is_file() else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "detector.cli.main", *words], env=environment, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    file.write_text(json.dumps([*parts, used.ru_utime + used.ru_stime]))
    return sum(parts) + used.ru_utime + used.ru_stime


def figures(run: Path, birds: Path, blanks: Path | None) -> list[str]:
    """What the detector of a run is worth on the pictures that it has not seen."""
    options: dict[str, Any] = {} if blanks is None else {"negatives": blanks}
    model = hp.load_detector(run, device="cpu")
    truth = birds / "annotations" / "val.json"
    measured = hp.evaluate(model, truth, birds / "images", group_by=["modality"], **options)
    metrics, sizes = measured.metrics.as_dict(), measured.sizes
    lines = ["  ".join(f"{name} {metrics[name]:.3f}" for name in ("AP", "AP50", "AP75"))]
    for value, group in measured.groups["modality"].items():
        lines.append(f"{value}: AP50 {group.as_dict()['AP50']:.3f}, {group.images} photos, {group.boxes} birds")
    lines.append(f"best F1 {measured.sweep.best_f1:.3f} from a score of {measured.sweep.best_threshold:.3f}")
    edges = zip(sizes.edges_px, sizes.edges_px[1:], sizes.counts, sizes.recall, sizes.recall_at_threshold, strict=False)
    for low, high, count, any_score, above in edges:
        if count:
            lines.append(
                f"birds of {low:g} to {high:g} px: {count}, found {any_score:.2f}, from that score {above:.2f}"
            )
    for name, boxes in (("val", measured.false_on_own), ("--blanks", measured.false_on_negatives)):
        if boxes is not None:
            lines.append(f"false boxes on pictures without birds of {name}: {boxes}")
    return lines


if __name__ == "__main__":
    main()
