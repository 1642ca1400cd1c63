"""How many individuals each box stands for at once: one, none where another stands for it, or as a person counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.decisions.naming.boxes import Basis, BoxDecisions
from detector.decisions.naming.targets import meant_boxes, targets_of
from detector.decisions.nested import nested_with
from detector.store.reviews.review import Review


def count_individuals(
    decisions: BoxDecisions,
    basis: Basis,
    reviews: Sequence[Review],
    counted: NDArray[np.bool_],
    nested: NDArray[np.bool_],
    key: NDArray[np.integer],
) -> NDArray[np.int32]:
    """The number of each box, int32 (B,); those of one frame add up to the birds at once.

    A person's count of a box is that of the box, and what lies within it or around it then stands for none. A count of
    a frame or file holds for the boxes that it means: where they are more, the least sure stand for none; where they
    are fewer, the surest stands for the rest, in the frame that shows most. One of each name always stays.

    Args:
        decisions: On the boxes, with people's words.
        basis: Of them.
        reviews: Last words that count, oldest first.
        counted: bool (B,), boxes that count.
        nested: bool (B,), from `find_nested`.
        key: int (B,), what each box shows.
    """
    count = np.where(nested, 0, 1).astype(np.int32)
    facts = basis.facts
    for review, target in zip(reviews, targets_of(facts, basis.repeat, reviews), strict=True):
        boxes = target[counted[target]]
        if not len(boxes):
            continue
        if review.box is not None:
            beside = np.flatnonzero((facts.box_frame == facts.box_frame[boxes[0]]) & (key == key[boxes[0]]) & counted)
            beside = beside[nested[beside] | ~facts.drawn[beside]]  # a drawn one may be a bird of its own
            count[beside[nested_with(facts.xywh[boxes[0]], facts.xywh[beside])]] = 0
            count[boxes[0]] = int(review.count or 1)
        else:
            meant = meant_boxes(boxes, decisions, review, basis.rules)
            count[meant[nested[meant]]] = 0  # also where an earlier word counted that box
            _share_out(count, meant[~nested[meant]], basis, key, int(review.count or 1))
    return count


def _share_out(
    count: NDArray[np.int32], boxes: NDArray[np.int64], basis: Basis, key: NDArray[np.integer], number: int
) -> None:
    """Let boxes of a file stand for so many at once; changes `count`."""
    if not len(boxes):
        return
    facts = basis.facts
    frames = facts.box_frame[boxes]
    fullest = int(np.bincount(frames - frames[0]).argmax()) + int(frames[0])
    for frame in np.unique(frames).tolist():
        rows = boxes[frames == frame]
        rows = rows[np.lexsort((rows, -facts.score[rows]))]
        _, first = np.unique(key[rows], return_index=True)  # the surest of each name
        rows = np.concatenate([rows[np.sort(first)], np.delete(rows, first)])
        kept = max(number, len(first))
        count[rows[:kept]] = 1
        count[rows[kept:]] = 0
        if frame == fullest and len(rows) < number:
            count[rows[0]] = number - len(rows) + 1
