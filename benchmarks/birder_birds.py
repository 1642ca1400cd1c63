"""birder's own training on COCO boxes of birds, by its own scripts, measured as Hoopoe's detectors are.

    python -m benchmarks.birder_birds BIRDS OUTPUT --epochs 20 [--network rtmdet_t] [--backbone regnet_y_200m]

BIRDS holds images/, annotations/train.json and annotations/val.json. Trains by birder.scripts.train_detection, detects
by birder.scripts.predict_detection, and measures by pycocotools. Prints AP, AP50 and AP75, wall minutes and CPU minutes
(user and system, of all processes) of the training alone.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIZE = (512, 640)  # height, width: thermal pictures twice as large as they are, the others of the sky as they are


def main() -> None:
    """Train, detect, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("birds", type=Path, metavar="BIRDS", help="the data set")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="an empty folder")
    parser.add_argument("--network", default="rtmdet_t", help="a light one, for little time (%(default)s)")
    parser.add_argument("--backbone", default="regnet_y_200m", help="%(default)s")
    parser.add_argument("--epochs", type=int, default=20, help="%(default)s")
    parser.add_argument("--batch-size", default="8", help="%(default)s")
    parser.add_argument("--lr", default="0.0003", help="%(default)s")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("H", "W"), help="512 640")
    parser.add_argument("--threads", default="2", help="%(default)s")
    args = parser.parse_args()

    folder = args.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    birds = args.birds.resolve()
    validation = birds / "annotations" / "val.json"
    network = ["--network", args.network, "--backbone", args.backbone, "--size", *map(str, args.size)]
    data = ["--data-path", str(birds / "images"), "--val-path", str(birds / "images"), "--coco-json-path",
            str(birds / "annotations" / "train.json"), "--coco-val-json-path", str(validation)]  # fmt: skip
    schedule = ["--opt", "adamw", "--lr", args.lr, "--wd", "0.05", "--lr-scheduler", "cosine", "--lr-scheduler-update",
                "step", "--warmup-steps", "60", "--clip-grad-norm", "5", "--epochs", str(args.epochs),
                "--batch-size", args.batch_size]  # fmt: skip
    rest = ["--device", "cpu", "-j", "0", "--rgb-mode", "imagenet", "--non-interactive", "--no-summary", "--seed", "0",
            "--val-subset-size", "8"]  # fmt: skip
    start = time.perf_counter()
    _birder("train_detection", [*network, *data, *schedule, *rest], folder, args.threads)
    wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)

    shown = ["--epoch", str(args.epochs), "--save-output", "--coco-json-path", str(validation), str(birds / "images")]
    _birder("predict_detection", [*network, *shown, "--min-score", "0.01"], folder, args.threads)
    (output,) = (folder / "results").glob("*_output.json")
    figures = evaluate(validation, json.loads(output.read_text()))
    print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    print(f"training: {wall / 60:.1f} minutes, {(used.ru_utime + used.ru_stime) / 60:.1f} CPU minutes")


def _birder(script: str, words: list[str], folder: Path, threads: str) -> None:
    """Run one of birder's scripts in a folder; it keeps models and results below that."""
    # waiting threads that spin would count as work
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}
    subprocess.run([sys.executable, "-m", f"birder.scripts.{script}", *words], cwd=folder, env=environment, check=True)


def evaluate(annotations: Path, output: dict) -> dict[str, float]:
    """AP of what birder found: by pycocotools, all categories as one.

    Args:
        annotations: The COCO file.
        output: What predict_detection saved: boxes (xyxy, pixels) and scores by picture.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        ids = {Path(image["file_name"]).name: image["id"] for image in truth.dataset["images"]}
        category = truth.getCatIds()[0]
        found = [
            {"image_id": ids[Path(name).name], "category_id": category, "score": score,
             "bbox": [left, top, right - left, bottom - top]}
            for name, each in output.items() if name != "class_to_idx"
            for (left, top, right, bottom), score in zip(each["boxes"], each["scores"], strict=True)
        ]  # fmt: skip
        if not found:
            return {"AP": 0.0, "AP50": 0.0, "AP75": 0.0}
        run = COCOeval(truth, truth.loadRes(found), "bbox")
        run.params.useCats = 0
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {"AP": float(run.stats[0]), "AP50": float(run.stats[1]), "AP75": float(run.stats[2])}


if __name__ == "__main__":
    main()
