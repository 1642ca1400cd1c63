"""From an item whose boxes came from another tool, and what the classifier says of them, to the rows of the store."""

from __future__ import annotations

import numpy as np

from detector.annotation.facts import ItemRows, Rows, RowsOptions
from detector.annotation.stages import unclassified
from detector.annotation.values import BoxedFrame, ClassifiedItem, FrameFacts, ItemFacts
from detector.footage.appearance import SIDE


def imported_rows(done: ClassifiedItem, options: RowsOptions) -> Rows:
    """The rows of a finished item: a row a frame with boxes, or one with the failure.

    Args:
        done: The item.
        options: What of it becomes rows.
    """
    rows = ItemRows(done.boxed.item, options, facts=done.facts)
    readable = done.failure is None or done.frames
    for frame in done.boxed.frames if readable else ():
        known = done.frames.get(frame.number)
        if known is None:  # no boxes, or it could not be decoded
            appearances = np.zeros((len(frame.boxes_xywh), SIDE * SIDE), np.uint8)
            finds = unclassified(frame.boxes_xywh, frame.label_scores, appearances)
            known = _frame_facts(frame, done.facts), finds
        rows.add(len(rows), *known)
    return rows.done(done.failure, "; ".join([*done.warnings, *done.boxed.warnings]) or None)


def _frame_facts(frame: BoxedFrame, facts: ItemFacts) -> FrameFacts:
    """Of a frame that was not decoded."""
    time_s = frame.number / facts.frame_rate if facts.frame_rate else 0.0
    return FrameFacts(frame.number, time_s, (facts.width or 1, facts.height or 1))
