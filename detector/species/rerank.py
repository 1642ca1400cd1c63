"""The re-ranker: what a detector and a classifier say about birds becomes names, in one pure function on arrays.

`hoopoe decide` calls it for the individuals of a store, and the library for the boxes of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats
from detector.species.evidence import Evidence, weigh
from detector.species.gate import gate
from detector.species.names.taxonomy import Taxonomy
from detector.species.naming import CANDIDATES, Circumstances, Doubts, name_birds, reason_words
from detector.species.posterior import weigh_score
from detector.species.rules import NamingRules
from detector.store.records import Candidate
from detector.types import KINDS, Kind, TaxonName


@dataclass(frozen=True)
class RankedBird:
    """One bird of `Ranked`; see there."""

    kind: Kind
    name: TaxonName | None
    confidence: float | None
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    needs_review: bool


@dataclass(frozen=True, eq=False)
class Ranked:
    """N birds by name; a sequence of `RankedBird`.

    Attributes:
        kind: int8 (N,), `Kind.code`: by the label, the gate and the classes.
        taxon: int32 (N,), index into `Taxonomy.taxa`; -1: not named, the detector's label is all.
        confidence: float32 (N,), of the name; NaN: none.
        share: float32 (N,), of the detector's score that goes to the species; NaN: the detector knows none.
        candidates: int32 (N, 3), the likeliest species, falling, in `Taxonomy.species`; -1: none.
        candidate_confidence: float32 (N, 3).
        reasons: int16 (N,), see `naming.REASONS`.
        needs_review: bool (N,), whether a person should look.
        taxonomy: Of the classes; None: nothing is named.
    """

    kind: NDArray[np.int8]
    taxon: NDArray[np.int32]
    confidence: NDArray[np.float32]
    share: NDArray[np.float32]
    candidates: NDArray[np.int32]
    candidate_confidence: NDArray[np.float32]
    reasons: NDArray[np.int16]
    needs_review: NDArray[np.bool_]
    taxonomy: Taxonomy | None

    @classmethod
    def joined(cls, rows: Sequence[NDArray[np.integer]], parts: Sequence[Ranked]) -> Ranked:
        """One of several, of which each has these rows of it; there is at least one."""
        order = np.argsort(np.concatenate(rows), kind="stable")
        columns = {each.name for each in fields(cls)} - {"taxonomy"}
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])[order] for name in columns
        }
        return replace(parts[0], **joined)

    def box_scores(self, bird: NDArray[np.integer], score: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
        """Scores (B,) that rank boxes and species: the detector's of each box and the confidence of its bird, in one.

        A name may rest on several boxes, but that a box shows a bird rests on that box: a stone that was linked with a
        bird does not become as sure as the bird.

        Args:
            bird: (B,), the row of each box's bird.
            score: (B,), the detector's.
            weight: Of the classifier beside a detector that knows no species.

        Returns:
            NaN where there is no name, or one without a confidence.
        """
        share = self.share[bird]
        plain = weigh_score(np.clip(score, 0, 1), self.confidence[bird], weight)
        return np.where(np.isnan(share), plain, score * share)

    def __len__(self) -> int:
        return len(self.kind)

    def __iter__(self) -> Iterator[RankedBird]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> RankedBird:
        taxon, confidence = int(self.taxon[row]), float(self.confidence[row])
        species = self.taxonomy.species.taxa if self.taxonomy else ()
        pairs = zip(self.candidates[row].tolist(), self.candidate_confidence[row].tolist(), strict=True)
        return RankedBird(
            kind=KINDS[self.kind[row]],
            name=self.taxonomy.taxa[taxon] if self.taxonomy and taxon >= 0 else None,
            confidence=None if np.isnan(confidence) else confidence,
            candidates=tuple(Candidate(species[at].name or "", value) for at, value in pairs if at >= 0),
            reasons=reason_words(int(self.reasons[row])),
            needs_review=bool(self.needs_review[row]),
        )


def rerank_boxes(logits: Floats, label_scores: Floats, rules: NamingRules, seen: Circumstances | None = None) -> Ranked:
    """Name boxes (N,) that show a bird each, as those of one picture.

    Args:
        logits: (N, C) of the classifier's classes; NaN in rows that it did not see, (N, 0) without a classifier.
        label_scores: (N, L) of the detector's categories, 0 where a label was not given; see `merge_label_boxes`.
        rules: By what they are named.
        seen: Under what circumstances; None: nothing is known of them.
    """
    return rerank(Evidence.of_boxes(logits, label_scores, rules), rules, seen)


def rerank(evidence: Evidence, rules: NamingRules, seen: Circumstances | None = None) -> Ranked:
    """Name birds (N,) by what the models say, the place and the week; arguments as of `rerank_boxes`.

    The gate decides what may be a bird, probabilities of species are weighed against the detector's labels and the
    local list, and the lowest rank that is sure enough is the name.
    """
    taxonomy = rules.taxonomy
    kind = gate(evidence.kind, evidence.energy, rules.calibration.gate)
    if taxonomy is None:
        return _unnamed(kind)
    seen = seen or Circumstances.of_image(np.full(len(evidence), np.inf))
    rows = np.flatnonzero(_may_be_bird(kind) & (evidence.classified | (not rules.has_classifier)))
    log_prior = _local_rows(rules, seen[rows], "log_prior", 0.0) if rules.priors else None
    weighed = weigh(evidence[rows], rules, log_prior)
    kind[rows], contradicted = _by_classes(kind[rows], evidence.kind[rows], weighed.probabilities, rules)

    left = _may_be_bird(kind[rows])
    rows = rows[left]
    no_bird = kind[rows] == Kind.UNCERTAIN.code
    local = _local_rows(rules, seen[rows], "frequency", np.inf) if rules.priors else None
    doubts = Doubts(no_bird, (contradicted | weighed.disagree)[left], local)
    naming = name_birds(weighed.probabilities[left], taxonomy, rules.threshold, seen[rows], doubts)

    bird = kind == Kind.BIRD.code
    taxon = np.where(bird, len(taxonomy.taxa) - 1, -1).astype(np.int32)  # of birds that no classifier saw
    taxon[rows] = np.where(no_bird, -1, naming.taxon)
    needs_review = bird | np.isin(kind, (Kind.UNCERTAIN.code, Kind.UNDECIDED.code))
    needs_review[rows] = naming.needs_review
    return Ranked(
        kind=kind,
        taxon=taxon,
        confidence=_placed(np.where(no_bird, np.float32(np.nan), naming.confidence), rows, len(kind), np.nan),
        share=_placed(np.where(no_bird, np.float32(np.nan), weighed.share[left]), rows, len(kind), np.nan),
        candidates=_placed(naming.candidates, rows, len(kind), -1),
        candidate_confidence=_placed(naming.candidate_confidence, rows, len(kind), 0),
        reasons=_placed(naming.reasons, rows, len(kind), 0),
        needs_review=needs_review,
        taxonomy=taxonomy,
    )


def _placed(values: NDArray, rows: NDArray[np.integer], count: int, without: float) -> NDArray:
    """Values (M, ...) of these rows (M,) of so many; something else in the others."""
    placed = np.full((count, *values.shape[1:]), without, values.dtype)
    placed[rows] = values
    return placed


def _unnamed(kind: NDArray[np.int8]) -> Ranked:
    """Birds of which no more than the detector's label is known."""
    nothing = np.full(len(kind), np.nan, np.float32)
    return Ranked(
        kind=kind,
        taxon=np.full(len(kind), -1, np.int32),
        confidence=nothing,
        share=nothing,
        candidates=np.full((len(kind), CANDIDATES), -1, np.int32),
        candidate_confidence=np.zeros((len(kind), CANDIDATES), np.float32),
        reasons=np.zeros(len(kind), np.int16),
        needs_review=kind == Kind.UNDECIDED.code,
        taxonomy=None,
    )


def _may_be_bird(kind: NDArray[np.int8]) -> NDArray[np.bool_]:
    return (kind == Kind.BIRD.code) | (kind == Kind.UNCERTAIN.code)


def _by_classes(
    kind: NDArray[np.int8], label: NDArray[np.int8], probabilities: Floats, rules: NamingRules
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """The kinds of birds (N,), where the classifier knows others than birds; and whose label says else."""
    assert rules.taxonomy is not None
    kind, contradicted, bird = kind.copy(), np.zeros(len(kind), bool), label == Kind.BIRD.code
    classes = np.array(rules.taxonomy.class_kinds)
    for other in (Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, Kind.BLANK):
        sure = probabilities[:, classes == other].sum(axis=1) >= rules.threshold
        contradicted |= sure & bird
        kind[sure] = other.code if other in (Kind.PERSON, Kind.VEHICLE) else Kind.UNCERTAIN.code
        if other == Kind.ANIMAL:
            kind[sure & ~bird] = other.code
    return kind, contradicted


def _local_rows(rules: NamingRules, seen: Circumstances, name: str, without: float) -> NDArray[np.float32]:
    """Rows (N, C) of the local lists, by place and time of year; a value where there is no list."""
    tables = [getattr(each, name) for each in rules.priors]
    rows = np.full((len(seen.prior), tables[0].shape[1]), without, np.float32)
    for index, table in enumerate(tables):
        mine = seen.prior == index
        rows[mine] = table[seen.period[mine]]
    return rows
