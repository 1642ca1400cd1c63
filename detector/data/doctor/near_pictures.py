"""Pictures of one set that are a picture of another, or nearly: saved again, resized, or frames of one moment.

What two pictures of one camera share is their background, and at night they share nothing else: 40 photos of 40 birds
before one dark forest look alike. So pictures that look alike as a whole are compared where their birds are, and are
the same only if all of these are. Pictures without birds are never said to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError
from detector.base.pictures import decode_picture
from detector.boxes import xywh_to_xyxy
from detector.data.doctor.picture_scan import PictureScan
from detector.data.images import chosen_orientation

# Two pictures look alike when both hold: few of the 64 bits differ, and the 16 x 16 gray thumbnails differ little. The
# hash finds candidates quickly; the thumbnail keeps apart unlike skies, whose bits are mostly noise.
NEAR_BITS = 8
NEAR_LEVELS = 4.0  # mean absolute difference, of 255
MOST_CANDIDATES = 8  # compared closely for each picture, the likest first: a copy is the likest of all

# Of 250 real photos with small birds, 98 % of copies saved again at JPEG quality 75 pass, 85 % at quality 40, 88 % at
# half the size, and 3 % of other frames of the same scene: to miss a copy costs less than to drop another bird.
LEAST_CONTRAST = 2.0  # levels of 255 (standard deviation in a box): below it, no bird can be seen
MOST_CHANGE = 0.4  # of a box's contrast, besides the noise
NOISE_LEVELS = 1.0
_SHORT_SIDE = 512  # pixels of what is compared
_PATCH_SIDE = 16
_LEAST_PATCH = 8  # pixels around a bird that is smaller
_BLOCK = 1024  # rows compared at a time
_KEPT = 256  # pictures, about 80 MB


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with its boxes.

    Args:
        path: The file.
        size_wh: The size that its record states, pixels.
        boxes_xywh: float64 (N, 4), pixels.
        scan: What a look at the file told.
    """

    path: Path
    size_wh: tuple[int, int]
    boxes_xywh: NDArray[np.float64]
    scan: PictureScan


def near_pictures(some: Sequence[Scene], others: Sequence[Scene]) -> Iterator[tuple[int, int]]:
    """Pictures of one set that are, or nearly are, a picture of another.

    Yields:
        Pairs (index in `some`, index of the likest such in `others`).
    """
    read = lru_cache(maxsize=_KEPT)(_read_gray)
    for row, candidates in _look_alikes(some, others):
        for other in candidates:
            if _show_the_same(some[row], others[other], read):
                yield row, other
                break


def _look_alikes(some: Sequence[Scene], others: Sequence[Scene]) -> Iterator[tuple[int, list[int]]]:
    """For each picture that looks like others as a whole: the likest of these, in order."""
    some_rows, other_rows = _readable(some), _readable(others)
    if not len(some_rows) or not len(other_rows):
        return
    bits, thumbnails = _stacked(some, some_rows)
    other_bits, other_thumbnails = _stacked(others, other_rows)
    for start in range(0, len(bits), _BLOCK):
        distance = np.bitwise_count(bits[start : start + _BLOCK, None] ^ other_bits[None])
        for row in np.flatnonzero((distance <= NEAR_BITS).any(axis=1)).tolist():
            near = np.flatnonzero(distance[row] <= NEAR_BITS)
            levels = np.abs(thumbnails[start + row] - other_thumbnails[near]).mean(axis=(1, 2))
            order = np.argsort(levels, kind="stable")[:MOST_CANDIDATES]
            alike = near[order[levels[order] <= NEAR_LEVELS]]
            if len(alike):
                yield int(some_rows[start + row]), other_rows[alike].tolist()


def _readable(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    return np.array([row for row, scene in enumerate(scenes) if scene.scan.thumbnail is not None], np.int64)


def _stacked(scenes: Sequence[Scene], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int16]]:
    scans = [scenes[row].scan for row in rows]
    thumbnails = np.stack([scan.thumbnail for scan in scans if scan.thumbnail is not None])
    return np.array([scan.fingerprint for scan in scans], np.uint64), thumbnails.astype(np.int16)


def _show_the_same(one: Scene, other: Scene, read: Callable[[Path, tuple[int, int]], NDArray | None]) -> bool:
    """Whether there is a bird to be seen in either, and the other picture shows the same at the place of each."""
    pictures = read(one.path, one.size_wh), read(other.path, other.size_wh)
    if pictures[0] is None or pictures[1] is None:
        return False
    height, width = np.minimum(pictures[0].shape, pictures[1].shape).tolist()
    first, second = (_brought_to(each, (width, height)) for each in pictures if each is not None)
    corners = np.concatenate([_corners(scene, (width, height)) for scene in (one, other)])
    seen = False
    for x1, y1, x2, y2 in corners.tolist():
        place = slice(y1, y2), slice(x1, x2)
        patches = [_patch(first[place]), _patch(second[place])]
        contrast = max(patch.std() for patch in patches)
        if contrast >= LEAST_CONTRAST:
            seen = True
            change = float((patches[0] - patches[1]).std())  # of the mean level: exposure
            if change > MOST_CHANGE * contrast + NOISE_LEVELS:
                return False
    return seen


def _read_gray(path: Path, size_wh: tuple[int, int]) -> NDArray[np.uint8] | None:
    try:
        image = decode_picture(
            path,
            min_side=_SHORT_SIDE,
            turn=lambda stored, orientation: chosen_orientation(stored, orientation, size_wh, path),
        ).image
    except HoopoeError:  # a finding of its own
        return None
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    height, width = gray.shape
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    return _brought_to(gray, (max(1, round(width * scale)), max(1, round(height * scale))))


def _brought_to(gray: NDArray, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if gray.shape == size_wh[::-1]:
        return gray
    return cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _corners(scene: Scene, size_wh: tuple[int, int]) -> NDArray[np.int64]:
    """Whole pixels (N, 4) of its boxes in a picture of this size, of a few pixels at least."""
    corners = xywh_to_xyxy(scene.boxes_xywh) * np.tile(np.divide(size_wh, scene.size_wh), 2)
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    halves = np.maximum(corners[:, 2:] - corners[:, :2], _LEAST_PATCH) / 2
    low = np.clip(np.rint(centres - halves), 0, np.array(size_wh) - 1)
    high = np.clip(np.rint(centres + halves), low + 1, size_wh)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def _patch(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = gray.shape
    side = (min(_PATCH_SIDE, width), min(_PATCH_SIDE, height))
    return cv2.resize(gray, side, interpolation=cv2.INTER_AREA).astype(np.float64)
