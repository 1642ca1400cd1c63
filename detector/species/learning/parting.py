"""Which labelled crops are held out: whole cameras or events, so that nothing that is measured was seen before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.species.learning.boxes import LabelledBox

GroupBy = Literal["auto", "camera", "event"]
LEAST_CAMERAS = 5  # with fewer, a fifth of them is none


@dataclass(frozen=True, eq=False)
class Parting:
    """Which crops are for what.

    Attributes:
        held_out: bool (N,).
        groups: int64 (N,), crops of one group were taken together, and are on one side.
        rule: How they were parted, in words.
    """

    held_out: NDArray[np.bool_]
    groups: NDArray[np.int64]
    rule: str


def part_crops(boxes: Sequence[LabelledBox], classes: NDArray[np.int64], share: float, group_by: GroupBy) -> Parting:
    """Hold out about a share of the crops of each class: whole cameras where there are five, else whole events.

    Where each species has a camera of its own, as when files are named by species, no camera can be held out: then
    events are, unless cameras are asked for. It depends on names and labels alone, so that the same crops are parted
    the same way again. A class whose crops lie in one group, or in two, may be learnt and not measured.

    Args:
        boxes: N crops.
        classes: int64 (N,), of each; below 0: no bird.
        share: Of the crops.
        group_by: What is kept together; copies of a file always are.
    """
    cameras = {box.camera for box in boxes if box.camera}
    by_camera = group_by == "camera" or (group_by == "auto" and len(cameras) >= LEAST_CAMERAS)
    names = [box.camera or box.event if by_camera else f"{box.camera}\0{box.event}" for box in boxes]
    groups = joined_groups(names, [box.content for box in boxes])
    held_out = held_out_groups(names, groups, classes, share)
    if by_camera and group_by == "auto" and not held_out[classes >= 0].any():
        return part_crops(boxes, classes, share, "event")
    what = "cameras" if by_camera else "events (bursts, neighbours by name)"
    total, kept = (len(set(groups[rows].tolist())) for rows in (np.ones(len(boxes), bool), held_out))
    few = "" if by_camera or group_by != "auto" else f", as there are fewer than {LEAST_CAMERAS} cameras"
    few = few if cameras else few and ", as no camera is known"
    rule = f"{int(held_out.sum())} of {len(boxes)} crops are held out: {kept} of {total} {what}{few}"
    return Parting(held_out, groups, rule)


def joined_groups(names: Sequence[str], contents: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of groups (N,): what has one name is one group, and so are groups that hold copies of one file."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for name, content in zip(names, contents, strict=True):
        parent[root(f"content {content}")] = root(f"name {name}")
    roots = [root(f"name {name}") for name in names]
    number = {key: place for place, key in enumerate(dict.fromkeys(roots))}
    return np.array([number[key] for key in roots], np.int64)


def held_out_groups(
    names: Sequence[str], groups: NDArray[np.int64], classes: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """Crops (N,) of the groups that bring the held-out part of every class nearest to its share, one after the other.

    No class loses its last group to learn from.
    """
    kinds, class_of = np.unique(classes, return_inverse=True)
    counts = np.zeros((int(groups.max(initial=-1)) + 1, len(kinds)))
    np.add.at(counts, (groups, class_of), 1)
    first = dict(reversed([(int(group), name) for group, name in zip(groups.tolist(), names, strict=True)]))
    order = sorted(range(len(counts)), key=lambda group: _digest(first[group]))
    totals, taken, left = counts.sum(axis=0), np.zeros(len(kinds)), (counts > 0).sum(axis=0)
    chosen = np.zeros(len(counts), bool)
    for group in order:
        present = counts[group] > 0
        if (left[present] <= 1).any():
            continue
        before, after = ((np.abs(each / totals - share)).sum() for each in (taken, taken + counts[group]))
        if after < before:
            chosen[group], taken, left = True, taken + counts[group], left - present
    if not chosen.any():
        spare = [group for group in order if not ((counts[group] > 0) & (left <= 1)).any()]
        if spare:
            chosen[min(spare, key=lambda group: counts[group].sum())] = True
    return chosen[groups] if len(groups) else np.zeros(0, bool)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
