"""A card of a night's photos for benchmarks: 12 megapixels, made of real small pictures, most without a bird."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.base.pictures import PHOTO_SUFFIXES

SIZE_WH = (4000, 3000)
BLANK = 0.7
QUALITY = 92
GRAIN = 9.0  # of 255: what a sensor adds, and most of a photo's bytes
TRUTH = "truth.json"


@dataclass(frozen=True)
class Source:
    """A small picture.

    Attributes:
        path: Its file.
        boxes_xywh: Birds in it, in its pixels; none: blank.
    """

    path: Path
    boxes_xywh: tuple[tuple[float, float, float, float], ...] = ()


def sources(birds: Path, blanks: Sequence[Path]) -> tuple[list[Source], list[Source]]:
    """Pictures with birds and without: of COCO boxes in BIRDS/annotations/val.json, and of folders without birds."""
    document = json.loads((birds / "annotations" / "val.json").read_text())
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    for each in document["annotations"]:
        boxes.setdefault(each["image_id"], []).append(tuple(each["bbox"]))
    known = [
        Source(birds / "images" / each["file_name"], tuple(boxes.get(each["id"], ()))) for each in document["images"]
    ]
    others = sorted(
        path
        for folder in blanks
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES and cv2.imread(str(path)) is not None
    )
    return [each for each in known if each.boxes_xywh], [
        *(each for each in known if not each.boxes_xywh),
        *(Source(path) for path in others),
    ]


def write_card(folder: Path, photos: int, birds: Path, blanks: Sequence[Path], workers: int) -> None:
    """Write photos and their birds (`truth.json`: name -> boxes as shares) into a folder, unless they are there.

    Every source is used about equally often, each time cut, mirrored and lit otherwise; no two photos are the same.
    """
    truth = folder / TRUTH
    if truth.is_file() and len(json.loads(truth.read_text())) == photos:
        return
    with_birds, without = sources(birds, blanks)
    rng = np.random.default_rng(0)
    shown = np.arange(photos) % 10 >= round(10 * BLANK)
    rng.shuffle(shown)
    chosen: list[Source] = []
    for bird in shown.tolist():
        some = with_birds if bird else without
        chosen.append(some[int(rng.integers(len(some)))] if len(some) < photos else some[len(chosen) % len(some)])
    card = folder / "card" / "DCIM"
    card.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        boxes = list(pool.map(partial(_write_photo, card), range(photos), chosen, chunksize=4))
    truth.write_text(json.dumps({f"DCIM/{_name(number)}": each for number, each in enumerate(boxes)}))


def _write_photo(card: Path, number: int, source: Source) -> list[list[float]]:
    """A photo of 12 megapixels from a small one; the boxes of its birds, shares of it."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(number + 1)
    small: NDArray[Any] = np.asarray(cv2.imread(str(source.path)))
    height, width = small.shape[:2]
    side = min(width, height * SIZE_WH[0] / SIZE_WH[1])  # a window of 4:3, as large as fits, with all birds if it can
    window_wh = np.array([side, side * SIZE_WH[1] / SIZE_WH[0]]) * rng.uniform(0.9, 1)
    room = np.array([width, height]) - window_wh
    corner = rng.uniform(0, 1, 2) * room
    boxes = np.array(source.boxes_xywh, np.float64).reshape(-1, 4)
    if len(boxes):
        first = boxes[0]
        corner = np.clip(first[:2] + first[2:] / 2 - rng.uniform(0.2, 0.8, 2) * window_wh, 0, room)
    scale = SIZE_WH[0] / window_wh[0]
    shift = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    low = np.clip((boxes[:, :2] - corner) / window_wh, 0, 1)
    high = np.clip((boxes[:, :2] + boxes[:, 2:] - corner) / window_wh, 0, 1)
    mirrored = bool(rng.integers(2))
    if mirrored:
        low[:, 0], high[:, 0] = 1 - high[:, 0], 1 - low[:, 0]
    kept = ((high - low) > 0).all(axis=1)
    file = card / _name(number)
    if not file.exists():
        photo: NDArray[Any] = cv2.warpAffine(
            small, shift, SIZE_WH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        _save(_grainy(rng, cv2.flip(photo, 1) if mirrored else photo), file, number)
    return np.concatenate([low, high - low], axis=1)[kept].tolist()


def _save(photo: NDArray[np.uint8], file: Path, number: int) -> None:
    """Whole or not at all."""
    beside = file.with_name(f".{file.stem}.jpg")
    cv2.imwrite(str(beside), photo, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    moment = 1_700_000_000 + 600 * number  # ten minutes apart: no bursts
    os.utime(beside, (moment, moment))
    beside.replace(file)


@cache
def _grain() -> NDArray[np.int16]:
    """Of one picture and a half, of which each photo shows another part."""
    tile = np.random.default_rng(0).normal(0, GRAIN, (1024, 1024, 3)).astype(np.int16)
    return np.tile(tile, (5, 6, 1))


def _grainy(rng: np.random.Generator, photo: NDArray[Any]) -> NDArray[np.uint8]:
    """A photo with a sensor's grain, and a little lighter or darker."""
    top, left = rng.integers(0, 1024, 2).tolist()
    grain = _grain()[top : top + photo.shape[0], left : left + photo.shape[1]]
    lit = cv2.convertScaleAbs(photo, alpha=float(rng.uniform(0.85, 1.15)))
    return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U))


def _name(number: int) -> str:
    return f"IMG_{number:05d}.JPG"
