"""The name that is given to a bird: the lowest rank of which the classifier is sure enough, and why not a lower one."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from detector.species.names.kinds import Kinds
from detector.species.names.taxonomy import Taxonomy
from detector.species.priors import WHOLE_YEAR
from detector.types import Kind, TaxonName

NAME_THRESHOLD = 0.65  # SpeciesNet's, for the summed probability of a rank
CANDIDATES = 3
SUREST = np.nextafter(np.float32(1), np.float32(0))  # of what models say: 1 is what a person says
SMALL_PX = 40.0  # long side of a box in the original; a tenth of what classifiers see
DARK_BRIGHTNESS = 0.1  # mean of the grey picture, 0..1
RARE_FREQUENCY = 0.01  # of checklists at that time of the year; rarer birds are for a person to confirm ...
SURE_THOUGH_RARE = 0.95  # ... below this confidence: the local list has a part in it, and alone it makes no work
NEAR_THRESHOLD = 0.25  # of the way from the threshold to 1: names of less confidence are for a person to confirm
CHUNK = 4096  # boxes at once, so that intermediate arrays stay in the cache

TOO_SMALL, TOO_DARK, NO_COLOUR = "too small", "too dark", "without colour"
DISAGREE, UNLIKE, LOW_SCORE = "classes disagree", "unlike any known species", "low score"
MAYBE_NO_BIRD, DISAGREE_ALL = "may not be a bird", "detector and classifier disagree"
NOT_LOCAL, RARE = "not on the local list", "rare here"
MAYBE_A_BIRD = TaxonName.plain("unidentified animal, maybe a bird")
REASONS = (  # in the order in which they are given; a set of them is the sum of 2 ** place
    *(TOO_SMALL, TOO_DARK, NO_COLOUR, UNLIKE, LOW_SCORE, DISAGREE),
    *(MAYBE_NO_BIRD, DISAGREE_ALL, NOT_LOCAL, RARE),
)


@dataclass(frozen=True, eq=False)
class Circumstances:
    """Under which N birds were seen.

    Attributes:
        prior: int32 (N,), index of each one's local list; -1: none.
        period: int32 (N,), of the year, `priors.period_of`, or `WHOLE_YEAR`.
        long_side_px: float32 (N,), the longer side of the (largest) box in pixels of the original.
        brightness: float32 (N,), 0..1, of its picture; NaN: unknown.
        night: bool (N,), whether its picture is one without colour.
    """

    prior: NDArray[np.int32]
    period: NDArray[np.int32]
    long_side_px: NDArray[np.float32]
    brightness: NDArray[np.float32]
    night: NDArray[np.bool_]

    @classmethod
    def of_image(
        cls,
        long_side_px: NDArray[np.floating],
        prior: int = -1,
        period: int = WHOLE_YEAR,
        brightness: float = np.nan,
        night: bool = False,
    ) -> Circumstances:
        """Of the birds (N,) of one picture of which the place, the week and the light may be known."""
        count = len(long_side_px)
        return cls(
            np.full(count, prior, np.int32),
            np.full(count, period, np.int32),
            np.asarray(long_side_px, np.float32),
            np.full(count, brightness, np.float32),
            np.full(count, night),
        )

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Circumstances:
        return Circumstances(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True, eq=False)
class Doubts:
    """What speaks against N names besides the probabilities.

    Attributes:
        no_bird: bool (N,), of which it is not sure that they are birds.
        disagree: bool (N,), birds of which the detector and the classifier say different things.
        frequency: float32 (N, C), `LocalList.frequency` at each one's place and time; NaN: not on the list, infinite:
            there is no list. None: there are no lists at all.
    """

    no_bird: NDArray[np.bool_]
    disagree: NDArray[np.bool_]
    frequency: NDArray[np.floating] | None = None

    @classmethod
    def none(cls, count: int) -> Doubts:
        """Nothing speaks against so many names."""
        return cls(np.zeros(count, bool), np.zeros(count, bool))

    def __getitem__(self, rows: slice) -> Doubts:
        frequency = None if self.frequency is None else self.frequency[rows]
        return Doubts(self.no_bird[rows], self.disagree[rows], frequency)


@dataclass(frozen=True, eq=False)
class Naming:
    """What N birds are called.

    Attributes:
        taxon: int32 (N,), index into `Taxonomy.taxa`: the first of species, genus, family, order that is sure enough,
            else Aves.
        confidence: float32 (N,), summed probability of the taxon, 0..1; NaN for Aves.
        candidates: int32 (N, 3), the likeliest species, falling, as indices into the taxa of `Taxonomy.species`; -1:
            none.
        candidate_confidence: float32 (N, 3), theirs; 0 where there is none.
        reasons: int16 (N,), why no lower rank is given, what speaks against it, and why it needs review; see `REASONS`.
        needs_review: bool (N,), whether a person should look: no species is named, it may be no bird, detector and
            classifier disagree, or the name is near the threshold; or it is not on the local list or rare there, and
            less than sure all the same.
    """

    taxon: NDArray[np.int32]
    confidence: NDArray[np.float32]
    candidates: NDArray[np.int32]
    candidate_confidence: NDArray[np.float32]
    reasons: NDArray[np.int16]
    needs_review: NDArray[np.bool_]


def reason_words(reasons: int) -> tuple[str, ...]:
    """The reasons of a number of `Naming.reasons`."""
    return tuple(word for place, word in enumerate(REASONS) if reasons >> place & 1)


def plain_name(kind: Kind, label: str, kinds: Kinds) -> TaxonName:
    """What is said of a box that has no name, by its kind and the detector's label."""
    if kind == Kind.UNCERTAIN:
        return MAYBE_A_BIRD
    by_label = kind in (Kind.UNDECIDED, Kind.BLANK) or (kind == Kind.ANIMAL == kinds.of(label))
    return TaxonName.plain(label if by_label else kind)


def name_birds(
    probabilities: NDArray[np.floating],
    taxonomy: Taxonomy,
    threshold: float,
    seen: Circumstances,
    doubts: Doubts,
) -> Naming:
    """Name N birds.

    Args:
        probabilities: (N, C), as from `posterior`; what is missing of 1 is for what is none of the classes.
        taxonomy: Of the C classes.
        threshold: The first of species, genus, family, order that reaches it is the name.
        seen: Under what circumstances; of these the picture may explain why there is no species.
        doubts: What else speaks against the names.
    """
    parts = [slice(start, start + CHUNK) for start in range(0, max(len(probabilities), 1), CHUNK)]
    chunks = [_name_chunk(probabilities[part], taxonomy, threshold, seen[part], doubts[part]) for part in parts]
    return Naming(*(np.concatenate([getattr(each, field.name) for each in chunks]) for field in fields(Naming)))


def _name_chunk(
    probabilities: NDArray[np.floating], taxonomy: Taxonomy, threshold: float, seen: Circumstances, doubts: Doubts
) -> Naming:
    level, index, confidence = choose_ranks(probabilities, taxonomy, threshold)
    best, best_confidence = best_species(taxonomy.species.sums(probabilities), CANDIDATES)
    candidates = np.full((len(level), CANDIDATES), -1, np.int32)
    candidate_confidence = np.zeros(candidates.shape, np.float32)
    some = best_confidence > 0
    candidates[:, : best.shape[1]] = np.where(some, best, -1)
    candidate_confidence[:, : best.shape[1]] = np.where(some, best_confidence, 0)

    higher = level != 0
    small, dark = higher & (seen.long_side_px < SMALL_PX), higher & (seen.brightness < DARK_BRIGHTNESS)
    colourless = higher & seen.night
    unlike = probabilities[:, ~taxonomy.named].sum(axis=1) >= threshold
    weak = probabilities.sum(axis=1) < threshold
    unexplained = higher & (unlike | weak | ~(small | dark | colourless))
    off_list, rare = _against_local(taxonomy, np.where(higher, -1, index), doubts.frequency)
    holds = (
        *(small, dark, colourless, unexplained & unlike, unexplained & weak & ~unlike, unexplained & ~weak & ~unlike),
        *(doubts.no_bird, doubts.disagree, off_list, rare),
    )
    near = confidence < threshold + NEAR_THRESHOLD * (1 - threshold)
    doubted = (off_list | rare) & (confidence.astype(np.float64) < SURE_THOUGH_RARE)
    starts = np.cumsum([0, *(len(each.taxa) for each in taxonomy.levels)])
    return Naming(
        taxon=np.where(level < 0, starts[-1], starts[level] + index).astype(np.int32),
        confidence=np.where(level < 0, np.nan, np.minimum(confidence, SUREST)).astype(np.float32),
        candidates=candidates,
        candidate_confidence=candidate_confidence,
        reasons=sum(mask.astype(np.int16) << place for place, mask in enumerate(holds)),
        needs_review=higher | near | doubts.no_bird | doubts.disagree | doubted,
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


def _against_local(
    taxonomy: Taxonomy, species: NDArray[np.int64], frequency: NDArray[np.floating] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the species (N,), -1 for none, are not on the local list, and which are rare on it."""
    off_list, rare = np.zeros(len(species), bool), np.zeros(len(species), bool)
    if frequency is not None:
        taxa, some_class = np.unique(taxonomy.species.taxon_of_class, return_index=True)
        class_of_species = some_class[taxa >= 0]  # classes of one species share its frequency
        rows = np.flatnonzero(species >= 0)
        seen = frequency[rows, class_of_species[species[rows]]]
        off_list[rows], rare[rows] = np.isnan(seen), seen < RARE_FREQUENCY
    return off_list, rare
