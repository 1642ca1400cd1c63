"""Names of individuals: what their boxes say is averaged as the facts stream by, and re-ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.linking import Individuals
from detector.decisions.naming.evidence import BoxBatch, Sum, Sums, walk_boxes
from detector.species.evidence import Evidence, unseen
from detector.species.gate import energy
from detector.species.naming import Circumstances
from detector.species.rerank import Ranked, rerank
from detector.species.rules import NamingRules
from detector.store.reader import FactsReader
from detector.types import KINDS, Kind


def name_individuals(
    reader: FactsReader, facts: FactsTable, individuals: Individuals, seen: Circumstances, rules: NamingRules
) -> Ranked:
    """Name all individuals (I), in one pass over the logits.

    Memory holds one batch, and sums for those individuals of which boxes are still to come.

    Raises:
        DataError: A part is damaged, or the logits are not of the taxonomy's classes.
    """
    averages = _Averages(facts, individuals, rules)
    sums = Sums(individuals.size)
    rows: list[NDArray[np.int64]] = []
    ranked: list[Ranked] = []
    for boxes, batch in walk_boxes(reader, facts, rules):
        wanted = averages.may_be_bird[individuals.of_box[boxes]]
        if wanted.any():
            averages.note_energies(boxes[wanted], batch[wanted])
            done = sums.add(individuals.of_box[boxes[wanted]], batch[wanted])
            rows.append(done.who)
            ranked.append(rerank(averages.of(done), rules, seen[done.who]))
    others = np.setdiff1d(np.arange(len(individuals.size)), np.concatenate([np.zeros(0, np.int64), *rows]))
    return Ranked.joined([*rows, others], [*ranked, rerank(averages.without_logits(others), rules, seen[others])])


class _Averages:
    """What individuals (I) show on the average over their boxes (B)."""

    def __init__(self, facts: FactsTable, individuals: Individuals, rules: NamingRules) -> None:
        self._facts, self._individuals, self._rules = facts, individuals, rules
        self._kind = self._by_labels()
        self.may_be_bird = np.isin(self._kind, (Kind.BIRD.code, Kind.UNCERTAIN.code))
        self._score = np.zeros(len(individuals.size), np.float32)
        np.maximum.at(self._score, individuals.of_box, facts.score)
        self._energies = np.full(len(facts.score), np.nan, np.float32)
        self._by_individual = np.argsort(individuals.of_box, kind="stable")
        self._starts = np.cumsum(individuals.size) - individuals.size

    def _by_labels(self) -> NDArray[np.int8]:
        """What the labels of each individual's boxes say it is, by the sum of their scores."""
        count, kinds = len(self._individuals.size), self._rules.label_kinds
        if not len(kinds):
            return np.full(count, Kind.UNCERTAIN.code, np.int8)
        by_name = np.array(sorted(set(kinds.tolist()), key=KINDS.__getitem__), np.int8)  # of equals the first
        votes = np.zeros((count, len(by_name)))
        place = np.argmax(kinds[:, None] == by_name, axis=1)
        np.add.at(votes, (self._individuals.of_box, place[self._facts.label]), self._facts.score)
        return by_name[votes.argmax(axis=1)]

    def note_energies(self, boxes: NDArray[np.int64], batch: BoxBatch) -> None:
        """Keep the energies of boxes that the gate will have to decide."""
        seen = boxes[batch.seen]
        needed = self._kind[self._individuals.of_box[seen]] == Kind.UNCERTAIN.code
        if needed.any() and self._rules.calibration.gate is not None:
            self._energies[seen[needed]] = energy(batch.logits[needed])

    def of(self, sums: Sum) -> Evidence:
        """Of individuals all of whose boxes have been added up."""
        who = sums.who
        seen = np.where(sums.seen > 0, sums.seen, np.nan)[:, None]
        labels = sums.labels / self._individuals.size[who][:, None]
        logits = (sums.logits / seen).astype(np.float32)
        return Evidence(self._kind[who], self._score[who], labels, logits, self._mean_energy(who))

    def _mean_energy(self, who: NDArray[np.int64]) -> NDArray[np.float64]:
        size = self._individuals.size[who]
        start = np.cumsum(size) - size
        members = np.arange(size.sum()) + np.repeat(self._starts[who] - start, size)
        values = self._energies[self._by_individual[members]].astype(np.float64)
        if not len(who):
            return values
        seen = np.add.reduceat((~np.isnan(values)).astype(np.float64), start)
        total = np.add.reduceat(np.nan_to_num(values), start)
        return np.divide(total, seen, out=np.full(len(who), np.nan), where=seen > 0)

    def without_logits(self, who: NDArray[np.int64]) -> Evidence:
        """Of individuals that are no birds by their labels, or where nothing is named."""
        classes = self._rules.taxonomy.class_names if self._rules.taxonomy else ()
        labels = np.broadcast_to(np.float32(0), (len(who), len(self._rules.categories)))
        energies = np.broadcast_to(np.float32(np.nan), len(who))
        return Evidence(self._kind[who], self._score[who], labels, unseen(len(who), len(classes)), energies)
