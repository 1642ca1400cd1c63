"""What people said of the sex and age of birds, for whom it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detector.decisions.naming.boxes import Basis, BoxDecisions
from detector.decisions.naming.targets import ALIVE, meant_boxes, targets_of
from detector.store.reviews.log import Words
from detector.store.reviews.review import LIFE_STAGES, SEXES, Review


def note_sex_and_age(decisions: BoxDecisions, basis: Basis, words: Words, counted: NDArray[np.bool_]) -> BoxDecisions:
    """The decisions with sex and life stage; later words win over earlier ones.

    What is said of one box holds for the other boxes of the individual of which nothing is said; what is said of a
    frame, a file or a group for those of its animals that count, the birds first. People and vehicles have none.
    """
    if not words.sex and not words.life_stage:
        return decisions
    alive = np.isin(decisions.kind, ALIVE) & ~decisions.suppressed
    sexes = [SEXES.index(str(review.sex)) for review in words.sex]
    stages = [LIFE_STAGES.index(str(review.life_stage)) for review in words.life_stage]
    sex = _noted(decisions, basis, words.sex, sexes, counted)
    stage = _noted(decisions, basis, words.life_stage, stages, counted)
    return replace(decisions, sex=np.where(alive, sex, -1), life_stage=np.where(alive, stage, -1))


def _noted(
    decisions: BoxDecisions,
    basis: Basis,
    reviews: Sequence[Review],
    values: Sequence[int],
    counted: NDArray[np.bool_],
) -> NDArray[np.int8]:
    word = np.full(len(decisions.kind), -1)
    targets = targets_of(basis.facts, basis.repeat, reviews)
    for number, (review, boxes) in enumerate(zip(reviews, targets, strict=True)):
        several = review.box is None
        word[meant_boxes(boxes[counted[boxes]], decisions, review, basis.rules) if several else boxes] = number
    spread(word, basis.individuals.of_box, np.ones(len(reviews), bool), ~counted)
    return np.array([*values, -1], np.int8)[word]


def spread(
    word: NDArray[np.int64],
    individual: NDArray[np.int64],
    spreads: NDArray[np.bool_],
    left_out: NDArray[np.bool_],
) -> None:
    """Let the last word on a box of an individual hold for its other boxes of which nothing is said.

    Args:
        word: int64 (B,), number of the word on each box, later ones higher; -1: none. Is changed.
        individual: int64 (B,), of each box.
        spreads: bool (words,), which of the words hold for the whole individual.
        left_out: bool (B,), boxes to which no word comes from others.
    """
    said = np.flatnonzero(word >= 0)
    said = said[spreads[word[said]]]
    latest = np.full(int(individual.max(initial=-1)) + 1, -1)
    np.maximum.at(latest, individual[said], word[said])
    silent = (word < 0) & ~left_out
    word[silent] = latest[individual[silent]]
