"""Time of the COCO evaluation, beside pycocotools.

    python -m benchmarks.coco_evaluation [--images 5000] [--detections 100] [--categories 1 80] [--repeats 5]

Both get the same ground truth and results as Python objects and end with the nine figures, ours with the table by
category as well. They take turns within one process; the median counts. The figures must agree to 1e-6. The table is
printed, and written to benchmarks/results/coco_evaluation.md with --write.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import statistics
import time
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.evaluation.coco import evaluate_coco

FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")
OUTPUT = "coco_evaluation.md"


def draw_boxes(images: int, detections: int, categories: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """About 7 birds an image, most of them found once or twice, and false alarms up to `detections` an image."""
    rng = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        birds = int(rng.integers(0, 15))
        boxes = rng.uniform([0, 0, 8, 8], [500, 350, 200, 150], (birds, 4))
        labels = rng.integers(1, categories + 1, birds)
        for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
            area = box[2] * box[3]
            record = {"image_id": image, "category_id": label, "bbox": box, "area": area, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **record})
        hits = np.repeat(np.arange(birds), rng.integers(0, 3, birds))[:detections]
        found = boxes[hits] + rng.normal(0, 4, (len(hits), 4))
        alarms = rng.uniform([0, 0, 8, 8], [500, 350, 200, 150], (detections - len(hits), 4))
        all_boxes = np.concatenate([found, alarms]).clip(1)
        all_labels = np.concatenate([labels[hits], rng.integers(1, categories + 1, len(alarms))])
        scores = np.concatenate([rng.beta(4, 2, len(hits)), rng.beta(1, 5, len(alarms))])
        results += [
            {"image_id": image, "category_id": label, "bbox": box, "score": score}
            for label, box, score in zip(all_labels.tolist(), all_boxes.tolist(), scores.tolist(), strict=True)
        ]
    ground_truth = {
        "info": {},
        "images": [{"id": image, "width": 700, "height": 500} for image in range(1, images + 1)],
        "categories": [{"id": k, "name": f"species {k}"} for k in range(1, categories + 1)],
        "annotations": annotations,
    }
    return ground_truth, results


def run_pycocotools(ground_truth: dict[str, Any], results: list[dict[str, Any]]) -> list[float]:
    """COCO's figures by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = ground_truth
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats[: len(FIGURES)])


def run_hoopoe(ground_truth: dict[str, Any], results: list[dict[str, Any]]) -> list[float]:
    """The same by ours."""
    metrics = evaluate_coco(ground_truth, results)
    return [getattr(metrics, name) for name in FIGURES]


def measure(images: int, detections: int, categories: int, repeats: int) -> str:
    """One row of the table."""
    ground_truth, results = draw_boxes(images, detections, categories)
    seconds: dict[str, list[float]] = {"hoopoe": [], "pycocotools": []}
    figures = {}
    warm_up = draw_boxes(2, 2, 1)
    run_hoopoe(*warm_up)  # imports are not part of it
    run_pycocotools(*warm_up)
    for _ in range(repeats):
        for name, run in (("hoopoe", run_hoopoe), ("pycocotools", run_pycocotools)):
            # pycocotools writes into what it is given, so that each run gets a copy, made off the clock
            arguments = copy.deepcopy((ground_truth, results))
            start = time.perf_counter()
            figures[name] = run(*arguments)
            seconds[name].append(time.perf_counter() - start)
    difference = float(np.abs(np.array(figures["hoopoe"]) - np.array(figures["pycocotools"])).max())
    if difference > 1e-6:
        raise SystemExit(f"the figures differ by {difference}")
    ours, theirs = statistics.median(seconds["hoopoe"]), statistics.median(seconds["pycocotools"])
    return (
        f"| {images} | {detections} | {categories} | {ours:.2f} ({min(seconds['hoopoe']):.2f}) | "
        f"{theirs:.2f} ({min(seconds['pycocotools']):.2f}) | {theirs / ours:.1f} | {difference:.0e} |"
    )


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="an image")
    parser.add_argument("--categories", type=int, nargs="+", default=[1, 80])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()
    lines = [
        "# COCO evaluation",
        "",
        "`python -m benchmarks.coco_evaluation --write`. Seconds from the loaded annotations and results to the nine",
        f"figures: median (and fastest) of {args.repeats} runs each, taking turns in one process.",
        "",
        describe(("pycocotools", "faster-coco-eval", "numpy")),
        "",
        "| images | detections an image | categories | hoopoe, s | pycocotools, s | ratio | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [measure(args.images, args.detections, categories, args.repeats) for categories in args.categories]
    table = "\n".join(lines) + "\n"
    print(table)
    publish(table.splitlines(), OUTPUT, args.write)


if __name__ == "__main__":
    main()
