"""Boxes that people drew or moved, among those of the facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.store.reviews.review import Review

DRAWN_SCORE = 1.0  # a person is sure


def with_drawn_boxes(facts: FactsTable, places: Sequence[Review]) -> FactsTable:
    """The facts with the boxes that people drew, which nothing has looked at: without score, track and looks.

    So they link with nothing, repeat nothing, and are named by people alone. Those of other portions, and of frames
    that were not sampled, are left out.

    Args:
        facts: As they were read.
        places: Last words on where boxes lie.
    """
    drawn = _located(facts, [review for review in places if review.is_drawn])
    if not drawn:
        return facts
    frame, reviews = zip(*drawn, strict=True)
    more = len(drawn)
    added: dict[str, NDArray] = {
        "box_frame": np.array(frame, np.int32),
        "box": np.array([review.box for review in reviews], np.int32),
        "xywh": np.array([review.xywh for review in reviews], np.float32),
        "score": np.zeros(more, np.float32),
        "label": np.zeros(more, np.int32),
        "track": np.full(more, -1, np.int32),
        "appearance": np.zeros((more, facts.appearance.shape[1]), np.uint8),
        "has_appearance": np.zeros(more, np.bool_),
        "position": len(facts.position) + np.arange(more),
    }
    columns: dict[str, Any] = {name: np.concatenate([getattr(facts, name), values]) for name, values in added.items()}
    order = np.lexsort((columns["box"], columns["box_frame"]))
    return replace(facts, **{name: values[order] for name, values in columns.items()})


def as_people_see_it(
    facts: FactsTable, places: Sequence[Review], targets: Sequence[NDArray[np.int64]]
) -> tuple[FactsTable, NDArray[np.int64]]:
    """The facts with boxes where people put them, and drawn ones as sure as people are.

    Args:
        facts: From `with_drawn_boxes`.
        places: Last words on where boxes lie.
        targets: The boxes that each is of.

    Returns:
        The facts, and int64 (B,): the word that says where a box lies, an index into `places`; -1: the detector does.
    """
    word = np.full(len(facts.score), -1)
    xywh = facts.xywh.copy()
    for number, (review, boxes) in enumerate(zip(places, targets, strict=True)):
        word[boxes] = number
        xywh[boxes] = np.array(review.xywh, np.float32)
    score = np.where(facts.drawn, np.float32(DRAWN_SCORE), facts.score)
    return replace(facts, xywh=xywh, score=score), word


def _located(facts: FactsTable, drawn: Sequence[Review]) -> list[tuple[int, Review]]:
    """The rows of the frames in which boxes were drawn, by frame and number of the box."""
    if not drawn:
        return []
    ids = sorted({str(review.media_id) for review in drawn})
    found = pc.index_in(pa.array(ids, pa.string()), facts.media["media_id"])
    rows = dict(zip(ids, found.to_pylist(), strict=True))
    failed = facts.failed
    located = []
    for review in drawn:
        row = rows[str(review.media_id)]
        if row is None or failed[row]:
            continue
        start, end = np.searchsorted(facts.frame_media, [row, row + 1])
        frames = start + np.flatnonzero(facts.frame_number[start:end] == review.frame_number)
        located += [(int(frame), review) for frame in frames[:1]]
    return sorted(located, key=lambda each: (each[0], each[1].box or 0))
