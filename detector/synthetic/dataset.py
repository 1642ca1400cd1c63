"""Writes drawn scenes as a COCO data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_bytes
from detector.boxes import xyxy_to_xywh
from detector.synthetic.plumages import PLUMAGES
from detector.synthetic.scenes import SPECIES_SCENES, SceneConfig, draw_scene

SPLITS = {"train": 0, "val": 1}
SCENES_A_WORKER = 50  # at least: to start one takes as long as to draw these
Progress = Callable[[range], Iterable[int]]
SceneRecord = tuple[str, NDArray[np.float32], NDArray[np.int64]]  # file name, boxes (N, 4), labels (N,)


@dataclass(frozen=True)
class SceneSet:
    """Which scenes are drawn.

    Attributes:
        seed: Another seed draws other scenes.
        size_wh: Width and height of the pictures.
        config: What scenes are made of.
    """

    seed: int = 0
    size_wh: tuple[int, int] = (256, 256)
    config: SceneConfig = SPECIES_SCENES


def write_synthetic_dataset(
    folder: Path,
    train: int,
    val: int,
    scenes: SceneSet | None = None,
    *,
    workers: int = 1,
    progress: Progress = iter,
) -> dict[str, Path]:
    """Write `images/*.jpg`, `train.json` and `val.json` (COCO boxes with species).

    Scene number i of a split depends on the seed, the split and i alone: a larger set begins like a smaller one.

    Args:
        folder: Where to; made if need be.
        train: Number of scenes to train on.
        val: Number of scenes to evaluate on.
        scenes: Which scenes; small ones of birds of all species by default.
        workers: Processes that draw; their number changes nothing about the scenes.
        progress: Wraps the numbers of the scenes of each split while they are drawn, such as `reporting.track`.

    Returns:
        The annotation files by split.
    """
    scenes = scenes or SceneSet()
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    files = {}
    with ExitStack() as stack:
        every: Any = map
        workers = min(workers, 1 + (train + val) // SCENES_A_WORKER)
        if workers > 1:
            # a fork of a process with threads, such as torch's, may hang
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            every = partial(stack.enter_context(pool).map, chunksize=8)
        for split, count in (("train", train), ("val", val)):
            drawn = every(partial(_write_scene, images, split, scenes), range(count))
            records = [record for _, record in zip(progress(range(count)), drawn, strict=True)]
            files[split] = folder / f"{split}.json"
            write_bytes(files[split], json.dumps(_coco(records, scenes.size_wh)).encode())
    return files


def _write_scene(images: Path, split: str, scenes: SceneSet, index: int) -> SceneRecord:
    rng = np.random.default_rng([scenes.seed, SPLITS[split], index])
    scene = draw_scene(rng, scenes.size_wh, scenes.config)
    name = f"{split}_{index + 1:06}.jpg"
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))]
    (images / name).write_bytes(cv2.imencode(".jpg", scene.image[..., ::-1], quality)[1].tobytes())
    return name, scene.boxes_xyxy, scene.labels


def _coco(records: list[SceneRecord], size_wh: tuple[int, int]) -> dict:
    annotations = [
        {"image_id": image_id, "category_id": label + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for image_id, (_, boxes, labels) in enumerate(records, start=1)
        for box, label in zip(xyxy_to_xywh(boxes).tolist(), labels.tolist(), strict=True)
    ]
    return {
        "info": {"description": "Drawn birds of invented species (Hoopoe)"},
        "images": [
            {"id": image_id, "file_name": name, "width": size_wh[0], "height": size_wh[1]}
            for image_id, (name, _, _) in enumerate(records, start=1)
        ],
        "annotations": [{"id": number, **each} for number, each in enumerate(annotations, start=1)],
        "categories": [{"id": label, "name": each.name} for label, each in enumerate(PLUMAGES, start=1)],
    }
