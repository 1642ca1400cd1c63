"""Which boxes a person's word is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.decisions.naming.boxes import BoxDecisions
from detector.species.names.said_names import named_taxon
from detector.species.rules import NamingRules
from detector.store.reviews.review import Review
from detector.types import KINDS, Kind

ALIVE = [kind.code for kind in (Kind.BIRD, Kind.ANIMAL, Kind.UNCERTAIN, Kind.UNDECIDED)]


def item_rows(facts: FactsTable, reviews: Sequence[Review]) -> list[int | None]:
    """The row of the media item that each review is of; None: it is not here."""
    ids = [review.media_id or (review.repeat_group or "").rsplit(":", 2)[0] for review in reviews]
    different = sorted(set(ids))
    found = pc.index_in(pa.array(different, pa.string()), facts.media["media_id"])
    row_of = dict(zip(different, found.to_pylist(), strict=True))
    return [row_of[item] for item in ids]


def targets_of(facts: FactsTable, repeat: NDArray[np.int64], reviews: Sequence[Review]) -> list[NDArray[np.int64]]:
    """The boxes that each review is of."""
    box_media = facts.box_media
    targets = []
    for review, row in zip(reviews, item_rows(facts, reviews), strict=True):
        if row is None:
            targets.append(np.zeros(0, np.int64))
            continue
        group = review.repeat_group.rsplit(":", 2) if review.repeat_group else None
        boxes = np.arange(np.searchsorted(box_media, row), np.searchsorted(box_media, row, side="right"))
        frame, box = review.frame_number, review.box
        if group is not None:
            frame, box = (int(part) if part.isdigit() else -1 for part in group[1:]) if len(group) == 3 else (-1, -1)
        if frame is not None:
            boxes = boxes[facts.frame_number[facts.box_frame[boxes]] == frame]
        if box is not None:
            boxes = boxes[facts.box[boxes] == box]
        if group is not None and len(boxes) and repeat[boxes[0]] >= 0:
            boxes = np.flatnonzero(repeat == repeat[boxes[0]])  # the group that holds this box now
        targets.append(boxes)
    return targets


def meant_boxes(
    boxes: NDArray[np.int64], decisions: BoxDecisions, review: Review, rules: NamingRules
) -> NDArray[np.int64]:
    """Of several named boxes those whose sex, age or number a word on all of them tells.

    Those of the name or kind that it says, if there are any; else the birds; else the other animals.
    """
    kind = decisions.kind[boxes]
    said = rules.kinds.of(review.name) if review.name else review.verdict
    taxon = named_taxon(review.name, rules.kinds) if review.name else None
    if taxon is not None:
        names = [decisions.table.names[index].name for index in decisions.name[boxes].tolist()]
        same = boxes[np.array([name == taxon.name for name in names], bool)]
        if len(same):
            return same
    if said in KINDS and (kind == Kind(said).code).any():
        return boxes[kind == Kind(said).code]
    birds = boxes[kind == Kind.BIRD.code]
    return birds if len(birds) else boxes[np.isin(kind, ALIVE)]
