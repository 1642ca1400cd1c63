"""Detections as COCO results: the rows of predictions.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detector.types import Detections
from detector.types.conversions import coco_rows


def coco_results(detections: Mapping[int, Detections], category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Turn detections into COCO results, rounded as they are written.

    Args:
        detections: Image id -> what was found in it, in original pixels.
        category_ids: The COCO id of each label: `Detections.labels` are indices into it.

    Returns:
        Dicts with image_id, category_id, bbox (xywh) and score, image by image.
    """
    return [row for image_id, found in detections.items() for row in coco_rows(found, image_id, category_ids)]
