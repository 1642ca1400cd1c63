"""Keeping a part of a data set for evaluation: whole cameras or bursts, for near-copies in both parts flatter."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from backbones.errors import DataError

SHARE = 0.2  # of the pictures, to evaluate on
LEAST_GROUPS = 5  # with fewer, a fifth of them is none
NEIGHBOURS = 20  # pictures in the order of their names: a burst lies in one such group, or in two


@dataclass(frozen=True)
class Split:
    """Which pictures are for what.

    Args:
        train: Names of files to train on.
        val: Names of files to evaluate on.
        rule: How they were parted, in words.
    """

    train: frozenset[str]
    val: frozenset[str]
    rule: str


def split_by_groups(names: Sequence[str], boxes: Counter[str]) -> Split:
    """Part pictures by what was probably taken together: by folders, or what their names begin with, or neighbours.

    It depends on the names and boxes alone, so that the same set is parted the same way again.

    Args:
        names: Of the files, as the annotations name them.
        boxes: Boxes of each file; about the share of files with boxes goes to each part.

    Raises:
        DataError: There are less than two groups of pictures with boxes.
    """
    rules = {"folders": _folders, "beginnings of names": _beginnings, "neighbours by name": _neighbours}
    for what, rule in rules.items():
        groups: dict[str, list[str]] = defaultdict(list)
        for name, group in zip(names, rule(names), strict=True):
            groups[group].append(name)
        with_boxes = {group: sum(boxes[name] > 0 for name in members) for group, members in groups.items()}
        if sum(count > 0 for count in with_boxes.values()) >= (2 if rule is _neighbours else LEAST_GROUPS):
            return _parted(groups, with_boxes, what)
    hint = "give annotations and images to evaluate on, or more pictures"
    raise DataError(f"{len(names)} pictures are too few to keep some for evaluation", hint=hint)


def part_of(document: dict[str, Any], names: Container[str]) -> dict[str, Any]:
    """The pictures of a COCO document that have one of these names (forward slashes), with their boxes, every key kept.

    Its records must be sound: `read_coco` has taken it.
    """
    images = [image for image in document["images"] if str(image["file_name"]).replace("\\", "/") in names]
    ids = {_key(image["id"]) for image in images}
    boxes = [box for box in document["annotations"] if _key(box["image_id"]) in ids]
    return {**document, "images": images, "annotations": boxes}


def _key(value: int | float | str) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _parted(groups: dict[str, list[str]], with_boxes: dict[str, int], what: str) -> Split:
    wanted, kept, last = SHARE * sum(with_boxes.values()), 0, sum(count > 0 for count in with_boxes.values()) - 1
    val: set[str] = set()
    chosen = rich = 0
    for group in sorted(groups, key=_digest):
        if kept >= wanted or (rich == last and with_boxes[group]):
            continue
        val.update(groups[group])
        kept, chosen, rich = kept + with_boxes[group], chosen + 1, rich + (with_boxes[group] > 0)
    train = frozenset(name for members in groups.values() for name in members) - val
    rule = (
        f"{len(val)} of {len(val) + len(train)} pictures are kept for evaluation: {chosen} of {len(groups)} {what}, "
        "chosen by the SHA-256 of their names"
    )
    return Split(train, frozenset(val), rule)


def _digest(group: str) -> str:
    return hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest()


def _folders(names: Sequence[str]) -> list[str]:
    return [name.replace("\\", "/").rpartition("/")[0] for name in names]


def _beginnings(names: Sequence[str]) -> list[str]:
    return [re.sub(r"\d+\D*$", "", name.rpartition(".")[0] or name) for name in names]


def _neighbours(names: Sequence[str]) -> list[str]:
    size = min(NEIGHBOURS, max(1, len(names) // LEAST_GROUPS))
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return [str(place[name] // size) for name in names]
