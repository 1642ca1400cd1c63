"""Sheets of a data set to look at: pictures as the network sees them in training, and what the doctor found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, HoopoeError
from detector.base.names import located
from detector.boxes import xywh_to_xyxy
from detector.data.coco.records import other_spelling
from detector.data.config import AugmentationConfig
from detector.data.dataset import Item, Key, TrainingDataset
from detector.data.doctor.document import read_document
from detector.data.doctor.examination import Examined
from detector.data.findings import Finding
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.data.resizing import resize
from detector.plots.contact_sheet import contact_sheet
from detector.plots.detections import draw_detections
from detector.training.config import Config

TILE_PX, LARGEST_ZOOM = 400, 2.0
EACH_CODE = 8  # pictures shown of each kind of finding


def training_sheet(annotations: Annotations, config: Config, count: int, epoch: int, varied: bool) -> NDArray[np.uint8]:
    """Pictures as the network sees them: their boxes in green, ignored regions in another colour.

    Args:
        annotations: The training set.
        config: Network size, augmentation and seed; the same epoch of a run shows the same pictures.
        count: How many, drawn from all.
        epoch: Which showing of each.
        varied: As in training; else as evaluation sees them.

    Returns:
        uint8 (H, W, 3).
    """
    rule = config.model.size_rule
    augmentation = config.data.augmentation if varied else AugmentationConfig.off()
    data = TrainingDataset(annotations, rule, augmentation, config.train.seed)
    places = np.random.default_rng(config.train.seed).permutation(len(annotations))[:count].tolist()
    tiles: list[NDArray[np.uint8] | None] = []
    captions = []
    for place in places:
        name = annotations.path(place).name
        try:
            item = data[Key(epoch, place)]
        except HoopoeError:
            tiles.append(None)
            captions.append(name)
            continue
        height, width = item.image.shape[1:]
        tiles.append(_seen(item, annotations.category_names))
        captions.append(f"{width} x {height}, {len(item.target['boxes'])} boxes: {name}")
    return contact_sheet(tiles, captions, TILE_PX)


def findings_sheet(examined: Examined, findings: Sequence[Finding]) -> NDArray[np.uint8]:
    """Pictures of what the doctor found, a few of each kind, with the boxes that are meant.

    Args:
        examined: The set.
        findings: Those of it, and of its comparison with a validation set.

    Returns:
        uint8 (H, W, 3).
    """
    document = read_document(examined.source.annotations, examined.source.images)
    tiles: list[NDArray[np.uint8] | None] = []
    captions = []
    shown: Counter[str] = Counter()
    for finding in findings:
        if finding.table not in ("images", "annotations") or finding.file != examined.source.annotations:
            continue
        shown[finding.code] += 1
        if shown[finding.code] <= EACH_CODE:
            tiles.append(_found(examined, document, finding))
            captions.append(f"{finding.code}: {finding.record}: {finding.message}")
    return contact_sheet(tiles, captions, TILE_PX)


def _seen(item: Item, names: Sequence[str]) -> NDArray[np.uint8]:
    target = item.target
    labels = [names[label] if len(names) > 1 else "" for label in target["labels"].tolist()]
    return _tile(item.image.numpy().transpose(1, 2, 0), target["boxes"].numpy(), target["ignored"].numpy(), labels)


def _tile(
    image: NDArray[np.uint8], boxes: NDArray, ignored: NDArray, labels: Sequence[str] | None = None
) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = min(TILE_PX / max(height, width), LARGEST_ZOOM)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = draw_detections(
        resize(np.ascontiguousarray(image), size_wh),
        ignored * scale,
        ["ignored"] * len(ignored),
        truth_xyxy=boxes * scale,
        truth_labels=labels,
    )
    tile = np.full((TILE_PX, TILE_PX, 3), 225, np.uint8)
    tile[: drawn.shape[0], : drawn.shape[1]] = drawn
    return tile


def _found(examined: Examined, document: dict[str, Any], finding: Finding) -> NDArray[np.uint8] | None:
    """The picture of a finding with the boxes that it means; None: there is none to be read."""
    record = document[finding.table or ""][finding.index or 0]
    image = record if finding.table == "images" else _image_of(document, record)
    if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
        return None
    meant = [record] if finding.table == "annotations" else list(_boxes_of(document, image))
    path = located(examined.source.images, image["file_name"].replace("\\", "/"))
    width, height = image.get("width"), image.get("height")
    stated = (width, height) if isinstance(width, int) and isinstance(height, int) else None
    try:
        pixels = read_image(path, stated)
    except DataError:  # it has another size
        pixels = read_image(path)
    except HoopoeError:
        return None
    corners = xywh_to_xyxy(np.array([box for each in meant if (box := _box(each))]).reshape(-1, 4))
    edges = np.tile(pixels.shape[1::-1], 2)
    return _tile(pixels, np.clip(corners, 0, edges), np.zeros((0, 4)))


def _image_of(document: dict[str, Any], record: Any) -> Any:
    given = record.get("image_id") if isinstance(record, dict) else None
    if not isinstance(given, int | float | str):
        return None
    wanted = (given, other_spelling(given))
    return next((each for each in document["images"] if isinstance(each, dict) and each.get("id") in wanted), None)


def _boxes_of(document: dict[str, Any], image: dict[str, Any]) -> Iterator[Any]:
    ids = (image.get("id"), str(image.get("id")))
    return (each for each in document["annotations"] if isinstance(each, dict) and each.get("image_id") in ids)


def _box(record: Any) -> list[float] | None:
    box = record.get("bbox") if isinstance(record, dict) else None
    try:
        values = [float(value) for value in box] if isinstance(box, list) and len(box) == 4 else []
    except (TypeError, ValueError, OverflowError):
        return None
    return values if values and all(map(math.isfinite, values)) else None
