"""Copy-paste without masks: birds of one picture, with soft edges and fitting light, laid into another.

After Dwibedi et al. 2017 (Cut, Paste and Learn) and Ghiasi et al. 2021. They have masks; here the edge of a box fades.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detector.boxes import box_areas, box_intersections, clip_boxes
from detector.data.resizing import resize
from detector.data.sample import Sample

MARGIN = 0.2  # how far a patch reaches beyond its box, in box sides; there it fades out
SIZE_JITTER = (0.7, 1.4)  # factor on the size that the bird has in its own picture, relative to the picture
LARGEST_ENLARGEMENT = 1.5  # of pixels: more would show
MOST_HIDDEN = 0.3  # of any box, by the area that all birds pasted over it cover together
ATTEMPTS = 10  # places tried for each bird
LIGHT_LIMIT = 60.0  # the most that a patch is made brighter or darker, in grey levels


def copy_paste(rng: Generator, sample: Sample, donor: Sample, limit: int) -> Sample:
    """Paste up to `limit` birds of a donor where they hide no other bird.

    Nothing goes from a colour picture into a grey one (thermal, night) or back: birds look different there.

    Args:
        rng: The source of everything that varies.
        sample: The picture that receives, which is left alone.
        donor: The picture that gives.
        limit: The most birds to paste.

    Returns:
        The picture with further boxes; the same one if nothing fitted.
    """
    if _is_grey(sample) != _is_grey(donor):
        return sample
    birds = np.flatnonzero(donor.taught & ~_close_to_others(donor))
    count = min(len(birds), int(rng.integers(1, limit, endpoint=True)))
    hidden = np.zeros(len(sample.labels))
    for row in rng.permutation(birds)[:count]:
        sample, hidden = _paste(rng, sample, hidden, donor, int(row))
    return sample


def _close_to_others(donor: Sample) -> NDArray[np.bool_]:
    """Whose patch (N,) would show a part of another bird, which would lie there without a box."""
    boxes = donor.boxes_xyxy
    reach = MARGIN * (boxes[:, 2:] - boxes[:, :2]) + 1
    outer = np.concatenate([boxes[:, :2] - reach, boxes[:, 2:] + reach], axis=1)
    meets = box_intersections(outer, boxes) > 0
    np.fill_diagonal(meets, False)
    return np.asarray(meets.any(axis=1))


def _paste(
    rng: Generator, sample: Sample, hidden: NDArray[np.float64], donor: Sample, row: int
) -> tuple[Sample, NDArray[np.float64]]:
    """One more bird, and the share (N + 1,) of each box that pasted ones hide by now."""
    size = max(sample.size_wh) / max(donor.size_wh) * rng.uniform(*SIZE_JITTER)
    patch, box = _cut(donor, row, min(size, LARGEST_ENLARGEMENT))
    if rng.random() < 0.5:
        patch, box = patch[:, ::-1], np.array([patch.shape[1] - box[2], box[1], patch.shape[1] - box[0], box[3]])
    height, width = patch.shape[:2]
    free = np.array(sample.size_wh) - (width, height)
    if (free < 0).any() or (box[2:] - box[:2] < 1).any():
        return sample, hidden
    for _ in range(ATTEMPTS):
        left, top = (int(each) for each in rng.integers(0, free, endpoint=True))
        placed = (box + (left, top, left, top)).astype(np.float32)
        in_all = hidden + _hidden_shares(placed, sample.boxes_xyxy)
        if (in_all <= MOST_HIDDEN).all():
            break
    else:
        return sample, hidden
    image = sample.image.copy()
    under = image[top : top + height, left : left + width].astype(np.float32)
    alpha = soft_edge(width, height, box)[..., None]
    rim = alpha[..., 0] < 0.5
    if rim.any():  # the light of the new place, told from what lies around the bird there and here
        light = under[rim].mean(axis=0) - patch[rim].mean(axis=0)
        patch = (patch + light.clip(-LIGHT_LIMIT, LIGHT_LIMIT)).clip(0, 255)
    image[top : top + height, left : left + width] = np.rint(under + alpha * (patch - under))
    pasted = Sample(image, np.vstack([sample.boxes_xyxy, placed]), np.append(sample.labels, donor.labels[row]))
    return pasted, np.append(in_all, 0.0)


def _cut(donor: Sample, row: int, size: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One bird with its surroundings, resized: the patch (h, w, 3), and the bird's box (4,) in it."""
    box = donor.boxes_xyxy[row]
    reach = MARGIN * (box[2:] - box[:2]) + 1
    outer = clip_boxes(np.concatenate([box[:2] - reach, box[2:] + reach])[None], donor.size_wh)[0]
    left, top = np.floor(outer[:2]).astype(int)
    right, bottom = np.ceil(outer[2:]).astype(int)
    width, height = max(1, round((right - left) * size)), max(1, round((bottom - top) * size))
    patch = resize(donor.image[top:bottom, left:right], (width, height))
    ratio = np.array([width / (right - left), height / (bottom - top)] * 2, np.float32)
    return patch.astype(np.float32), (box - np.array([left, top, left, top], np.float32)) * ratio


def soft_edge(width: int, height: int, box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Opacity (height, width) of a patch: 1 in a rounded shape that fills its box, down to 0 where the margin ends."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    x = np.abs((np.arange(width, dtype=np.float32) + 0.5 - centre[0]) / half[0])
    y = np.abs((np.arange(height, dtype=np.float32) + 0.5 - centre[1]) / half[1])
    radius = np.cbrt(x[None, :] ** 3 + y[:, None] ** 3)  # a superellipse: the corners of a box show no bird
    return np.asarray(((1 + MARGIN - radius) / MARGIN).clip(0, 1), np.float32)


def _hidden_shares(box: NDArray[np.float32], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """The share of each box (N,) that one box (4,) covers."""
    return box_intersections(boxes_xyxy, box[None])[:, 0] / np.maximum(box_areas(boxes_xyxy), 1e-6).astype(np.float64)


def _is_grey(sample: Sample) -> bool:
    thumbnail = sample.image[::8, ::8].astype(np.int16)  # JPEG leaves grey pictures grey to within a level or two
    return bool(np.abs(thumbnail[..., :2] - thumbnail[..., 1:]).mean() < 2)
