"""Finding what is there twice: boxes drawn twice, and pictures that are on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_iou, xywh_to_xyxy
from detector.data.doctor.picture_scan import PictureScan

DUPLICATE_IOU = 0.95  # of two boxes of one category in one image: the same animal, drawn twice

# Two pictures are nearly the same when both hold: few of the 64 bits differ, and the 16 x 16 gray thumbnails differ
# little. The hash finds candidates quickly; the thumbnail keeps apart unlike skies, whose bits are mostly noise.
NEAR_BITS = 8
NEAR_LEVELS = 4.0  # mean absolute difference, of 255
FLAT_LEVELS = (
    1.5  # standard deviation below which a picture (a black night frame, a white-out) shows nothing to compare
)

_BLOCK = 1024  # rows compared at a time


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


def near_pictures(some: Sequence[PictureScan], others: Sequence[PictureScan]) -> Iterator[tuple[int, int]]:
    """Pictures of one set that look like a picture of another: saved again, resized, or frames of one scene.

    Yields:
        Pairs (index in `some`, index of the first such in `others`).
    """
    some_rows, other_rows = _comparable(some), _comparable(others)
    if not len(some_rows) or not len(other_rows):
        return
    bits, thumbnails = _stacked(some, some_rows)
    other_bits, other_thumbnails = _stacked(others, other_rows)
    for start in range(0, len(bits), _BLOCK):
        distance = np.bitwise_count(bits[start : start + _BLOCK, None] ^ other_bits[None])
        found: set[int] = set()
        for row, other in np.argwhere(distance <= NEAR_BITS).tolist():
            difference = np.abs(thumbnails[start + row] - other_thumbnails[other]).mean()
            if row not in found and difference <= NEAR_LEVELS:
                found.add(row)
                yield int(some_rows[start + row]), int(other_rows[other])


def _comparable(pictures: Sequence[PictureScan]) -> NDArray[np.int64]:
    shows_something = [
        index
        for index, picture in enumerate(pictures)
        if picture.thumbnail is not None and picture.thumbnail.std() >= FLAT_LEVELS
    ]
    return np.array(shows_something, np.int64)


def _stacked(pictures: Sequence[PictureScan], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int16]]:
    chosen = [pictures[row] for row in rows]
    thumbnails = np.stack([picture.thumbnail for picture in chosen if picture.thumbnail is not None])
    return np.array([picture.fingerprint for picture in chosen], np.uint64), thumbnails.astype(np.int16)
