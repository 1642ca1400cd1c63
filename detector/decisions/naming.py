"""Names of individuals: their boxes' logits are averaged as the facts stream by, and named 4,096 rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.decisions.evidence import Evidence, Sums, read_evidence
from detector.decisions.facts_table import FactsTable
from detector.decisions.linking import Individuals
from detector.decisions.name_table import Name, NameTable
from detector.species.fusion import JoinedLabels, fused_probabilities, join_labels
from detector.species.gate import GateThresholds, energy, gate, kind_of_label
from detector.species.naming import CANDIDATES, Naming, name_birds
from detector.species.posterior import posterior
from detector.species.priors import LocalList
from detector.species.taxonomy import ANY_BIRD, Taxonomy
from detector.store.reader import FactsReader

KINDS = ("bird", "animal", "uncertain", "person", "vehicle")
BIRD, ANIMAL, UNCERTAIN, PERSON, VEHICLE = range(5)
_GENERIC = {"bird", "birds", "aves"}


@dataclass(frozen=True, eq=False)
class Names:
    """What individuals (I) are called.

    Attributes:
        kind: int8 (I,), index into `KINDS`.
        name: int32 (I,), index into `table.names`; -1: not named, the detector's label is all.
        confidence: float32 (I,), NaN: none.
        species_score: float32 (I,), only of a species detector; else NaN, and it follows from each box's score.
        candidates: int32 (I, 3), indices into `table.species`; -1: none.
        candidate_confidence: float32 (I, 3).
        reasons: int32 (I,), index into `table.reasons`.
        needs_review: bool (I,).
        table: What the indices mean.
    """

    kind: NDArray[np.int8]
    name: NDArray[np.int32]
    confidence: NDArray[np.float32]
    species_score: NDArray[np.float32]
    candidates: NDArray[np.int32]
    candidate_confidence: NDArray[np.float32]
    reasons: NDArray[np.int32]
    needs_review: NDArray[np.bool_]
    table: NameTable


@dataclass(frozen=True, eq=False)
class NamingRules:
    """By what individuals are named.

    Attributes:
        categories: The detector's.
        taxonomy: Of the classifier's classes; of the categories of a species detector without one; None: no names.
        has_classifier: Whether the facts hold logits of the taxonomy's classes.
        threshold: The confidence from which a name is given.
        temperature: Of the logits.
        weight: Of the classifier beside the detector.
        gate: Thresholds of energy, where they were fitted.
        priors: Local lists, joined to the classes.
    """

    categories: Sequence[str]
    taxonomy: Taxonomy | None
    has_classifier: bool
    threshold: float
    temperature: float = 1.0
    weight: float = 0.5
    gate: GateThresholds | None = None
    priors: Sequence[LocalList] = ()

    @property
    def label_kinds(self) -> list[str]:
        """What each category says about a box; see `species.gate.kind_of_label`."""
        return [kind_of_label(category) for category in self.categories]

    @property
    def names_species(self) -> bool:
        """Whether the detector's categories are species."""
        return names_species(self.categories)


def names_species(categories: Sequence[str]) -> bool:
    """Whether a detector knows birds by more than "bird"."""
    return any(kind_of_label(name) == "bird" and name.casefold() not in _GENERIC for name in categories)


@dataclass(frozen=True, eq=False)
class Circumstances:
    """Under which individuals (I) were seen.

    Attributes:
        prior: int32 (I,), index into `NamingRules.priors`; -1: none.
        period: int32 (I,), of the year, `species.priors.period_of`, or `WHOLE_YEAR`.
        long_side_px: float32 (I,), of the largest box.
        brightness: float32 (I,), NaN: unknown.
        night: bool (I,).
    """

    prior: NDArray[np.int32]
    period: NDArray[np.int32]
    long_side_px: NDArray[np.float32]
    brightness: NDArray[np.float32]
    night: NDArray[np.bool_]


def name_individuals(
    reader: FactsReader,
    facts: FactsTable,
    individuals: Individuals,
    circumstances: Circumstances,
    rules: NamingRules,
) -> Names:
    """Name all individuals, in one pass over the logits.

    Memory holds one batch, and sums for those individuals of which boxes are still to come. Sums of float16 in float64
    are exact, so that the order of the facts does not matter.

    Raises:
        DataError: A part is damaged, or the logits are not of the taxonomy's classes.
    """
    builder = _Builder(facts, individuals, circumstances, rules)
    wanted = builder.undecided | builder.birds
    by_facts = np.empty(len(facts.position), np.int64)
    by_facts[facts.position] = np.arange(len(facts.position))
    if rules.taxonomy is not None:
        sums = Sums(individuals.size)
        start = 0
        for evidence in read_evidence(
            reader,
            facts.parts,
            len(rules.taxonomy.class_names),
            rules.has_classifier,
            len(rules.categories) if rules.names_species else None,
        ):
            boxes = by_facts[start : start + evidence.count]
            start += evidence.count
            builder.note_energies(boxes, evidence)
            sums.add(individuals.of_box[boxes], wanted, evidence)
            builder.name(*sums.take_complete())
    builder.settle_kinds()
    return builder.names()


class _Builder:
    """Fills `Names`."""

    def __init__(
        self, facts: FactsTable, individuals: Individuals, circumstances: Circumstances, rules: NamingRules
    ) -> None:
        count = len(individuals.size)
        self.facts, self.individuals, self.circumstances, self.rules = facts, individuals, circumstances, rules
        self.table = NameTable()
        self.kind_words = self._vote()
        self.birds, self.undecided = self.kind_words == "bird", self.kind_words == "undecided"
        self.energies = np.full(len(facts.score), np.nan, np.float32)
        self.kinds = np.full(count, UNCERTAIN, np.int8)
        self.name_of = np.full(count, -1, np.int32)
        self.confidence = np.full(count, np.nan, np.float32)
        self.species_score = np.full(count, np.nan, np.float32)
        self.candidates = np.full((count, CANDIDATES), -1, np.int32)
        self.candidate_confidence = np.zeros((count, CANDIDATES), np.float32)
        self.reasons = np.zeros(count, np.int32)
        self.needs_review = np.zeros(count, bool)
        self.joined: JoinedLabels | None = None
        if rules.names_species and rules.taxonomy is not None:
            self.joined = join_labels(rules.categories, rules.taxonomy)
        self.by_box, self.box_starts = self._members()

    def _vote(self) -> NDArray[np.str_]:
        """What the labels of each individual's boxes say it is, by the sum of their scores."""
        words = sorted(set(self.rules.label_kinds))
        count = len(self.individuals.size)
        if not words:
            return np.full(count, "undecided")
        kind_of_category = np.array([words.index(kind) for kind in self.rules.label_kinds])
        votes = np.zeros((count, len(words)))
        np.add.at(votes, (self.individuals.of_box, kind_of_category[self.facts.label]), self.facts.score)
        return np.array(words)[votes.argmax(axis=1)]

    def _members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        size = self.individuals.size
        return np.argsort(self.individuals.of_box, kind="stable"), np.cumsum(size) - size

    def note_energies(self, boxes: NDArray[np.int64], evidence: Evidence) -> None:
        """Keep the energies of boxes that the gate will have to decide."""
        seen = boxes[evidence.seen]
        needed = self.undecided[self.individuals.of_box[seen]]
        if needed.any() and self.rules.gate is not None:
            self.energies[seen[needed]] = energy(evidence.logits[needed])

    def _decided(self, who: NDArray[np.int64]) -> NDArray[np.str_]:
        """The kinds of individuals all of whose boxes have been seen."""
        words = self.kind_words[who]
        size = self.individuals.size[who]
        start = np.cumsum(size) - size
        members = np.arange(size.sum()) + np.repeat(self.box_starts[who] - start, size)
        values = self.energies[self.by_box[members]].astype(np.float64)
        seen = np.add.reduceat((~np.isnan(values)).astype(np.float64), start)
        total = np.add.reduceat(np.nan_to_num(values), start)
        energies = np.divide(total, seen, out=np.full(len(who), np.nan), where=seen > 0)
        return gate(words, energies, self.rules.gate)

    def name(self, who: NDArray[np.int64], seen: NDArray[np.int64], sums: NDArray, label_sums: NDArray | None) -> None:
        """Name individuals (I,) by the sums (I, C) of the logits of so many boxes (I,)."""
        if not len(who):
            return
        kinds = self._decided(who)
        self.kinds[who] = [KINDS.index(kind) for kind in kinds]
        use = np.isin(kinds, ("bird", "uncertain")) & ((seen > 0) if self.rules.has_classifier else True)
        who, seen, sums, kinds = who[use], seen[use], sums[use], kinds[use]
        if not len(who):
            return
        labels = None if label_sums is None else label_sums[use] / self.individuals.size[who][:, None]
        taxonomy = self.rules.taxonomy
        assert taxonomy is not None
        probabilities, detector_scores = self._probabilities(who, seen, sums, labels)
        seen_at = self.circumstances
        namings = name_birds(
            probabilities,
            taxonomy,
            threshold=self.rules.threshold,
            long_sides_px=seen_at.long_side_px[who],
            brightness=seen_at.brightness[who],
            night=seen_at.night[who],
            uncertain=kinds == "uncertain",
            frequency=self._rows(who, "frequency", np.inf) if self.rules.priors else None,
        )
        for row, naming in zip(who.tolist(), namings, strict=True):
            self._note(row, naming)
        if detector_scores is not None:
            best = probabilities.argmax(axis=1)
            row = np.arange(len(who))
            self.species_score[who] = detector_scores[row, best]

    def _probabilities(
        self, who: NDArray[np.int64], seen: NDArray[np.int64], sums: NDArray, labels: NDArray | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Probabilities (I, C) to name by; and scores (I, C) to rank by, of a species detector."""
        if not self.rules.has_classifier:
            assert labels is not None
            bird_labels = np.array([kind == "bird" for kind in self.rules.label_kinds])
            scores = labels * bird_labels
            total = scores.sum(axis=1, keepdims=True)
            return np.divide(scores, total, out=np.zeros_like(scores), where=total > 0).astype(np.float32), labels
        means = (sums / seen[:, None]).astype(np.float32)
        log_prior = self._rows(who, "log_prior", 0.0) if self.rules.priors else None
        probabilities = posterior(means, self.rules.temperature, log_prior)
        if self.joined is None or labels is None:
            return probabilities, None
        detector = self.joined.class_scores(labels.astype(np.float32))
        fused = fused_probabilities(detector, probabilities, self.rules.weight)
        return fused, detector.max(axis=1, keepdims=True) * fused

    def _rows(self, who: NDArray[np.int64], name: str, without: float) -> NDArray[np.float32]:
        """Rows (I, C) of the local lists, by place and time of year; a value where there is no list."""
        prior, period = self.circumstances.prior[who], self.circumstances.period[who]
        tables = [getattr(each, name) for each in self.rules.priors]
        rows = np.full((len(who), tables[0].shape[1]), without, np.float32)
        for index, table in enumerate(tables):
            mine = prior == index
            rows[mine] = table[period[mine]]
        return rows

    def _note(self, who: int, naming: Naming) -> None:
        self.name_of[who] = self.table.name(
            Name(
                naming.name,
                naming.rank,
                naming.english_name,
                naming.hebrew_name,
                naming.ebird_code,
                naming.display_name,
            )
        )
        if naming.confidence is not None:
            self.confidence[who] = naming.confidence
        for place, candidate in enumerate(naming.candidates):
            self.candidates[who, place] = self.table.candidate(candidate.name)
            self.candidate_confidence[who, place] = candidate.confidence
        self.reasons[who] = self.table.reason(naming.reasons)
        self.needs_review[who] = naming.needs_review

    def settle_kinds(self) -> None:
        """Give a kind to individuals that no classifier had a say in, and to unnamed birds what can be said of them."""
        words = np.where(self.undecided, "uncertain", self.kind_words)
        unnamed = self.name_of < 0
        settled = (self.kinds == ANIMAL) & self.undecided  # the gate's word
        for index, kind in enumerate(KINDS):
            self.kinds[unnamed & ~settled & (words == kind)] = index
        if self.rules.taxonomy is not None:
            taxon = ANY_BIRD
            anything = Name(taxon.name, taxon.rank, taxon.english_name, None, None, taxon.display_name)
            self.name_of[unnamed & (self.kinds == BIRD)] = self.table.name(anything)

    def names(self) -> Names:
        return Names(
            self.kinds,
            self.name_of,
            self.confidence,
            self.species_score,
            self.candidates,
            self.candidate_confidence,
            self.reasons,
            self.needs_review,
            self.table,
        )
