"""Other tools' boxes: what every reader of a format hands over."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.base.objects.address import Place, is_address

MOST_SHARE = 1.5  # boxes overhang by a little; what is larger is no share of a picture
IN_PIXELS = "boxes are in pixels, not in shares of the picture"
NO_AREA = "boxes have no area, or lie outside the picture"
NO_CATEGORY = "boxes are of no known category"


@dataclass(frozen=True, eq=False)
class ImportedFrame:
    """The boxes of a photo, or of one frame of a video.

    Args:
        number: Position of the frame in the video, from 0; 0 in photos.
        boxes_xywh: float32 (N, 4): left, top, width and height as shares of the upright picture, inside it.
        scores: float32 (N,), 0..1.
        labels: int64 (N,), indices into the categories.
    """

    number: int
    boxes_xywh: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImportedFile:
    """What a tool says about one media file.

    Args:
        path: As the tool names it, with forward slashes.
        frames: Those that the tool analysed, by number; a photo has one.
        failure: Why it found nothing, or why the record cannot be used; then there are no frames.
        left_out: What of the record cannot be used, in words -> how many boxes.
        size_wh: Width and height of the picture by which the boxes were stated in pixels; None: they were shares.
    """

    path: str
    frames: tuple[ImportedFrame, ...]
    failure: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    size_wh: tuple[float, float] | None = None


class ImportedDetections(Protocol):
    """A file of boxes: what made them, their categories, and its records, decoded while they are iterated over."""

    detector: str
    categories: tuple[str, ...]

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[ImportedFile]: ...


def imported_frame(
    number: int, boxes_xywh: ArrayLike, scores: ArrayLike, labels: ArrayLike, left_out: Counter[str] | None = None
) -> ImportedFrame:
    """Boxes as a file states them: cut off at the picture, those that cannot be used left out and counted."""
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    in_pixels = (np.abs(boxes) > MOST_SHARE).any(axis=1)
    low = np.clip(boxes[:, :2], 0, 1)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, 1)
    has_area = (high > low).all(axis=1)
    if left_out is not None:
        left_out.update({IN_PIXELS: int(in_pixels.sum()), NO_AREA: int((~has_area & ~in_pixels).sum())})
    clipped = np.concatenate([low, high - low], axis=1).astype(np.float32)
    score = np.clip(np.asarray(scores, np.float64), 0, 1).astype(np.float32)
    kept = has_area & ~in_pixels
    return ImportedFrame(number, clipped[kept], score[kept], np.asarray(labels, np.int64)[kept])


def path_under(root: Place, path: str) -> str | None:
    """A path that a tool wrote, relative to the media's folder with forward slashes; None where it leads elsewhere.

    Absolute paths count when they lie in the folder, as tools write them that were run on this machine.
    """
    path = path.replace("\\", "/")
    for prefix in {root.as_posix().rstrip("/") + "/", root.resolve().as_posix().rstrip("/") + "/"}:
        path = path.removeprefix(prefix)
    if is_address(path):
        return None
    path = posixpath.normpath(path)
    if path.startswith(("/", "../")) or path in (".", "..") or "\0" in path or re.match(r"[A-Za-z]:", path):
        return None
    return path
