"""What the models say about birds, and the probabilities of species that follow."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats
from detector.species.gate import energy
from detector.species.posterior import fused_probabilities, posterior
from detector.species.rules import NamingRules
from detector.types import Kind


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the models say about N birds: of a box each, or averaged over the boxes that show one individual.

    Attributes:
        kind: int8 (N,), `Kind.code` of the detector's label.
        score: float32 (N,), the detector's, of the surest box.
        label_scores: (N, L), of the detector's categories; (N, 0) where they are no species.
        logits: float32 (N, C); NaN in the rows of birds that no classifier saw.
        energy: (N,), of the single boxes' logits; NaN: unknown. Only the gate needs it.
    """

    kind: NDArray[np.int8]
    score: NDArray[np.float32]
    label_scores: Floats
    logits: NDArray[np.float32]
    energy: Floats

    @classmethod
    def of_boxes(cls, logits: Floats, label_scores: Floats, rules: NamingRules) -> Evidence:
        """Of boxes (N,) that show a bird each; arguments as of `rerank_boxes`."""
        values = np.asarray(logits, np.float32)
        scores = np.asarray(label_scores, np.float32)
        if not values.shape[1] and rules.taxonomy is not None:
            values = unseen(len(values), len(rules.taxonomy.class_names))
        return cls(
            kind=rules.label_kinds[scores.argmax(axis=1)] if scores.size else np.zeros(len(scores), np.int8),
            score=scores.max(axis=1, initial=0),
            label_scores=scores,
            logits=values,
            energy=energy(values) if rules.calibration.gate else unseen(len(values), 1)[:, 0],
        )

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Evidence:
        return Evidence(*(getattr(self, each.name)[rows] for each in fields(self)))

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def classified(self) -> NDArray[np.bool_]:
        """bool (N,): which of them the classifier saw."""
        return ~np.isnan(self.logits[:, 0]) if self.logits.shape[1] else np.zeros(len(self), bool)


def unseen(count: int, classes: int) -> NDArray[np.float32]:
    """Logits of birds that no classifier saw; they take no memory."""
    return np.broadcast_to(np.float32(np.nan), (count, classes))


@dataclass(frozen=True, eq=False)
class Weighed:
    """Species of N birds by what all models say.

    Attributes:
        probabilities: float32 (N, C), to name by.
        share: float32 (N,), of the detector's score that goes to the likeliest class; NaN: it knows no species.
        disagree: bool (N,), whether detector and classifier each say another species.
    """

    probabilities: NDArray[np.float32]
    share: NDArray[np.float32]
    disagree: NDArray[np.bool_]


def weigh(evidence: Evidence, rules: NamingRules, log_prior: Floats | None = None) -> Weighed:
    """Weigh what the classifier says, with the local lists' (N, C), against what the detector says between species.

    Birds that no classifier saw must not be among them, unless there is none.
    """
    agree = np.zeros(len(evidence), bool)
    if not rules.has_classifier:
        shares = _shares(evidence, rules)
        return Weighed(shares, _share(_at_best(evidence.label_scores, shares), evidence), agree)
    plain = posterior(evidence.logits, rules.calibration.temperature, log_prior)
    if rules.joined is None or rules.taxonomy is None:
        return Weighed(plain, np.full(len(evidence), np.nan, np.float32), agree)
    detector = rules.joined.class_scores(evidence.label_scores.astype(np.float32))
    fused = fused_probabilities(detector, plain, rules.calibration.weight)
    said = rules.joined.species_of_label[evidence.label_scores.argmax(axis=1)]
    seen = rules.taxonomy.species.taxon_of_class[plain.argmax(axis=1)]
    disagree = (said >= 0) & (seen >= 0) & (said != seen)
    birds = _share(detector.max(axis=1, initial=0), evidence)
    return Weighed(fused, birds * _at_best(fused, fused), disagree)


def _share(scores: NDArray[np.float32], evidence: Evidence) -> NDArray[np.float32]:
    """What scores (N,) are of the detector's highest."""
    highest = evidence.label_scores.max(axis=1, initial=0).astype(np.float32)
    return np.divide(scores, highest, out=np.zeros_like(scores), where=highest > 0)


def _at_best(values: Floats, probabilities: Floats) -> NDArray[np.float32]:
    """Values (N,) of the likeliest classes, of (N, C)."""
    return values[np.arange(len(values)), probabilities.argmax(axis=1)].astype(np.float32)


def _shares(evidence: Evidence, rules: NamingRules) -> NDArray[np.float32]:
    """Of the categories (N, L) of a detector of species that is alone: its scores as they are.

    What a score lacks of 1 is what the box may show besides; of an individual the surest box says how much. Scores of
    several labels that are more than 1 together are shared out.
    """
    birds = evidence.label_scores * (rules.label_kinds == Kind.BIRD.code)
    highest = evidence.label_scores.max(axis=1, initial=0)
    surest = np.clip(evidence.score, 0, 1)
    scale = np.divide(surest, highest, out=np.zeros(len(evidence)), where=highest > 0)[:, None]
    total = (birds * scale).sum(axis=1, keepdims=True)
    return (birds * scale / np.maximum(total, 1)).astype(np.float32)
