"""Which pictures are kept for evaluation: whole deployments, so that nothing that is measured was seen before."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SHARE = 0.2  # of the pictures with boxes


@dataclass(frozen=True)
class Parting:
    """Which of N pictures are kept for evaluation, and by what rule, in words."""

    held_out: tuple[bool, ...]
    rule: str


def part_pictures(deployments: Sequence[str], days: Sequence[str], with_boxes: Sequence[bool]) -> Parting:
    """Keep about a fifth of the pictures with boxes: whole deployments where there are two, else whole days.

    It depends on names alone, so that the same pictures are parted the same way again.

    Args:
        deployments: Of each picture.
        days: On which each was taken, "" where that is not known.
        with_boxes: Which have boxes that are taught.
    """
    for what, groups in (("deployments", list(deployments)), ("days", list(days))):
        sizes = Counter(group for group, has in zip(groups, with_boxes, strict=True) if has)
        if len(sizes) >= 2:
            kept = _held_out(sizes)
            # pictures without boxes go with their group; groups without any are learnt from
            held_out = tuple(group in kept for group in groups)
            return Parting(held_out, f"{len(kept)} of {len(set(groups))} {what} are kept for evaluation")
    few = "all is for training: pictures of one deployment and one day are too much alike to measure anything by them"
    return Parting((False,) * len(deployments), few)


def _held_out(sizes: Counter[str]) -> set[str]:
    total, taken = sizes.total(), 0
    kept: set[str] = set()
    for group in sorted(sizes, key=_digest):
        if abs(taken + sizes[group] - SHARE * total) < abs(taken - SHARE * total):
            kept.add(group)
            taken += sizes[group]
    return kept or {min(sorted(sizes), key=lambda group: sizes[group])}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
