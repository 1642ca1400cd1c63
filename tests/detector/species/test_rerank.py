"""The re-ranker: from logits, the detector's scores, a list and rules to names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.species.calibration import Calibration
from detector.species.names.kinds import Kinds
from detector.species.names.taxonomy import ANY_BIRD, Taxonomy
from detector.species.naming import Circumstances
from detector.species.posterior import posterior, species_scores
from detector.species.priors import LocalList
from detector.species.rerank import Ranked, rerank_boxes
from detector.species.rules import NamingRules
from detector.types import Kind

CLASSES = ("Northern wheatear", "Isabelline wheatear", "Hooded crow", "Red fox", "person")
LABELS = ("Oenanthe oenanthe", "Corvus cornix", "mammal", "animal")
CALIBRATION = Calibration.model_validate({"temperature": 2.0, "weight": 0.25, "gate_low": -8.0, "gate_high": -3.0})
FREQUENCY = np.tile(np.array([0.5, 0.1, 0.001, np.nan, np.nan], np.float32), (49, 1))
LOCAL = LocalList(FREQUENCY, np.nan_to_num(np.log(FREQUENCY / 0.1)))
RULES = NamingRules(LABELS, Taxonomy(CLASSES), calibration=CALIBRATION, priors=[LOCAL])


def boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, Circumstances]:
    """Logits, label scores and circumstances of boxes; of some no classifier knows anything."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 6, (count, len(CLASSES))).astype(np.float32)
    logits[rng.random(count) < 0.2] = np.nan
    labels = (rng.random((count, len(LABELS))) * (rng.random((count, len(LABELS))) < 0.5)).astype(np.float32)
    labels[:, 3] += 0.01
    seen = Circumstances(
        rng.integers(-1, 1, count).astype(np.int32), rng.integers(0, 49, count).astype(np.int32),
        rng.uniform(10, 200, count).astype(np.float32), rng.random(count).astype(np.float32), rng.random(count) < 0.5,
    )  # fmt: skip
    return logits, labels, seen


def test_no_boxes_get_no_names() -> None:
    empty = np.zeros((0, len(CLASSES))), np.zeros((0, len(LABELS)))
    assert list(rerank_boxes(*empty, RULES)) == []
    assert list(rerank_boxes(np.zeros((0, 0)), empty[1], NamingRules(LABELS, None))) == []


def test_without_classes_the_detectors_label_is_all() -> None:
    rules = NamingRules(("bird", "animal", "person", "gribbler"), None, has_classifier=False)
    ranked = rerank_boxes(np.zeros((4, 0)), np.eye(4), rules)
    assert [each.kind for each in ranked] == [Kind.BIRD, Kind.UNCERTAIN, Kind.PERSON, Kind.UNDECIDED]
    assert [each.name for each in ranked] == [None] * 4
    assert [each.needs_review for each in ranked] == [False, False, False, True]


def test_a_bird_that_no_classifier_saw_is_some_bird_for_a_person_to_name() -> None:
    [bird] = rerank_boxes(np.zeros((1, 0)), np.array([[0.9, 0, 0, 0]]), RULES)
    assert (bird.kind, bird.name, bird.confidence, bird.needs_review) == (Kind.BIRD, ANY_BIRD, None, True)


def test_only_what_a_person_says_is_wholly_sure() -> None:
    """Whoever learns from people's names tells them by it: "a bird" leaves the model's own, with its confidence."""
    [bird] = rerank_boxes(np.array([[60.0, 0, 0, 0, 0]]), np.array([[0.9]]), NamingRules(("bird",), Taxonomy(CLASSES)))
    assert bird.confidence is not None
    assert 0.9999 < bird.confidence < 1


@given(st.integers(0, 999), st.integers(1, 6))
def test_boxes_are_named_alone_as_together_and_in_any_order(seed: int, count: int) -> None:
    logits, labels, seen = boxes(seed, count)
    together = list(rerank_boxes(logits, labels, RULES, seen))
    alone = [rerank_boxes(logits[[row]], labels[[row]], RULES, seen[np.array([row])])[0] for row in range(count)]
    assert together == alone
    order = np.random.default_rng(seed).permutation(count)
    parts = [rerank_boxes(logits[part], labels[part], RULES, seen[part]) for part in (order[:2], order[2:])]
    assert list(Ranked.joined([order[:2], order[2:]], parts)) == together


@pytest.mark.parametrize("labels", [("bird",), ("Oenanthe oenanthe", "Corvus cornix")])
def test_a_box_scores_as_it_does_where_the_weight_is_fitted(labels: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    logits, scores = rng.normal(0, 6, (20, 3)).astype(np.float32), rng.random((20, len(labels))).astype(np.float32)
    calibration = Calibration.model_validate({"temperature": 2.0, "weight": 0.25})
    rules = NamingRules(labels, Taxonomy(CLASSES[:3]), calibration=calibration, threshold=0.01)  # all to the species
    ranked = rerank_boxes(logits, scores, rules)
    detector = rules.joined.class_scores(scores) if rules.joined else scores[:, 0]
    expected = species_scores(detector, posterior(logits, 2.0), 0.25).max(axis=1)
    found = ranked.box_scores(np.arange(20), scores.max(axis=1), 0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@given(st.integers(0, 999))
def test_names_equal_those_of_a_slow_reckoning_in_plain_numbers(seed: int) -> None:
    logits, labels, seen = boxes(seed, 1)
    ranked = rerank_boxes(logits, labels, RULES, seen)
    [bird], [score] = ranked, ranked.box_scores(np.zeros(1, int), labels.max(axis=1), 0.25)
    expected = reckoned(logits[0].astype(float), labels[0].astype(float), bool(seen.prior[0] == 0))
    assert bird.kind == expected["kind"]
    assert bird.needs_review or bird.kind != Kind.UNCERTAIN
    if bird.kind == Kind.BIRD and bird.name is not None:
        assert bird.name.name == expected["name"]
        assert bird.confidence == (None if bird.name == ANY_BIRD else pytest.approx(expected["confidence"], rel=1e-4))
        if expected["score"] is not None:
            assert score == pytest.approx(expected["score"], rel=1e-4)


def reckoned(logits: np.ndarray, labels: np.ndarray, local: bool) -> dict[str, object]:
    """A box by the formulas of the design, without arrays of boxes."""
    kind = (Kind.BIRD, Kind.BIRD, Kind.ANIMAL, Kind.UNCERTAIN)[int(labels.argmax())]
    nothing = {"kind": kind, "name": "Aves", "confidence": None, "score": None}
    if np.isnan(logits[0]) or kind == Kind.ANIMAL:
        return nothing
    if kind == Kind.UNCERTAIN:
        energy = -np.log(np.exp(logits).sum())
        kind = Kind.BIRD if energy <= -8 else Kind.ANIMAL if energy > -3 else Kind.UNCERTAIN
        if kind == Kind.ANIMAL:
            return {**nothing, "kind": kind}
    prior = np.log([5, 1, 0.01, 1, 1]) if local else np.zeros(5)
    p = np.exp(logits / 2 + prior)
    p /= p.sum()
    highest = max(labels)
    d = np.maximum([labels[0], highest, labels[1], highest, highest], 1e-3)  # of the others the detector knows nothing
    p = (d / d.max()) ** 0.75 * p**0.25
    p /= p.sum()
    if p[4] >= 0.65:
        return {**nothing, "kind": Kind.PERSON}
    if p[3] >= 0.65:
        return {**nothing, "kind": Kind.UNCERTAIN if labels.argmax() < 2 else Kind.ANIMAL}
    ranks = [
        {"Oenanthe oenanthe": p[0], "Oenanthe isabellina": p[1], "Corvus cornix": p[2]},
        {"Oenanthe": p[0] + p[1], "Corvus": p[2]},
        {"Muscicapidae": p[0] + p[1], "Corvidae": p[2]},
        {"Passeriformes": p[0] + p[1] + p[2]},
    ]
    best = (max(rank.items(), key=lambda each: each[1]) for rank in ranks)
    name, confidence = next((each for each in best if each[1] >= 0.65), ("Aves", None))
    return {"kind": kind, "name": name, "confidence": confidence, "score": d.max() * p.max()}


def test_a_word_on_a_label_counts() -> None:
    rules = NamingRules(("gribbler",), RULES.taxonomy, kinds=Kinds(given={"gribbler": Kind.BIRD}))
    [bird] = rerank_boxes(np.array([[0, 0, 9, 0, 0.0]]), np.array([[0.9]]), rules)
    assert bird.name is not None
    assert (bird.kind, bird.name.name) == (Kind.BIRD, "Corvus cornix")
