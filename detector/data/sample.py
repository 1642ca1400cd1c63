"""The value that augmentation works on: a picture with its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORED = -1  # label of a region of which nothing is learnt: a crowd, or a bird of which too little is in the view


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture with its boxes.

    Args:
        image: uint8 (H, W, 3), RGB.
        boxes_xyxy: float32 (N, 4), pixels of `image`. A picture without birds has (0, 4), never (0,).
        labels: int64 (N,), 0-based, or IGNORED.

    Raises:
        ValueError: If shapes or lengths disagree.
    """

    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be uint8 (H, W, 3), not {self.image.dtype} {self.image.shape}")
        object.__setattr__(self, "boxes_xyxy", np.asarray(self.boxes_xyxy, np.float32).reshape(-1, 4))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64).reshape(-1))
        if len(self.labels) != len(self.boxes_xyxy):
            raise ValueError(f"{len(self.boxes_xyxy)} boxes, but {len(self.labels)} labels")

    @property
    def taught(self) -> NDArray[np.bool_]:
        """Which boxes (N,) are birds to learn from, not ignored regions."""
        return self.labels != IGNORED

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]
