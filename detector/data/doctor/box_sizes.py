"""Box sizes against the anchors of the detectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Anchors of Hoopoe's detectors at scale 1, pixels of the network's input (torchvision's ratios, height to width).
ASPECT_RATIOS = (0.5, 1.0, 2.0)
ANCHOR_SIZES = {
    "Faster R-CNN": tuple(8.0 * stride for stride in (4, 8, 16, 32, 64)),
    "RetinaNet": tuple(4.0 * stride * 2 ** (octave / 3) for stride in (8, 16, 32, 64, 128) for octave in range(3)),
}
BACKGROUND_IOU = {"Faster R-CNN": 0.3, "RetinaNet": 0.4}  # below it an anchor is taught to be background
SIZE_EDGES = (8, 16, 32, 64, 128, 256, 512)  # pixels, square root of the area


def unmatched_share(boxes_xywh: NDArray[np.float64], detector: str, ratios: Sequence[float] = ASPECT_RATIOS) -> float:
    """The share of boxes that overlap no anchor well enough to be more than background to it.

    Anchors are centred on the box, which flatters large strides: the true share is at least this.

    Args:
        boxes_xywh: float64 (N, 4), pixels of the network's input.
        detector: A key of `ANCHOR_SIZES`.
        ratios: Height / width of the anchors.
    """
    if len(boxes_xywh) == 0:
        return 0.0
    anchors = np.array([(size / ratio**0.5, size * ratio**0.5) for size in ANCHOR_SIZES[detector] for ratio in ratios])
    best = np.zeros(len(boxes_xywh))
    for anchor in anchors:
        shared = np.minimum(boxes_xywh[:, 2:], anchor).prod(axis=1)
        union = boxes_xywh[:, 2:].prod(axis=1) + anchor.prod() - shared
        best = np.maximum(best, shared / union)
    return float((best < BACKGROUND_IOU[detector]).mean())


def size_histogram(boxes_xywh: NDArray[np.float64]) -> dict[str, int]:
    """How many boxes there are by size (square root of the area): `< 8`, `8-16` ... `>= 512` pixels."""
    names = (
        f"< {SIZE_EDGES[0]}",
        *(f"{low}-{high}" for low, high in pairwise(SIZE_EDGES)),
        f">= {SIZE_EDGES[-1]}",
    )
    sizes = np.sqrt(boxes_xywh[:, 2] * boxes_xywh[:, 3])
    counts = np.bincount(np.digitize(sizes, SIZE_EDGES), minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))
