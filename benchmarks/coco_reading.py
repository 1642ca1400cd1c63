"""Time and memory of reading a large COCO file, beside pycocotools.

    python -m benchmarks.coco_reading [--images 200000] [--boxes 1000000] [--write]

Writes a JSON of that size to a temporary folder and reads it in a fresh process a reader. Measured: seconds; resident
growth after the imports, once loaded and at the peak; and what a worker process holds for itself alone (USS) after it
has read the records of all images of a training set, beside one that was given a set of 100 images. The table is
printed, and written to benchmarks/results/coco_reading.md with --write.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.machine import describe
from benchmarks.processes import MEBIBYTE, PeakSampler, in_process
from benchmarks.publishing import publish

OUTPUT = "coco_reading.md"
FEW_IMAGES = 100


def write_coco(path: Path, images: int, boxes: int) -> None:
    """A file as exporters write it: images of 4 to 12 megapixels, boxes with two decimals, 20 categories."""
    rng = np.random.default_rng(0)
    owner = np.sort(rng.integers(0, images, boxes))
    corner, side = rng.uniform(0, 1000, (boxes, 2)).round(2), rng.uniform(8, 900, (boxes, 2)).round(2)
    category = rng.integers(1, 21, boxes)
    with path.open("w") as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        for index in range(images):
            record = {
                "id": index + 1,
                "file_name": f"camera_{index % 97:03d}/DCIM/100RECNX/RCNX{index:07d}.JPG",
                "width": 2048,
                "height": 1944,
                "license": 1,
                "date_captured": "2024-05-01 06:30:00",
            }
            file.write((", " if index else "") + json.dumps(record))
        file.write('], "annotations": [')
        for index in range(boxes):
            box = [*corner[index].tolist(), *side[index].tolist()]
            record = {
                "id": index + 1,
                "image_id": int(owner[index]) + 1,
                "category_id": int(category[index]),
                "bbox": box,
                "area": box[2] * box[3],
                "segmentation": [],
                "iscrowd": 0,
            }
            file.write((", " if index else "") + json.dumps(record))
        categories = [{"id": index, "name": f"species {index}"} for index in range(1, 21)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def load_hoopoe(path: Path) -> Any:
    """What reads the file by ours; its imports are done."""
    from detector.data.coco.reading import read_coco

    return lambda: read_coco([(path, path.parent)])[0]


def load_pycocotools(path: Path) -> Any:
    """The same by pycocotools."""
    from pycocotools.coco import COCO

    return lambda: COCO(str(path))


LOADERS: dict[str, Callable[[Path], Any]] = {"hoopoe": load_hoopoe, "pycocotools": load_pycocotools}


def measure(name: str, path: Path, pipe: Any) -> None:
    """In a fresh process: import, load, and send (seconds, growth, growth at the peak)."""
    load = LOADERS[name](path)
    gc.collect()
    before = psutil.Process().memory_info().rss
    with PeakSampler() as sampler, contextlib.redirect_stdout(None):  # pycocotools prints its progress
        start = time.perf_counter()
        annotations = load()
        seconds = time.perf_counter() - start
    gc.collect()
    loaded = psutil.Process().memory_info().rss
    pipe.send((seconds, (loaded - before) / MEBIBYTE, (sampler.peak - before) / MEBIBYTE))
    del annotations


def training_set(annotations: Any) -> Any:
    """What the loader sends to its workers."""
    from detector.data.config import AugmentationConfig
    from detector.data.dataset import TrainingDataset
    from detector.data.resizing import SizeRule

    return TrainingDataset(annotations, SizeRule(800, 1333), AugmentationConfig(), seed=0)


def read_records(dataset: Any, pipe: Any) -> None:
    """In a worker: read every image's record, as an epoch does, and send the memory held by it alone."""
    for index in range(len(dataset)):
        dataset.annotations[index]
    pipe.send(psutil.Process().memory_full_info().uss / MEBIBYTE)


def read_all(path: Path) -> list[str]:
    """Rows of the first table: each reader in a fresh process."""
    rows = ["| reader | seconds | resident growth, MiB | at the peak, MiB |", "|---|---|---|---|"]
    for name in LOADERS:
        seconds, loaded, peak = in_process(measure, name, path)
        rows.append(f"| {name} | {seconds:.1f} | {loaded:.0f} | {peak:.0f} |")
    return rows


def hold_all(path: Path) -> list[str]:
    """Rows of the second table: a worker of the whole set beside one of a few images, by start method."""
    annotations = load_hoopoe(path)()
    many, few = training_set(annotations), training_set(annotations.select(range(FEW_IMAGES)))
    rows = ["| workers start by | USS more than with 100 images, MiB |", "|---|---|"]
    for method in ("fork", "spawn") if sys.platform != "win32" else ("spawn",):
        more = in_process(read_records, many, method=method) - in_process(read_records, few, method=method)
        rows.append(f"| {method} | {more:.1f} |")
    return rows


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.json"
        write_coco(path, args.images, args.boxes)
        size = path.stat().st_size / MEBIBYTE
        lines = [
            "# Reading COCO files",
            "",
            "`python -m benchmarks.coco_reading --write`; its docstring says how it measures.",
            "",
            describe(("hoopoe", "msgspec", "numpy", "pycocotools", "torch")),
            "",
            f"{args.boxes:,} boxes in {args.images:,} images, {size:.0f} MiB of JSON.",
            "",
            *read_all(path),
            "",
            *hold_all(path),
        ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
