"""Detections as COCO results: the rows of predictions.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detector.boxes import xyxy_to_xywh
from detector.types import Detections

BOX_DECIMALS = 2  # a hundredth of a pixel, far below what an annotator can tell
SCORE_DECIMALS = 6  # float32 has no more below 1, and fewer would tie the surest detections


def coco_results(detections: Mapping[int, Detections], category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Turn detections into COCO results, rounded as they are written.

    Args:
        detections: Image id -> what was found in it, in original pixels.
        category_ids: The COCO id of each label: `Detections.labels` are indices into it.

    Returns:
        Dicts with image_id, category_id, bbox (xywh) and score, image by image.
    """
    results: list[dict[str, Any]] = []
    for image_id, found in detections.items():
        boxes = np.round(xyxy_to_xywh(found.boxes_xyxy.astype(np.float64)), BOX_DECIMALS).tolist()
        scores = np.round(found.scores.astype(np.float64), SCORE_DECIMALS).tolist()
        results += [
            {"image_id": int(image_id), "category_id": int(category_ids[label]), "bbox": box, "score": score}
            for label, box, score in zip(found.labels.tolist(), boxes, scores, strict=True)
        ]
    return results
