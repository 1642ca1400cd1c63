"""A YOLO of ultralytics from random weights, by its own trainer, for so much CPU time; see benchmarks.rivals_hour.

Its labels are text files beside the pictures, and its epochs a number: here as many as the first ones' CPU time says,
by the rule that its trainer has for a time by the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST_SCORE = 0.001  # as in its own validation
NMS_IOU = 0.7  # likewise
WARM_UP_EPOCHS = 0.5  # three are most of what there is time for


def trained_yolo(args: argparse.Namespace) -> tuple[Callable[[NDArray[np.uint8]], Any], int, float]:
    """Train for the CPU time that there is: what detects in a photo, epochs, and seconds."""
    os.environ["YOLO_AUTOINSTALL"], os.environ["YOLO_OFFLINE"] = "false", "true"  # nothing is fetched
    from ultralytics import YOLO

    output = args.output.resolve()
    model = YOLO(args.network)
    start, epochs = time.process_time(), [0]

    def follow_cpu_time(trainer: Any) -> None:
        used = time.process_time() - start
        epochs[0] = trainer.epoch + 1
        wanted = max(epochs[0], math.floor(60 * args.minutes / (used / epochs[0])))
        trainer.epochs = trainer.args.epochs = wanted
        trainer._setup_scheduler()
        trainer.scheduler.last_epoch = trainer.epoch
        trainer.stop |= epochs[0] >= wanted
        print(f"epoch {epochs[0]} of {wanted}, {used / 60:.1f} minutes", flush=True)

    def compute_in_bf16(trainer: Any) -> None:
        trainer.amp = args.bf16  # autocast alone: its own test of half precision asks for a GPU

    model.add_callback("on_train_start", compute_in_bf16)
    model.add_callback("on_train_epoch_end", follow_cpu_time)
    settings = {"imgsz": args.side, "batch": args.batch_size, "device": "cpu", "workers": 0, "amp": False, "seed": 0}
    settings |= {"nbs": args.batch_size, "warmup_epochs": WARM_UP_EPOCHS}  # a step a batch: there are few of them
    model.train(
        data=str(yolo_set(args.birds, output / "set")),
        epochs=math.ceil(args.minutes),  # until the first one has been timed
        pretrained=False,
        val=False,
        plots=False,
        project=str(output),
        name="run",
        exist_ok=True,
        verbose=False,
        **settings,
    )
    seconds = time.process_time() - start
    best = YOLO(output / "run" / "weights" / "last.pt")  # the averaged weights

    def detect(photo: NDArray[np.uint8]) -> Any:
        [found] = best.predict(
            np.ascontiguousarray(photo[..., ::-1]),
            imgsz=args.side,
            conf=LOWEST_SCORE,
            iou=NMS_IOU,
            max_det=300,
            device="cpu",
            verbose=False,
        )
        return found.boxes.xyxy.numpy(), found.boxes.conf.numpy()

    return detect, epochs[0], seconds


def yolo_set(birds: Path, folder: Path) -> Path:
    """The photos to train on with label files beside them, as the tool wants them; returns its YAML."""
    for part in ("train", "val"):
        document = json.loads((birds / "annotations" / f"{part}.json").read_text())
        lines: dict[int, list[str]] = {image["id"]: [] for image in document["images"]}
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        for box in document["annotations"]:
            (left, top, width, height), (wide, high) = box["bbox"], sizes[box["image_id"]]
            numbers = ((left + width / 2) / wide, (top + height / 2) / high, width / wide, height / high)
            lines[box["image_id"]].append(" ".join(["0", *(f"{number:.6f}" for number in numbers)]))
        for image in document["images"]:
            picture = folder / "images" / part / image["file_name"]
            label = (folder / "labels" / part / image["file_name"]).with_suffix(".txt")
            for path in (picture, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(birds / "images" / image["file_name"], picture)
            label.write_text("\n".join(lines[image["id"]]))
    path = folder / "data.yaml"
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [bird]\n")
    return path
