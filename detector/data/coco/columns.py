"""What is read of one COCO JSON, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.data.coco.records import Id
from detector.data.findings import Finding


@dataclass(frozen=True, eq=False)
class ImageColumns:
    """I images in the file's order.

    Args:
        record_ids: I ids as the file has them.
        ids: int64 (I,), or None when they are not all integers.
        file_names: I names with forward slashes.
        sizes_wh: int32 (I, 2), pixels; (0, 0) where the record states none.
        places: Where the file lists them: int64 (I,).
        attributes: Texts by image, for each key asked for.
    """

    record_ids: list[Id]
    ids: NDArray[np.int64] | None
    file_names: list[str]
    sizes_wh: NDArray[np.int32]
    places: NDArray[np.int64]
    attributes: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class BoxColumns:
    """N usable boxes in the file's order: the faulty are left out or clipped.

    Args:
        ids: int64 (N,), or None when the file's ids are not distinct integers above 0.
        images: int64 (N,), the row of each box's image in `ImageColumns`.
        category_ids: int64 (N,).
        boxes_xywh: float64 (N, 4), pixels.
        areas: float64 (N,), square pixels.
        is_crowd: bool (N,): regions that are neither taught nor counted, `iscrowd` or `ignore` in the file.
        places: Where the file lists them: int64 (N,).
    """

    ids: NDArray[np.int64] | None
    images: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    places: NDArray[np.int64]

    def select(self, rows: NDArray[np.bool_]) -> BoxColumns:
        """The boxes where a mask (N,) is true."""
        columns: dict[str, Any] = {
            name: None if column is None else column[rows] for name, column in vars(self).items()
        }
        return BoxColumns(**columns)


@dataclass(frozen=True, eq=False)
class ParsedCoco:
    """The records of one file that can be used, and the faults of all.

    Args:
        path: The file.
        categories: Name by category id.
        images: The images.
        boxes: The usable boxes.
        unusable: Boxes that cannot be used. Without them their animals would pass for background, so their images
            must not be used either.
        unlabelled: int64, rows of images without any annotation, in a file that labels empty pictures as such: nobody
            may have looked at them, so they must not be used.
        findings: Every fault, record by record.
    """

    path: Path
    categories: dict[int, str]
    images: ImageColumns
    boxes: BoxColumns
    unusable: BoxColumns
    unlabelled: NDArray[np.int64]
    findings: list[Finding]

    def image_name(self, row: int) -> str:
        """An image in the user's words: `image 17`."""
        return f"image {self.images.record_ids[row]}"
