"""What each training default is worth: drawn sets of several sizes, several seeds, one change at a time.

    OMP_NUM_THREADS=1 python -m benchmarks.defaults FOLDER [--images 200 1000] [--seeds 0 1] [--changes copy-paste ...]

Draws each set once, trains `nano` on it for as many pictures whatever the set's size, from the shipped start (as
`hoopoe quickstart` does), and evaluates on 200 other scenes. Each run's figure goes into FOLDER/results.json as soon as
it is there, and is not made again: stop and repeat it as you like. Prints a table: mean and spread (standard deviation
over seeds) of AP50, and each change less the default of the same seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import detector as hp
from benchmarks.machine import describe
from detector.config import shipped_folder
from detector.data.coco.reading import read_coco
from detector.data.sampling import crowded_factors
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset
from detector.synthetic.scenes import DETECTOR_SCENES

STEPS = 625  # one epoch of the largest set
BATCH = 8
SIDE = 128  # of the scenes, pixels
VALIDATION = 200  # scenes
DEFAULT = "default"
START = shipped_folder() / "demo_start.safetensors"

CHANGES: dict[str, Mapping[str, Any]] = {
    DEFAULT: {},
    "sqrt rate, batches of 16": {"train.lr_scaling": "sqrt", "train.base_batch_size": BATCH, "train.batch_size": 16},
    "fixed rate, batches of 16": {"train.batch_size": 16},
    "linear rate, batches of 16": {
        "train.lr_scaling": "linear",
        "train.base_batch_size": BATCH,
        "train.batch_size": 16,
    },
    "layer decay 0.9": {"train.layer_decay": 0.9},
    "no average": {"train.ema_decay": None},
    "copy-paste": {"data.augmentation.copy_paste": 0.3},
    "crowded photos more often": {"data.repeat_crowded": 4},
    "crops of 96": {"data.augmentation.crop_size": 96},
}


def main() -> None:
    """Draw, train what is missing, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="sets, runs and results.json")
    parser.add_argument("--images", type=int, nargs="+", default=[200, 1000, 5000], help="of the sets (200 1000 5000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="0 1 2")
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES), help="all")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run (%(default)s)")
    args = parser.parse_args()
    file = args.folder / "results.json"
    results: dict[str, float] = json.loads(file.read_text()) if file.is_file() else {}
    for images in args.images:
        data = drawn(args.folder, images)
        for seed in args.seeds:
            for change in args.changes:
                name = key(images, change, seed, args.steps)
                if name not in results:
                    results[name] = ap50(data, args.folder / "runs" / name, change, seed, args.steps)
                    file.write_text(json.dumps(results, indent=1))
    print(describe(["torch", "torchvision"]))
    for line in table(results, args):
        print(line)


def key(images: int, change: str, seed: int, steps: int) -> str:
    """The name of a run."""
    return f"{images}-{change.replace(' ', '_').replace(',', '')}-{seed}-{steps}"


def drawn(folder: Path, images: int) -> Path:
    """A set of so many scenes, drawn unless it is there."""
    target = folder / f"drawn{images}"
    if not (target / "val.json").is_file():
        write_synthetic_dataset(target, images, VALIDATION, SceneSet(images, (SIDE, SIDE), DETECTOR_SCENES))
    return target


def ap50(data: Path, output: Path, change: str, seed: int, steps: int) -> float:
    """AP50 of a run's averaged weights after its last step."""
    settings = dict(CHANGES[change])
    images = shown(data / "train.json", settings.get("data.repeat_crowded"))
    batch = settings.get("train.batch_size", BATCH)
    epochs = max(1, round(steps * BATCH / images))  # each sees as many pictures, in more or fewer steps
    settings |= {"train.batch_size": batch, "train.seed": seed, "train.epochs": epochs, "train.eval_epochs": epochs}
    settings |= {"data.agnostic": True, "data.workers": 0, "model.min_size": SIDE, "model.max_size": SIDE}
    run = hp.train(
        "nano",
        train=(data / "train.json", data / "images"),
        val=(data / "val.json", data / "images"),
        output=output,
        set=settings,
        init=START,
        accelerator="cpu",
        resume=output.exists(),
    )
    return float(run.metrics[-1]["AP50"])


def shown(file: Path, repeat_crowded: float | None) -> float:
    """Pictures of an epoch, some of which may be shown several times."""
    truth, _ = read_coco([(file, file.parent / "images")])
    return len(truth) if repeat_crowded is None else float(crowded_factors(truth, repeat_crowded).sum())


def table(results: Mapping[str, float], args: argparse.Namespace) -> list[str]:
    """A Markdown table of what is there."""
    lines = ["| images | change | AP50 | spread | less the default | seeds |", "|---|---|---|---|---|---|"]
    for images in args.images:
        default: dict[int, float] = {}
        for change in (DEFAULT, *[name for name in args.changes if name != DEFAULT]):
            of_seed = {seed: results.get(key(images, change, seed, args.steps)) for seed in args.seeds}
            found = {seed: value for seed, value in of_seed.items() if value is not None}
            if not found:
                continue
            default = found if change == DEFAULT else default
            spread = statistics.stdev(found.values()) if len(found) > 1 else float("nan")
            pairs = [found[seed] - default[seed] for seed in found if seed in default]
            less = f"{statistics.mean(pairs):+.3f}" if pairs and change != DEFAULT else ""
            mean = statistics.mean(found.values())
            lines.append(f"| {images} | {change} | {mean:.3f} | {spread:.3f} | {less} | {len(found)} |")
    return lines


if __name__ == "__main__":
    main()
