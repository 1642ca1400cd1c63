"""Finding boxes that are drawn twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_iou, xywh_to_xyxy

DUPLICATE_IOU = 0.95  # of two boxes of one category in one image: the same animal, drawn twice


def duplicate_boxes(
    boxes_xywh: NDArray[np.float64], images: NDArray[np.integer], categories: NDArray[np.integer]
) -> Iterator[tuple[int, int]]:
    """Boxes that repeat an earlier box of the same image and category (IoU >= 0.95).

    Args:
        boxes_xywh: float64 (N, 4), pixels.
        images: (N,), which image each belongs to.
        categories: (N,).

    Yields:
        Pairs (row, earlier row), each row at most once.
    """
    order = np.lexsort((categories, images))  # stable: rows of one group stay in order
    keys = np.stack([images[order], categories[order]])
    ends = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
    for start, end in pairwise([0, *ends.tolist(), len(order)]):
        if end - start < 2:
            continue
        rows = order[start:end]
        corners = xywh_to_xyxy(boxes_xywh[rows])
        same = np.tril(box_iou(corners, corners) >= DUPLICATE_IOU, k=-1)
        for later in np.flatnonzero(same.any(axis=1)).tolist():
            yield int(rows[later]), int(rows[same[later].argmax()])
