"""Box sizes against the anchors of the detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.data.resizing import SizeRule

# Anchors of Hoopoe's detectors at scale 1, pixels of the network's input (torchvision's ratios, height to width).
ASPECT_RATIOS = (0.5, 1.0, 2.0)
ANCHOR_SIZES = {
    "Faster R-CNN": tuple(8.0 * stride for stride in (4, 8, 16, 32, 64)),
    "RetinaNet": tuple(4.0 * stride * 2 ** (octave / 3) for stride in (8, 16, 32, 64, 128) for octave in range(3)),
}
BACKGROUND_IOU = {"Faster R-CNN": 0.3, "RetinaNet": 0.4}  # below it an anchor is taught to be background
SIZE_EDGES = (8, 16, 32, 64, 128, 256, 512)  # pixels, square root of the area


@dataclass(frozen=True)
class Unmatched:
    """Shares of the boxes that overlap no anchor well enough to be more than background to it, by what they are.

    Args:
        small: Smaller than the smallest anchor (square root of the area).
        large: Larger than the largest.
        shape: Of another shape than any.
    """

    small: float = 0.0
    large: float = 0.0
    shape: float = 0.0

    @property
    def share(self) -> float:
        """All of them."""
        return self.small + self.large + self.shape

    def __str__(self) -> str:
        parts = ((self.small, "smaller than all"), (self.large, "larger than all"), (self.shape, "of another shape"))
        named = ", ".join(f"{share:.0%} {what}" for share, what in parts if share)
        return f"{self.share:.0%} match no anchor" + (f" ({named})" if named else "")


def unmatched(
    boxes_xywh: NDArray[np.float64], detector: str, ratios: Sequence[float] = ASPECT_RATIOS, scale: float = 1.0
) -> Unmatched:
    """The boxes that match no anchor.

    Anchors are centred on the box, which flatters large strides: the true shares are at least these.

    Args:
        boxes_xywh: float64 (N, 4), pixels of the network's input.
        detector: A key of `ANCHOR_SIZES`.
        ratios: Height / width of the anchors.
        scale: Of the anchors' sizes.
    """
    if len(boxes_xywh) == 0:
        return Unmatched()
    sizes = np.array(ANCHOR_SIZES[detector]) * scale
    anchors = np.array([(size / ratio**0.5, size * ratio**0.5) for size in sizes for ratio in ratios])
    best = np.zeros(len(boxes_xywh))
    for anchor in anchors:
        shared = np.minimum(boxes_xywh[:, 2:], anchor).prod(axis=1)
        union = boxes_xywh[:, 2:].prod(axis=1) + anchor.prod() - shared
        best = np.maximum(best, shared / union)
    missed = best < BACKGROUND_IOU[detector]
    roots = np.sqrt(boxes_xywh[:, 2:].prod(axis=1))
    small, large = missed & (roots < sizes.min()), missed & (roots > sizes.max())
    return Unmatched(float(small.mean()), float(large.mean()), float((missed & ~small & ~large).mean()))


def network_boxes_xywh(
    boxes_xywh: NDArray[np.float64], sizes_wh: NDArray[np.integer], rule: SizeRule, *, native: bool = False
) -> NDArray[np.float64]:
    """Boxes (N, 4) in pixels of the network's input, without augmentation.

    Args:
        boxes_xywh: In pixels of their pictures.
        sizes_wh: Width and height of the picture of each box (N, 2).
        rule: The size that a picture has in the network.
        native: Whether crops of native resolution are trained on, where that is larger.
    """
    scales = rule.sizes(sizes_wh) / np.maximum(sizes_wh, 1)
    return boxes_xywh * np.tile(np.maximum(scales, 1.0) if native else scales, 2)


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
