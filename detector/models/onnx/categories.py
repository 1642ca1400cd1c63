"""Categories of another program's detector: by what number, under what name, and which are one for us."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.models.coco import GROUPS, WEIGHTS

COCO_91 = tuple(WEIGHTS.meta["categories"])  # by COCO's own ids, of which some are not used
COCO_80 = tuple(name for name in COCO_91[1:] if name != "N/A")
LONGEST_METADATA = 4 << 20  # characters; 100,000 names are fewer
LONGEST_NAME = 1000
DROPPED = -1


@dataclass(frozen=True, eq=False)
class Categories:
    """Categories by the network's numbers.

    Attributes:
        names: Those that detections have, each once.
        of_class: int64 (C,), index into `names` of each of the network's classes, or -1: left out.
    """

    names: tuple[str, ...]
    of_class: NDArray[np.int64]

    def scores(self, class_scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (N, K) of the categories, each the best of its classes', of (N, C).

        The network may have more classes than there are names: DETRs have one for the background.
        """
        joined = np.zeros((len(class_scores), len(self.names)), np.float32)
        for place, category in enumerate(self.of_class.tolist()):
            if category != DROPPED and place < class_scores.shape[1]:
                np.maximum(joined[:, category], class_scores[:, place], out=joined[:, category])
        return joined


def by_number(names: Sequence[str | None] | Mapping[int, str | None]) -> list[str | None]:
    """Names by number, None for those that have none."""
    if not isinstance(names, Mapping):
        return list(names)
    return [names.get(number) for number in range(max(names, default=-1) + 1)]


def categories_of(names: Sequence[str | None]) -> Categories:
    """Categories by their names; those of COCO are joined into bird, other animal, person and vehicle, as in `coco`.

    Args:
        names: By number; None for those to leave out; of equal names the categories are one.
    """
    if {name for group in GROUPS.values() for name in group} <= set(names):
        group_of = {name: group for group, members in GROUPS.items() for name in members}
        names = [group_of.get(name or "") for name in names]
        distinct = tuple(GROUPS)
    else:
        distinct = tuple(dict.fromkeys(name for name in names if name is not None))
    places = {name: place for place, name in enumerate(distinct)}
    return Categories(distinct, np.array([DROPPED if name is None else places[name] for name in names], np.int64))


def names_in(text: str) -> list[str | None] | None:
    """Names by number as Ultralytics and YOLOv5 write them into a file, "{0: 'person', 1: 'bicycle'}"; else None."""
    if not text or len(text) > LONGEST_METADATA:
        return None
    try:
        said = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    if isinstance(said, list | tuple):
        said = dict(enumerate(said))
    if not isinstance(said, dict) or not said or len(said) > 100_000:
        return None
    usable = all(type(number) is int and 0 <= number < 100_000 for number in said) and all(
        isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in said.values()
    )
    return by_number(said) if usable else None
