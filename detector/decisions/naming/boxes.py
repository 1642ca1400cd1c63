"""What is decided of each box before any person says a word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.linking import Individuals
from detector.decisions.naming.name_table import NameTable
from detector.species.naming import plain_name
from detector.species.rerank import Ranked
from detector.species.rules import NamingRules
from detector.store.records import reaches
from detector.store.reviews.review import DRAWN
from detector.types import KINDS, Kind


@dataclass(frozen=True, eq=False)
class Basis:
    """What decisions on boxes (B) rest on.

    Attributes:
        facts: Of the store.
        individuals: Its boxes by individual.
        ranked: The individuals by name.
        repeat: int64 (B,), the first box of each box's group of repeats, or -1.
        rules: By what they are named.
    """

    facts: FactsTable
    individuals: Individuals
    ranked: Ranked
    repeat: NDArray[np.int64]
    rules: NamingRules


@dataclass(frozen=True, eq=False)
class BoxDecisions:
    """Columns of boxes (B).

    Attributes:
        kind: int8, `Kind.code`.
        name: int32, index into `table`.
        confidence: float32, NaN: none.
        species_score: float32, NaN: none.
        needs_review: bool.
        reasons: int16, see `species.naming.REASONS`.
        suppressed: bool.
        reviewer: int32, index into `reviewers`; -1: nobody.
        reviewed_ms: int64, when that was said, UTC, milliseconds since 1970; -1: never.
        sex: int8, index into `SEXES`; -1: nobody said.
        life_stage: int8, index into `LIFE_STAGES`; -1: nobody said.
        reviewers: Names of people.
        table: Names, those of the taxonomy first.
    """

    kind: NDArray[np.int8]
    name: NDArray[np.int32]
    confidence: NDArray[np.float32]
    species_score: NDArray[np.float32]
    needs_review: NDArray[np.bool_]
    reasons: NDArray[np.int16]
    suppressed: NDArray[np.bool_]
    reviewer: NDArray[np.int32]
    reviewed_ms: NDArray[np.int64]
    sex: NDArray[np.int8]
    life_stage: NDArray[np.int8]
    reviewers: tuple[str, ...]
    table: NameTable

    def copy(self) -> BoxDecisions:
        """The same with columns and a table of names of its own, to be changed."""
        columns: dict[str, Any] = {
            name: value.copy() for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **columns, table=NameTable(self.table.names))

    def counted(self, score: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
        """bool (B,): as `DetectionRecord.counts`."""
        return ~self.suppressed & (reaches(score, threshold) | (self.reviewer >= 0))


def decide_boxes(basis: Basis, left_out: NDArray[np.bool_]) -> BoxDecisions:
    """What the models and the neighbours say, before any person does.

    Args:
        basis: What is known.
        left_out: bool (B,), which of the repeats are left out of the counts.
    """
    facts, ranked, rules = basis.facts, basis.ranked, basis.rules
    of_box = basis.individuals.of_box
    kind, name = ranked.kind[of_box], ranked.taxon[of_box]
    table = NameTable(rules.taxonomy.taxa if rules.taxonomy else ())
    unnamed = np.flatnonzero(name < 0)
    pairs, inverse = np.unique(
        np.stack([kind[unnamed].astype(np.int64), facts.label[unnamed]]), axis=1, return_inverse=True
    )
    plain = [
        table.index(plain_name(KINDS[each], rules.categories[label] if rules.categories else DRAWN, rules.kinds))
        for each, label in pairs.T.tolist()
    ]
    name[unnamed] = np.array(plain, np.int32)[inverse.reshape(-1)] if len(plain) else 0
    return BoxDecisions(
        kind=kind,
        name=name,
        confidence=ranked.confidence[of_box],
        species_score=ranked.box_scores(of_box, facts.score, rules.calibration.weight),
        needs_review=ranked.needs_review[of_box] | (basis.repeat >= 0),
        reasons=ranked.reasons[of_box],
        suppressed=left_out | (kind == Kind.BLANK.code),
        reviewer=np.full(len(kind), -1, np.int32),
        reviewed_ms=np.full(len(kind), -1, np.int64),
        sex=np.full(len(kind), -1, np.int8),
        life_stage=np.full(len(kind), -1, np.int8),
        reviewers=(),
        table=table,
    )
