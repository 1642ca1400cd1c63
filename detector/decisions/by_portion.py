"""The portions of a store decided one after the other: what comes of each, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detector.decisions.deciding import PortionDecider
from detector.decisions.facts.portions import Portion
from detector.decisions.summary import DecisionSummary, summarise_decisions
from detector.decisions.tables.writing import PortionTables
from detector.store.reviews.log import Review


@dataclass(frozen=True, eq=False)
class PortionResult:
    """What came of a portion.

    Attributes:
        tables: What is to be written.
        summary: What was found.
        answered: The words of people that say something of it.
    """

    tables: PortionTables
    summary: DecisionSummary
    answered: frozenset[Review]

    @classmethod
    def of(cls, decider: PortionDecider, portion: Portion | None) -> PortionResult:
        """Decide a portion; raises as `PortionDecider.before_words`."""
        decided = decider.decide(portion)
        answered = decider.words.all - decided.lost_reviews
        return cls(PortionTables.of(decided), summarise_decisions(decided), answered)


def decide_here(decider: PortionDecider) -> Iterator[PortionResult]:
    """Decide all portions in this process, each when it is asked for."""
    return (PortionResult.of(decider, portion) for portion in decider.plan.portions)
