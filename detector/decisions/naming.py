"""Names of individuals: their boxes' logits are averaged as the facts stream by, and named 4,096 rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.decisions.evidence import Evidence, Sums, read_evidence
from detector.decisions.facts_table import FactsTable
from detector.decisions.linking import Individuals
from detector.decisions.name_table import ANY_BIRD, Name, NameTable
from detector.species.fusion import JoinedLabels, fused_probabilities, join_labels
from detector.species.gate import UNCERTAIN as UNCERTAIN_WORD
from detector.species.gate import GateThresholds, energy, gate
from detector.species.kinds import Kind, Kinds
from detector.species.naming import CANDIDATES, Naming, name_birds
from detector.species.posterior import posterior
from detector.species.priors import LocalList
from detector.species.taxonomy import Taxonomy
from detector.store.reader import FactsReader

KINDS = ("bird", "animal", "uncertain", "person", "vehicle", "blank", "undecided")
BIRD, ANIMAL, UNCERTAIN, PERSON, VEHICLE, BLANK, UNDECIDED = range(len(KINDS))


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
        kinds: Of the categories.
    """

    categories: Sequence[str]
    taxonomy: Taxonomy | None
    has_classifier: bool
    threshold: float
    temperature: float = 1.0
    weight: float = 0.5
    gate: GateThresholds | None = None
    priors: Sequence[LocalList] = ()
    kinds: Kinds = field(default_factory=Kinds)

    @property
    def label_kinds(self) -> list[Kind]:
        """What each category says about a box."""
        return [self.kinds.of(category) for category in self.categories]

    @property
    def names_species(self) -> bool:
        """Whether the detector's categories are species."""
        return names_species(self.categories, self.kinds)


def names_species(categories: Sequence[str], kinds: Kinds) -> bool:
    """Whether a detector knows birds by more than "bird"."""
    birds = [name for name in categories if kinds.of(name) == Kind.BIRD]
    rows = [kinds.crosswalk.find(name) for name in birds]
    return any(row is None or row.rank != "class" for row in rows)


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
    wanted = builder.animals | builder.birds
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
            boxes = facts.rows_by_facts[start : start + evidence.count]
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
        self.birds, self.animals = self.kind_words == Kind.BIRD, self.kind_words == Kind.SOME_ANIMAL
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
            return np.full(count, Kind.SOME_ANIMAL.value)
        kind_of_category = np.array([words.index(kind) for kind in self.rules.label_kinds])
        votes = np.zeros((count, len(words)))
        np.add.at(votes, (self.individuals.of_box, kind_of_category[self.facts.label]), self.facts.score)
        return np.array([word.value for word in words])[votes.argmax(axis=1)]

    def _members(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        size = self.individuals.size
        return np.argsort(self.individuals.of_box, kind="stable"), np.cumsum(size) - size

    def note_energies(self, boxes: NDArray[np.int64], evidence: Evidence) -> None:
        """Keep the energies of boxes that the gate will have to decide."""
        seen = boxes[evidence.seen]
        needed = self.animals[self.individuals.of_box[seen]]
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
        use = np.isin(kinds, (Kind.BIRD, UNCERTAIN_WORD)) & ((seen > 0) if self.rules.has_classifier else True)
        self.kinds[who] = [KINDS.index(kind) for kind in kinds]
        who, seen, sums, kinds = who[use], seen[use], sums[use], kinds[use]
        if not len(who):
            return
        labels = None if label_sums is None else label_sums[use] / self.individuals.size[who][:, None]
        taxonomy = self.rules.taxonomy
        assert taxonomy is not None
        probabilities, scores, disagree = self._probabilities(who, seen, sums, labels)
        kinds, contradicted = self._by_classes(kinds, self.kind_words[who], probabilities)
        self.kinds[who] = [KINDS.index(kind) for kind in kinds]
        seen_at = self.circumstances
        uncertain = kinds == UNCERTAIN_WORD
        namings = name_birds(
            probabilities,
            taxonomy,
            threshold=self.rules.threshold,
            long_sides_px=seen_at.long_side_px[who],
            brightness=seen_at.brightness[who],
            night=seen_at.night[who],
            uncertain=uncertain,
            disagree=contradicted | disagree,
            frequency=self._rows(who, "frequency", np.inf) if self.rules.priors else None,
        )
        best = probabilities.argmax(axis=1)
        for row, (individual, naming) in enumerate(zip(who.tolist(), namings, strict=True)):
            if kinds[row] == Kind.BIRD or uncertain[row]:
                self._note(individual, naming, named=not uncertain[row])
                if scores is not None and not uncertain[row]:
                    self.species_score[individual] = scores[row, best[row]]

    def _by_classes(
        self, kinds: NDArray[np.str_], labels: NDArray[np.str_], probabilities: NDArray[np.float32]
    ) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
        """The kinds of individuals (I,), where the classifier knows others than birds; and whose label says else."""
        assert self.rules.taxonomy is not None
        kinds, contradicted = kinds.copy(), np.zeros(len(kinds), bool)
        classes = np.array([kind.value for kind in self.rules.taxonomy.class_kinds])
        for kind in (Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, Kind.BLANK):
            sure = probabilities[:, classes == kind].sum(axis=1) >= self.rules.threshold
            bird = labels == Kind.BIRD
            contradicted |= sure & bird
            kinds[sure] = kind if kind in (Kind.PERSON, Kind.VEHICLE) else UNCERTAIN_WORD
            if kind == Kind.ANIMAL:
                kinds[sure & ~bird] = kind
        return kinds, contradicted

    def _probabilities(
        self, who: NDArray[np.int64], seen: NDArray[np.int64], sums: NDArray, labels: NDArray | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.bool_]]:
        """Probabilities (I, C) to name by; scores (I, C) to rank by, of a species detector; and if it disagrees."""
        agree = np.zeros(len(who), bool)
        if not self.rules.has_classifier:
            assert labels is not None
            return self._detector_probabilities(who, labels), labels, agree
        means = (sums / seen[:, None]).astype(np.float32)
        log_prior = self._rows(who, "log_prior", 0.0) if self.rules.priors else None
        probabilities = posterior(means, self.rules.temperature, log_prior)
        if self.joined is None or labels is None:
            return probabilities, None, agree
        detector = self.joined.class_scores(labels.astype(np.float32))
        fused = fused_probabilities(detector, probabilities, self.rules.weight)
        return fused, detector.max(axis=1, keepdims=True) * fused, self._disagree(labels, probabilities)

    def _detector_probabilities(self, who: NDArray[np.int64], labels: NDArray) -> NDArray[np.float32]:
        """Of the categories (I, L) of a detector of species that is alone: its scores as they are.

        What a score lacks of 1 is what the box may show besides; of an individual the surest box says how much. Scores
        of several labels that are more than 1 together are shared out.
        """
        birds = labels * np.array([kind == Kind.BIRD for kind in self.rules.label_kinds])
        surest = np.zeros(len(self.individuals.size), np.float32)
        np.maximum.at(surest, self.individuals.of_box, np.clip(self.facts.score, 0, 1))
        highest = labels.max(axis=1, initial=0)
        scale = np.divide(surest[who], highest, out=np.zeros(len(who)), where=highest > 0)[:, None]
        total = (birds * scale).sum(axis=1, keepdims=True)
        return (birds * scale / np.maximum(total, 1)).astype(np.float32)

    def _disagree(self, labels: NDArray, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether the species (I,) that the detector's labels (I, L) say is another than the classifier's (I, C)."""
        assert self.rules.taxonomy is not None
        said = self.rules.taxonomy.find_species(self.rules.categories)[labels.argmax(axis=1)]
        seen = self.rules.taxonomy.species.taxon_of_class[probabilities.argmax(axis=1)]
        return (said >= 0) & (seen >= 0) & (said != seen)

    def _rows(self, who: NDArray[np.int64], name: str, without: float) -> NDArray[np.float32]:
        """Rows (I, C) of the local lists, by place and time of year; a value where there is no list."""
        prior, period = self.circumstances.prior[who], self.circumstances.period[who]
        tables = [getattr(each, name) for each in self.rules.priors]
        rows = np.full((len(who), tables[0].shape[1]), without, np.float32)
        for index, table in enumerate(tables):
            mine = prior == index
            rows[mine] = table[period[mine]]
        return rows

    def _note(self, who: int, naming: Naming, *, named: bool) -> None:
        """Keep what an individual is called; of one that may be no bird only what speaks for which."""
        if named:
            self.name_of[who] = self.table.name(Name.of(naming))
        if named and naming.confidence is not None:
            self.confidence[who] = naming.confidence
        for place, candidate in enumerate(naming.candidates):
            self.candidates[who, place] = self.table.candidate(candidate.name)
            self.candidate_confidence[who, place] = candidate.confidence
        self.reasons[who] = self.table.reason(naming.reasons)
        self.needs_review[who] = naming.needs_review

    def settle_kinds(self) -> None:
        """Give a kind to individuals that no classifier had a say in, and to unnamed birds what can be said of them."""
        words = np.where(self.animals, UNCERTAIN_WORD, self.kind_words)
        settled = (self.animals | self.birds) & (self.rules.taxonomy is not None)  # by the gate or the classifier
        for index, kind in enumerate(KINDS):
            self.kinds[~settled & (words == kind)] = index
        self.needs_review |= self.kinds == UNDECIDED
        if self.rules.taxonomy is not None:
            unnamed = (self.name_of < 0) & (self.kinds == BIRD)
            self.name_of[unnamed] = self.table.name(ANY_BIRD)
            self.needs_review |= unnamed | (self.kinds == UNCERTAIN)

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
