"""What changed between two runs on the same files: states of files, names of boxes, events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.boxes import box_iou, xywh_to_xyxy
from detector.decisions.comparing.footage import Footage
from detector.store.records import DetectionRecord, MediaRecord
from detector.types import Kind

SAME_IOU = 0.5  # boxes of two runs that overlap by so much are of one thing
NO_BOX = "(no box)"
FAILED, BLANK, BIRDS, OTHERS = "failed", "blank", "with birds", "without birds"

Pairs = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Changes:
    """Transitions, as (in the first, in the second) -> how many.

    Attributes:
        common: Files that both have.
        only_first: Files that the second lacks.
        only_second: Files that the first lacks.
        files: States of common files.
        names: What boxes of common files are called; `NO_BOX` where one run has none.
        events: Name -> events in the first and in the second, over all their files.
    """

    common: int
    only_first: int
    only_second: int
    files: Pairs = field(default_factory=dict)
    names: Pairs = field(default_factory=dict)
    events: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def find_changes(first: Footage, second: Footage) -> Changes:
    """Compare what two runs say of the files that both have."""
    common = first.files.keys() & second.files.keys()
    files: Counter[tuple[str, str]] = Counter()
    names: Counter[tuple[str, str]] = Counter()
    for key in common:
        one, other = first.files[key], second.files[key]
        files[state(one, first.threshold), state(other, second.threshold)] += 1
        shown = one.shown(first.threshold), other.shown(second.threshold)
        for box, its in matched(*shown):
            names[NO_BOX if box is None else box.display_name, NO_BOX if its is None else its.display_name] += 1
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for place, footage in enumerate((first, second)):
        for event in footage.events:
            counts[event.display_name][place] += 1
    events = {name: (one, other) for name, (one, other) in sorted(counts.items())}
    beyond = len(first.files) - len(common), len(second.files) - len(common)
    return Changes(len(common), *beyond, files, names, events)


def state(record: MediaRecord, threshold: float) -> str:
    """What a file is said to show."""
    if record.failure is not None:
        return FAILED
    shown = record.shown(threshold)
    if not shown:
        return BLANK
    return BIRDS if any(box.kind == Kind.BIRD for box in shown) else OTHERS


def matched(
    first: Sequence[DetectionRecord], second: Sequence[DetectionRecord]
) -> list[tuple[DetectionRecord | None, DetectionRecord | None]]:
    """Boxes of one file in two runs, each with that of the other which overlaps it most, each once; the rest alone."""
    pairs: list[tuple[DetectionRecord | None, DetectionRecord | None]] = []
    for frame in sorted({box.frame_number for box in (*first, *second)}):
        one, other = ([box for box in boxes if box.frame_number == frame] for boxes in (first, second))
        overlaps = box_iou(_corners(one), _corners(other))
        free = [set(range(len(one))), set(range(len(other)))]
        for flat in np.argsort(-overlaps, axis=None, kind="stable").tolist():
            row, column = divmod(flat, len(other))
            if overlaps[row, column] < SAME_IOU:
                break
            if row in free[0] and column in free[1]:
                pairs.append((one[row], other[column]))
                free[0].remove(row)
                free[1].remove(column)
        pairs += [(one[row], None) for row in sorted(free[0])]
        pairs += [(None, other[column]) for column in sorted(free[1])]
    return pairs


def _corners(boxes: Sequence[DetectionRecord]) -> np.ndarray:
    return xywh_to_xyxy(np.array([(box.x, box.y, box.w, box.h) for box in boxes], np.float64).reshape(-1, 4))
