"""What single boxes show, in a few numbers each: for linking, and to know what is surely a bird.

Logits are a kilobyte a box, so that they are read where they are needed, and what is kept of them is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.boxes import Floats
from detector.decisions.facts.table import FactsTable
from detector.decisions.naming.evidence import BoxBatch, chosen_boxes, walk_boxes
from detector.species.evidence import Evidence, unseen, weigh
from detector.species.naming import best_species
from detector.species.rules import NamingRules
from detector.store.reader import FactsReader
from detector.store.vectors import binary_matrix
from detector.types import Kind

SURE = 0.9  # the probability from which a single box is sure of its species
SURE_KIND = 0.5  # the score from which a box is sure of its label: detectors waver between birds and other animals
WAVERING = -1  # between a bird and another animal
BIRD, ANIMAL, PERSON = Kind.BIRD.code, Kind.ANIMAL.code, Kind.PERSON.code
SPECIES_KEPT = 3  # the likeliest of each box
EMBEDDING_KEPT = 64  # numbers of a random projection, which keeps cosines to about 0.1


@dataclass(frozen=True, eq=False)
class BoxFeatures:
    """What boxes (B,) show, for linking.

    Attributes:
        kind: int8 (B,): `Kind.code`, or WAVERING.
        species: int32 (B, 3), the likeliest ones, falling; -1: none.
        probability: float32 (B, 3), theirs, without a local list.
        surely_bird: bool (B,), by the gate where one was fitted, else because it is sure of its species.
        embedding: float16 (B, 64), of length 1, or 0 where there is none; (B, 0) where the store keeps none.
    """

    kind: NDArray[np.int8]
    species: NDArray[np.int32]
    probability: NDArray[np.float32]
    surely_bird: NDArray[np.bool_]
    embedding: NDArray[np.float16]

    @cached_property
    def sure_species(self) -> NDArray[np.int32]:
        """int32 (B,): the species of which a box is sure, else -1."""
        return np.where(self.probability[:, 0] >= SURE, self.species[:, 0], -1)


def read_features(reader: FactsReader, facts: FactsTable, rules: NamingRules, wanted: NDArray[np.bool_]) -> BoxFeatures:
    """What the boxes that are wanted show; of the others the kind is all that is known.

    Args:
        reader: Of the store.
        facts: Of it, or a portion.
        rules: By what birds are named.
        wanted: bool (B,).

    Raises:
        DataError: A part is damaged, or the logits are not of the taxonomy's classes.
    """
    count, kind = len(facts.score), _kinds(facts, rules)
    species = np.full((count, SPECIES_KEPT), -1, np.int32)
    probability = np.zeros((count, SPECIES_KEPT), np.float32)
    energies = np.full(count, np.nan, np.float32)
    may_be_bird = wanted & np.isin(kind, (BIRD, WAVERING))
    for boxes, batch in walk_boxes(reader, facts, rules) if may_be_bird.any() else ():
        use = may_be_bird[boxes] & (batch.seen | (not rules.has_classifier))
        if use.any() and rules.taxonomy is not None:
            evidence = _evidence(batch[use], rules)
            sums = rules.taxonomy.species.sums(weigh(evidence, rules).probabilities)
            best, best_probability = best_species(sums, SPECIES_KEPT)
            species[boxes[use], : best.shape[1]] = best
            probability[boxes[use], : best.shape[1]] = best_probability
            energies[boxes[use]] = evidence.energy
    gate = rules.calibration.gate
    surely_bird = energies <= gate.low if gate and rules.has_classifier else probability[:, 0] >= SURE
    embedding = _embeddings(reader, facts, wanted & rules.has_classifier)
    return BoxFeatures(kind, species, probability, surely_bird, embedding)


def _evidence(batch: BoxBatch, rules: NamingRules) -> Evidence:
    logits = batch.logits if rules.has_classifier else unseen(len(batch.seen), batch.logits.shape[1])
    return Evidence.of_boxes(logits, batch.labels, rules)


def _kinds(facts: FactsTable, rules: NamingRules) -> NDArray[np.int8]:
    if not len(rules.label_kinds):
        return np.full(len(facts.score), WAVERING, np.int8)
    kind = np.where(rules.label_kinds == Kind.UNCERTAIN.code, WAVERING, rules.label_kinds)[facts.label]
    kind[(kind < PERSON) & (facts.score < SURE_KIND)] = WAVERING
    return kind


def _embeddings(reader: FactsReader, facts: FactsTable, wanted: NDArray[np.bool_]) -> NDArray[np.float16]:
    kept = np.zeros((len(facts.score), 0), np.float16)
    start = 0
    for part, chosen in facts.parts if wanted.any() else ():
        for packed in chosen_boxes(reader.vectors(part, "embedding"), chosen):
            boxes = facts.rows_by_facts[start : start + len(packed)]
            start += len(packed)
            there = pc.is_valid(packed).to_numpy(zero_copy_only=False) & wanted[boxes]
            if not there.any():
                continue
            if not kept.shape[1]:
                kept = np.zeros((len(facts.score), EMBEDDING_KEPT), np.float16)
            vectors = binary_matrix(packed.filter(there), "<f2").astype(np.float32)
            kept[boxes[there]] = _projected(vectors)
    return kept


def _projected(vectors: Floats) -> NDArray[np.float16]:
    rows = np.random.default_rng(0).standard_normal((vectors.shape[1], EMBEDDING_KEPT), np.float32)
    projected = vectors @ rows
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.divide(projected, length, out=np.zeros_like(projected), where=length > 0).astype(np.float16)


def unlike_species(features: BoxFeatures, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float32]:
    """How surely boxes of arrays that broadcast show other species, 0..1; 0 where either knows nothing."""
    p, q = features.probability[first], features.probability[second]
    same = (features.species[first][..., :, None] == features.species[second][..., None, :]) & (
        features.species[first][..., :, None] >= 0
    )
    product = (p[..., :, None] * q[..., None, :] * same).sum(axis=(-1, -2))
    length = np.sqrt((p**2).sum(axis=-1) * (q**2).sum(axis=-1))
    cosine = np.divide(product, length, out=np.ones_like(length), where=length > 0)
    return (1 - np.minimum(cosine, 1)) * np.minimum(p.sum(axis=-1), q.sum(axis=-1))


def cannot_be_one(features: BoxFeatures, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether boxes of arrays that broadcast surely show two: other kinds, or species of which both are sure."""
    a, b = features.kind[first], features.kind[second]
    kinds = (a != b) & ((np.minimum(a, b) >= BIRD) | (np.maximum(a, b) >= PERSON))
    sure_a, sure_b = features.sure_species[first], features.sure_species[second]
    return kinds | ((sure_a >= 0) & (sure_b >= 0) & (sure_a != sure_b))
