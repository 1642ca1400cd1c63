"""How a person's word changes what is decided of boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.decisions.naming.boxes import Basis, BoxDecisions
from detector.decisions.naming.noting import spread
from detector.decisions.naming.targets import item_rows, targets_of
from detector.species.names.fauna import BIRDS
from detector.species.names.label_words import meaningful, split_words, taxon_key
from detector.species.names.said_names import named_taxon
from detector.species.names.taxonomy import ANY_BIRD
from detector.species.naming import MAYBE_A_BIRD, plain_name
from detector.species.rules import NamingRules
from detector.store.records import reaches
from detector.store.reviews.review import DRAWN, NOTED, Review
from detector.types import KINDS, Kind, TaxonName

_SPREADS = ("named", Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE)  # said of one box, true of the individual
_MODELS_MOST = np.nextafter(np.float32(1), np.float32(0))  # a confidence of 1 is that of a name which a person gave


def apply_reviews(
    decided: BoxDecisions, basis: Basis, reviews: Sequence[Review], score_threshold: float
) -> tuple[BoxDecisions, set[Review]]:
    """Let people's words win; later ones over earlier ones.

    What is said of one box of an individual holds for its other boxes of which nothing is said, except that it is
    nothing. What is said of a whole frame, file or group holds for its boxes that count, or the strongest if none does;
    that it is nothing holds for all. "This file is a hoopoe" is not said of the person beside it: where some of the
    boxes may be of the kind that is said, it is said of those alone. Nor is it said of a repeat: of one that is left
    out only by a word on its group or its box, or by `real`; of another also on a file in which nothing else counts.

    Args:
        decided: Before any person's word.
        basis: As for `decide_boxes`.
        reviews: Oldest first.
        score_threshold: From which boxes count.

    Returns:
        The decisions with people's words, and those of the reviews that are of boxes that are not here, or of files in
        which all is left out as a repeat.
    """
    decisions = decided.copy()
    facts, repeat, rules = basis.facts, basis.repeat, basis.rules
    word = np.full(len(facts.score), -1)
    real = word.copy()  # says nothing of the name, so that it does not take the place of other words
    left_out = decisions.suppressed & (repeat >= 0)
    lost = set()
    rows = item_rows(facts, reviews)
    for number, boxes in enumerate(targets_of(facts, repeat, reviews)):
        blank = reviews[number].is_of_several and reviews[number].verdict == "nothing" and rows[number] is not None
        if not len(boxes) and not blank:
            lost.add(reviews[number])
        if reviews[number].is_of_several and reviews[number].verdict not in ("nothing", "real"):
            beside = boxes[(repeat[boxes] < 0) & reaches(facts.score[boxes], score_threshold)]
            boxes = beside if len(beside) else boxes[~left_out[boxes]]
            if not len(boxes):
                lost.add(reviews[number])
                continue
        if len(boxes) > 1 and reviews[number].verdict != "nothing":
            strong = boxes[reaches(facts.score[boxes], score_threshold)]
            boxes = strong if len(strong) else boxes[[facts.score[boxes].argmax()]]
            boxes = _meant(boxes, decisions.kind, reviews[number], rules)
        (real if reviews[number].verdict == "real" else word)[boxes] = number
    spreads = np.array([review.verdict in _SPREADS for review in reviews], bool)
    spread(word, basis.individuals.of_box, spreads, left_out)
    touched = (word >= 0) | (real >= 0)
    decisions.confidence[touched] = np.minimum(decisions.confidence[touched], _MODELS_MOST)
    reviewers: dict[str, int] = {}
    for number, boxes in _by_word(word):
        review = reviews[number]
        _sign(decisions, boxes, review, reviewers)
        decisions.suppressed[boxes] = review.verdict == "nothing"
        decisions.needs_review[boxes] = False
        if review.verdict == "named":
            _give_name(decisions, boxes, str(review.name), facts, rules)
        elif review.verdict == NOTED:
            _take_name(decisions, boxes, MAYBE_A_BIRD.display_name, Kind.UNCERTAIN)
            decisions.needs_review[boxes] = True
        elif review.verdict != "nothing":
            _give_kind(decisions, boxes, Kind(review.verdict), facts, rules)
    for number, boxes in _by_word(np.where(real > word, real, -1)):
        unsaid = boxes[decisions.suppressed[boxes] | (word[boxes] < 0)]
        decisions.suppressed[unsaid] = False
        decisions.needs_review[unsaid] = basis.ranked.needs_review[basis.individuals.of_box[unsaid]]
        _sign(decisions, unsaid, reviews[number], reviewers)
    return replace(decisions, reviewers=tuple(reviewers)), lost


def blank_words(facts: FactsTable, reviews: Sequence[Review], blank: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each blank file (M,) the word that nothing is there, an index into the reviews; -1: nobody said so.

    Args:
        facts: Of the store.
        reviews: As for `apply_reviews`.
        blank: bool (M,), files in which nothing counts.
    """
    said = np.full(len(blank), -1)
    video = facts.is_video
    for number, (review, row) in enumerate(zip(reviews, item_rows(facts, reviews), strict=True)):
        whole = row is not None and review.is_of_several and (review.frame_number is None or not video[row])
        if row is not None and whole and blank[row]:
            said[row] = number if review.verdict == "nothing" else -1
    return said


def _sign(decisions: BoxDecisions, boxes: NDArray[np.int64], review: Review, reviewers: dict[str, int]) -> None:
    decisions.reviewer[boxes] = reviewers.setdefault(review.reviewer, len(reviewers))
    decisions.reviewed_ms[boxes] = np.datetime64(review.reviewed_at, "ms").astype(np.int64)


def _meant(boxes: NDArray[np.int64], kind: NDArray[np.int8], review: Review, rules: NamingRules) -> NDArray[np.int64]:
    """Of several boxes those that a word on all of them can mean."""
    said = rules.kinds.of(str(review.name)) if review.verdict == "named" else review.verdict
    if said not in KINDS or said == Kind.UNCERTAIN:
        return boxes
    meant = boxes[np.isin(kind[boxes], [Kind(said).code, Kind.UNCERTAIN.code, Kind.UNDECIDED.code])]
    return meant if len(meant) else boxes


def _by_word(word: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The boxes of each review, by its number; those with -1 are left out."""
    said = np.flatnonzero(word >= 0)
    order = said[np.argsort(word[said], kind="stable")]
    for boxes in np.split(order, np.flatnonzero(np.diff(word[order])) + 1):
        if len(boxes):
            yield int(word[boxes[0]]), boxes


def _give_name(
    decisions: BoxDecisions, boxes: NDArray[np.int64], text: str, facts: FactsTable, rules: NamingRules
) -> None:
    kind = rules.kinds.of(text)
    taxon = named_taxon(text, rules.kinds)
    if kind == Kind.BLANK:
        decisions.suppressed[boxes] = True
    elif taxon is not None and taxon.name != BIRDS:
        decisions.kind[boxes] = kind.code
        decisions.name[boxes] = decisions.table.index(_as_given(taxon, decisions.table.names))
        decisions.confidence[boxes] = decisions.species_score[boxes] = 1.0
        decisions.reasons[boxes] = 0
    elif kind in (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE):
        _give_kind(decisions, boxes, kind, facts, rules)
        if taxon is not None:  # a person says that it is some bird, whatever the models call it
            decisions.name[boxes] = decisions.table.index(ANY_BIRD)
            decisions.confidence[boxes] = decisions.species_score[boxes] = np.nan
        elif kind == Kind.ANIMAL:
            decisions.name[boxes] = decisions.table.index(TaxonName.plain(text))
    else:
        _take_name(decisions, boxes, text, kind)


def _take_name(decisions: BoxDecisions, boxes: NDArray[np.int64], text: str, kind: Kind) -> None:
    """A person does not know what it is, or says a word that nobody knows; then it stays to be reviewed."""
    if kind == Kind.UNCERTAIN:
        decisions.kind[boxes] = kind.code
        decisions.name[boxes] = decisions.table.index(MAYBE_A_BIRD)
    elif meaningful(split_words(text)):
        decisions.kind[boxes] = Kind.UNDECIDED.code
        decisions.name[boxes] = decisions.table.index(TaxonName.plain(text))
        decisions.needs_review[boxes] = True
    else:  # "unknown": a bird is still a bird
        decisions.name[boxes[decisions.kind[boxes] == Kind.BIRD.code]] = decisions.table.index(ANY_BIRD)
    decisions.confidence[boxes] = decisions.species_score[boxes] = np.nan
    decisions.reasons[boxes] = 0


def _as_given(taxon: TaxonName, given: Sequence[TaxonName]) -> TaxonName:
    """The name that models give to the same taxon, so that events join; else its own."""
    key = taxon_key(taxon.name or "")
    same = (name for name in given if name.name and name.rank == taxon.rank and taxon_key(name.name) == key)
    return next(
        (name for name in same if taxon.rank in (None, "species") or name.display_name == taxon.display_name), taxon
    )


def _give_kind(
    decisions: BoxDecisions, boxes: NDArray[np.int64], kind: Kind, facts: FactsTable, rules: NamingRules
) -> None:
    decisions.kind[boxes] = kind.code
    if kind == Kind.BIRD:
        unnamed = np.array([decisions.table.names[index].name is None for index in decisions.name[boxes].tolist()])
        decisions.name[boxes[unnamed]] = decisions.table.index(ANY_BIRD)
        return
    drawn = facts.drawn
    for box in boxes.tolist():
        label = DRAWN if drawn[box] else rules.categories[facts.label[box]]
        decisions.name[box] = decisions.table.index(plain_name(kind, label, rules.kinds))
    decisions.confidence[boxes] = decisions.species_score[boxes] = np.nan
    decisions.reasons[boxes] = 0
