"""Small birds in large pictures: tiles that the network sees at native resolution, beside the whole picture.

Tiles overlap, so that a bird no larger than the overlap is whole in one of them. What a tile's border cuts is left to
the view that shows it whole; only where no view does, its parts are joined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_areas, paired_iou, shared_boxes
from detector.data.resizing import SizeRule
from detector.types import Detections

OVERLAP = 0.2  # of a tile's sides
SAME_BIRD = 0.5  # intersection over the smaller area from which boxes of two views are one bird
AT_BORDER = 0.01  # of a tile's sides: a box that ends so near to the tile's border is cut by it

Window = tuple[int, int, int, int]  # x1, y1, x2, y2: whole pixels of the picture


@dataclass(frozen=True)
class View:
    """A part of a picture that the network sees as one image.

    Args:
        window: The part, in pixels of the picture.
        size_wh: Width and height that it has in the network.
        mirrored: Whether the network sees left and right exchanged.
    """

    window: Window
    size_wh: tuple[int, int]
    mirrored: bool = False

    @property
    def window_wh(self) -> tuple[int, int]:
        """Width and height of the part, in pixels of the picture."""
        return self.window[2] - self.window[0], self.window[3] - self.window[1]

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a picture (H, W, C)."""
        return image[self.window[1] : self.window[3], self.window[0] : self.window[2]]

    def seen(self, image: NDArray[np.uint8], rule: SizeRule) -> NDArray[np.uint8]:
        """The part of a picture (H, W, C) as the network of this rule sees it: (height, width, C)."""
        resized = rule.resize(np.ascontiguousarray(self.cut(image)), self.size_wh)
        return resized[:, ::-1] if self.mirrored else resized


def whole_view(picture_wh: tuple[int, int], rule: SizeRule) -> View:
    """The whole picture, at the size that it had in training."""
    return View((0, 0, *picture_wh), rule.size(picture_wh))


def tiled_views(picture_wh: tuple[int, int], rule: SizeRule, overlap: float = OVERLAP) -> list[View]:
    """The whole picture, then tiles row by row that cover it at native resolution.

    A picture that the network sees at native resolution anyway, or nearly, has no tiles.
    """
    views = [whole_view(picture_wh, rule)]
    if rule.scale(picture_wh) > 1 - overlap:
        return views
    sides = (rule.max_size, rule.min_size) if picture_wh[0] >= picture_wh[1] else (rule.min_size, rule.max_size)
    tile_wh = (min(sides[0], picture_wh[0]), min(sides[1], picture_wh[1]))
    for top in _starts(picture_wh[1], tile_wh[1], overlap):
        for left in _starts(picture_wh[0], tile_wh[0], overlap):
            window = (left, top, left + tile_wh[0], top + tile_wh[1])
            views.append(View(window, rule.size(tile_wh)))
    return views


def _starts(length: int, tile: int, overlap: float) -> list[int]:
    """Where tiles begin along a side: evenly, the first at 0, the last ending with the side."""
    count = 1 + math.ceil((length - tile) / (tile * (1 - overlap)))
    return [round(start) for start in np.linspace(0, length - tile, count)]


def merge_views(views: Sequence[View], detections: Sequence[Detections], picture_wh: tuple[int, int]) -> Detections:
    """The detections of all views of a picture as those of one picture, the best first.

    Greedily from the best on, first boxes that no border cuts, then the others: a box is dropped when a kept one of the
    same label, from another view, covers half of the smaller of the two. Boxes of one view never drop each other, as
    the detector's own suppression has judged them.

    Args:
        views: The views, the whole picture among them.
        detections: What was found in each, in pixels of its window.
        picture_wh: Width and height of the picture.
    """
    if len(views) == 1:
        return detections[0]
    moved = [_moved(found, view.window) for found, view in zip(detections, views, strict=True)]
    cuts = [_is_cut(found.boxes_xyxy, view.window, picture_wh) for found, view in zip(moved, views, strict=True)]
    pool = _Boxes(
        xyxy=np.concatenate([found.boxes_xyxy for found in moved]),
        scores=np.concatenate([found.scores for found in moved]),
        labels=np.concatenate([found.labels for found in moved]),
        views=np.repeat(np.arange(len(views)), [len(found) for found in moved]),
    )
    cut = np.concatenate(cuts)
    kept = _greedy(_Boxes.none(), pool.at(~cut))
    kept = _greedy(kept, _joined(pool.at(cut), np.array([view.window for view in views], np.float32)))
    order = np.argsort(-kept.scores, kind="stable")
    return Detections(kept.xyxy[order], kept.scores[order], kept.labels[order], detections[0].category_names)


JOINED = -1  # view of a box that is made of several views' parts


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Boxes of all views: corners (N, 4) in the picture, scores, labels and the numbers of their views (N,)."""

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    views: NDArray[np.int64]

    @classmethod
    def none(cls) -> _Boxes:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> _Boxes:
        return _Boxes(self.xyxy[rows], self.scores[rows], self.labels[rows], self.views[rows])

    def and_(self, other: _Boxes) -> _Boxes:
        return _Boxes(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in vars(self)))


def _greedy(kept: _Boxes, boxes: _Boxes) -> _Boxes:
    """Those that are kept already, and the boxes, the best first, that no kept box of another view covers."""
    pool = kept.and_(boxes.at(np.argsort(-boxes.scores, kind="stable")))
    is_kept = np.arange(len(pool.scores)) < len(kept.scores)
    for index in range(len(kept.scores), len(pool.scores)):
        other_view = (pool.views != pool.views[index]) | (pool.views == JOINED)
        rivals = np.flatnonzero(is_kept & other_view & (pool.labels == pool.labels[index]))
        covered = intersection_over_smaller(pool.xyxy[index], pool.xyxy[rivals]) >= SAME_BIRD
        is_kept[index] = not covered.any()
    return pool.at(is_kept)


def _joined(parts: _Boxes, windows: NDArray[np.float32]) -> _Boxes:
    """Boxes that borders cut, joined to one where they agree on what two views share: then they are one bird's parts.

    Args:
        parts: The boxes.
        windows: (V, 4), the window of each view.
    """
    from scipy.sparse.csgraph import connected_components  # slow to import, and the reading processes do without

    if not len(parts.scores):
        return parts
    own = windows[parts.views]
    shared = shared_boxes(own[:, None], own[None])  # (N, N, 4)
    ours, theirs = shared_boxes(parts.xyxy[:, None], shared), shared_boxes(parts.xyxy[None], shared)
    agree = (paired_iou(ours, theirs) >= SAME_BIRD) & (parts.labels[:, None] == parts.labels[None])
    agree &= parts.views[:, None] != parts.views[None]
    _, group_of = connected_components(agree, directed=False)
    joined = _Boxes.none()
    for group in range(group_of.max() + 1):
        one = parts.at(group_of == group)
        box = np.concatenate([one.xyxy[:, :2].min(axis=0), one.xyxy[:, 2:].max(axis=0)])[None]
        view = one.views[:1] if len(one.views) == 1 else np.array([JOINED])
        joined = joined.and_(_Boxes(box, one.scores.max(keepdims=True), one.labels[:1], view))
    return joined


def _moved(found: Detections, window: Window) -> Detections:
    offset = np.array([window[0], window[1]] * 2, np.float32)
    return replace(found, boxes_xyxy=found.boxes_xyxy + offset)


def _is_cut(boxes_xyxy: NDArray[np.float32], window: Window, picture_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether boxes (N, 4) end at a border of their window that is not one of the picture: (N,)."""
    margin = np.array([window[2] - window[0], window[3] - window[1]]) * AT_BORDER
    low = (boxes_xyxy[:, :2] <= np.array(window[:2]) + margin) & (np.array(window[:2]) > 0)
    high = (boxes_xyxy[:, 2:] >= np.array(window[2:]) - margin) & (np.array(window[2:]) < np.array(picture_wh))
    return np.any(low | high, axis=1)


def intersection_over_smaller(box_xyxy: NDArray[np.float32], others_xyxy: NDArray[np.float32]) -> NDArray[np.floating]:
    """Intersection of a box (4,) with others (N, 4) over the smaller area of the two: (N,), 0 where that is empty."""
    intersection = box_areas(shared_boxes(box_xyxy, others_xyxy))
    smaller = np.minimum(box_areas(box_xyxy), box_areas(others_xyxy))
    return np.divide(intersection, smaller, out=np.zeros_like(intersection), where=smaller > 0)
