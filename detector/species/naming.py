"""The name that is given to a bird: the lowest rank of which the classifier is sure enough, and why not a lower one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.species.taxonomy import ANY_BIRD, Taxon, Taxonomy
from detector.store.records import Candidate

NAME_THRESHOLD = 0.65  # SpeciesNet's, for the summed probability of a rank
CANDIDATES = 3
SMALL_PX = 40.0  # long side of a box in the original; a tenth of what classifiers see
DARK_BRIGHTNESS = 0.1  # mean of the grey picture, 0..1
RARE_FREQUENCY = 0.01  # of checklists at that time of the year; rarer birds are for a person to confirm ...
SURE_THOUGH_RARE = 0.95  # ... below this confidence: the local list has a part in it, and alone it makes no work
NEAR_THRESHOLD = 0.25  # of the way from the threshold to 1: names of less confidence are for a person to confirm
Flags = Sequence[tuple[str, NDArray[np.bool_] | None]]  # reasons, and which boxes (N,) they hold for
CHUNK = 4096  # boxes at once, so that intermediate arrays stay in the cache

TOO_SMALL, TOO_DARK, NO_COLOUR = "too small", "too dark", "without colour"
DISAGREE, UNLIKE, MAYBE_NO_BIRD = "classes disagree", "unlike any known species", "may not be a bird"
NOT_LOCAL, RARE = "not on the local list", "rare here"
LOW_SCORE, DISAGREE_ALL = "low score", "detector and classifier disagree"


@dataclass(frozen=True, slots=True)
class Naming:
    """What a bird is called; the fields are columns of `detector.store.schema.DETECTIONS`.

    Attributes:
        name: Scientific name of the taxon, or a class name where no crosswalk knows the class; "Aves" at least.
        rank: species, genus, family, order or class; None where no list knows the class.
        english_name: English name, of a higher taxon the word that its members share.
        hebrew_name: Hebrew name.
        ebird_code: eBird's species code.
        display_name: What people read: "unidentified wheatear (Oenanthe sp.)".
        confidence: Summed probability of the taxon, 0..1; None for "Aves".
        candidates: The best three species, falling.
        reasons: Why no lower rank is given, what speaks against it, and why it needs review.
        needs_review: Whether a person should look: no species is named, it may be no bird, detector and classifier
            disagree, or the name is near the threshold; or it is not on the local list or rare there, and less than
            sure all the same.
    """

    name: str
    rank: str | None
    english_name: str | None
    hebrew_name: str | None
    ebird_code: str | None
    display_name: str
    confidence: float | None
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    needs_review: bool


def name_birds(
    probabilities: NDArray[np.floating],
    taxonomy: Taxonomy,
    *,
    threshold: float = NAME_THRESHOLD,
    long_sides_px: NDArray[np.floating] | None = None,
    brightness: NDArray[np.floating] | None = None,
    night: NDArray[np.bool_] | None = None,
    uncertain: NDArray[np.bool_] | None = None,
    disagree: NDArray[np.bool_] | None = None,
    frequency: NDArray[np.floating] | None = None,
) -> list[Naming]:
    """Name N birds.

    Args:
        probabilities: (N, C), as from `posterior`; what is missing of 1 is for what is none of the classes.
        taxonomy: Of the C classes.
        threshold: The first of species, genus, family, order that reaches it is the name.
        long_sides_px: (N,), the longer side of each box in pixels of the original.
        brightness: (N,), 0..1, of each box's picture; NaN: not known.
        night: (N,), whether each box's picture is one without colour.
        uncertain: (N,), boxes of which it is not sure that they are birds.
        disagree: (N,), birds of which the detector and the classifier say different things.
        frequency: (C,) or (N, C), `LocalList.frequency` at the box's time; NaN: not on the list. None: no list.

    Returns:
        A name a row.
    """
    namings: list[Naming] = []
    for start in range(0, len(probabilities), CHUNK):
        part = slice(start, start + CHUNK)
        picture = (
            (TOO_SMALL, None if long_sides_px is None else long_sides_px[part] < SMALL_PX),
            (TOO_DARK, None if brightness is None else brightness[part] < DARK_BRIGHTNESS),
            (NO_COLOUR, None if night is None else night[part]),
        )
        doubts = (
            (MAYBE_NO_BIRD, None if uncertain is None else uncertain[part]),
            (DISAGREE_ALL, None if disagree is None else disagree[part]),
        )
        local = frequency if frequency is None or frequency.ndim == 1 else frequency[part]
        namings += _name_chunk(probabilities[part], taxonomy, threshold, picture, doubts, local)
    return namings


def _name_chunk(
    probabilities: NDArray[np.floating],
    taxonomy: Taxonomy,
    threshold: float,
    picture: Flags,
    doubts: Flags,
    frequency: NDArray[np.floating] | None,
) -> Iterator[Naming]:
    level, index, confidence = choose_ranks(probabilities, taxonomy, threshold)
    best, best_confidence = best_species(taxonomy.species.sums(probabilities), CANDIDATES)
    flags = [(reason, mask.tolist()) for reason, mask in picture if mask is not None]
    doubted = [(reason, mask.tolist()) for reason, mask in doubts if mask is not None]
    unlike = (probabilities[:, ~taxonomy.named].sum(axis=1) >= threshold).tolist()
    weak = (probabilities.sum(axis=1) < threshold).tolist()
    near = (confidence < threshold + NEAR_THRESHOLD * (1 - threshold)).tolist()
    names = [taxon.name for taxon in taxonomy.species.taxa]
    local = _local_reasons(taxonomy, level, index, frequency)
    rows = zip(
        level.tolist(), index.tolist(), confidence.tolist(), best.tolist(), best_confidence.tolist(), strict=True
    )
    for row, (at, taxon_index, sure, indices, values) in enumerate(rows):
        taxon = taxonomy.levels[at].taxa[taxon_index] if at >= 0 else ANY_BIRD
        candidates = tuple(Candidate(names[at], value) for at, value in zip(indices, values, strict=True) if value > 0)
        reasons = [reason for reason, mask in flags if mask[row]] if at != 0 else []
        if at != 0 and (unlike[row] or weak[row] or not reasons):
            reasons.append(UNLIKE if unlike[row] else LOW_SCORE if weak[row] else DISAGREE)
        against = [reason for reason, mask in doubted if mask[row]]
        review = at != 0 or near[row] or bool(against)
        if local[row] is not None:
            against.append(str(local[row]))
            review = review or sure < SURE_THOUGH_RARE
        yield _naming(taxon, sure if at >= 0 else None, candidates, (*reasons, *against), review)


def _naming(
    taxon: Taxon, confidence: float | None, candidates: tuple[Candidate, ...], reasons: tuple[str, ...], review: bool
) -> Naming:
    return Naming(
        taxon.name,
        taxon.rank,
        taxon.english_name,
        taxon.hebrew_name,
        taxon.ebird_code,
        taxon.display_name,
        confidence,
        candidates,
        reasons,
        review,
    )


def choose_ranks(
    probabilities: NDArray[np.floating], taxonomy: Taxonomy, threshold: float = NAME_THRESHOLD
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
    """The first rank of each row whose likeliest taxon reaches the threshold.

    Args:
        probabilities: (N, C).
        taxonomy: Of the C classes.
        threshold: In 0..1.

    Returns:
        (N,) each: index into `taxonomy.levels`, or -1 where none reaches it; index into that level's taxa, or -1; and
        the taxon's summed probability, or 0.
    """
    level = np.full(len(probabilities), -1)
    index = np.full(len(probabilities), -1)
    confidence = np.zeros(len(probabilities), probabilities.dtype)
    rows = np.arange(len(probabilities))  # those without a name yet
    for number, each in enumerate(taxonomy.levels):
        if not len(rows) or not each.taxa:
            continue
        sums = each.sums(probabilities[rows])
        taxon = sums.argmax(axis=1)
        highest = sums[np.arange(len(rows)), taxon]
        sure = highest >= threshold
        level[rows[sure]], index[rows[sure]], confidence[rows[sure]] = number, taxon[sure], highest[sure]
        rows = rows[~sure]
    return level, index, np.minimum(confidence, 1)


def best_species(probabilities: NDArray[np.floating], count: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The likeliest species of each row, falling; of equals the first.

    Args:
        probabilities: (N, S).
        count: How many; fewer where there are not so many species.

    Returns:
        (N, count) indices and (N, count) probabilities.
    """
    count = min(count, probabilities.shape[1])
    if not count:
        return np.zeros((len(probabilities), 0), np.int64), np.zeros((len(probabilities), 0), probabilities.dtype)
    left = probabilities.copy()
    rows = np.arange(len(left))
    indices = np.empty((len(left), count), np.int64)
    for place in range(count):  # as quick as a partition for three, and decided among equals
        indices[:, place] = left.argmax(axis=1)
        left[rows, indices[:, place]] = -1
    return indices, np.minimum(probabilities[rows[:, None], indices], 1)


def _local_reasons(
    taxonomy: Taxonomy, level: NDArray[np.int64], index: NDArray[np.int64], frequency: NDArray[np.floating] | None
) -> list[str | None]:
    """Why a species is for a person to confirm: by row, None where there is no reason."""
    reasons = np.full(len(level), None, object)
    if frequency is not None:
        of_class = taxonomy.species.taxon_of_class
        species, some_class = np.unique(of_class, return_index=True)  # classes of one species share its frequency
        class_of_species = some_class[species >= 0]
        rows = np.flatnonzero(level == 0)
        classes = class_of_species[index[rows]]
        seen = frequency[classes] if frequency.ndim == 1 else frequency[rows, classes]
        reasons[rows[seen < RARE_FREQUENCY]] = RARE
        reasons[rows[np.isnan(seen)]] = NOT_LOCAL
    return reasons.tolist()
