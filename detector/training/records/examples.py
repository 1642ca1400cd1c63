"""Example pictures of an evaluation: what is annotated in green, and what was found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.data.resizing import resize, scale_boxes
from detector.plots.contact_sheet import contact_sheet
from detector.plots.detections import draw_detections
from detector.types import Detections

COUNT, TILE_PX, SHOWN_SCORE = 8, 320, 0.2


def example_rows(annotations: Annotations, count: int = COUNT) -> list[int]:
    """Places of pictures to show: evenly spread over those with boxes, or over all if there are none."""
    with_boxes = np.flatnonzero(np.diff(annotations.offsets))
    rows = with_boxes if len(with_boxes) else np.arange(len(annotations))
    chosen = np.linspace(0, max(0, len(rows) - 1), min(count, len(rows))).astype(np.int64)
    return [int(row) for row in rows[chosen]]


def draw_examples(annotations: Annotations, detections: Mapping[int, Detections]) -> NDArray[np.uint8]:
    """A sheet of example pictures, uint8 (H, W, 3); one that cannot be read leaves its frame empty."""
    tiles: list[NDArray[np.uint8] | None] = []
    captions = []
    for row in example_rows(annotations):
        record = annotations[row]
        captions.append(record.path.name)
        try:
            tiles.append(_tile(annotations, row, detections[record.id].above(SHOWN_SCORE)))
        except HoopoeError:
            tiles.append(None)
    return contact_sheet(tiles, captions, TILE_PX)


def _tile(annotations: Annotations, row: int, found: Detections) -> NDArray[np.uint8]:
    record = annotations[row]
    size_wh = (record.width, record.height)
    scale = TILE_PX / max(size_wh)
    shown_wh = (max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale)))
    several = len(annotations.category_names) > 1
    drawn = draw_detections(
        resize(read_image(record.path, size_wh), shown_wh),
        scale_boxes(found.boxes_xyxy, size_wh, shown_wh),
        [annotations.category_names[label] if several else "" for label in found.labels],
        found.scores,
        truth_xyxy=scale_boxes(record.boxes_xyxy, size_wh, shown_wh),
    )
    tile = np.full((TILE_PX, TILE_PX, 3), 225, np.uint8)
    tile[: drawn.shape[0], : drawn.shape[1]] = drawn
    return tile
