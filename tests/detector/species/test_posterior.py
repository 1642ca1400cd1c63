"""Probabilities, their temperature, their reliability, and what is fused with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, special

from detector.species.calibrating.reliability import advise, reliability, top_confidence
from detector.species.calibrating.temperature import HIGHEST, fit_temperature, log_softmax, negative_log_likelihood
from detector.species.posterior import posterior

some_logits = st.tuples(st.integers(0, 6), st.integers(1, 8)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-200, 200, width=32))
)


def drawn(rng: np.random.Generator, count: int, classes: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from softmax(logits / temperature)."""
    logits = rng.normal(0, 4, (count, classes))
    noise = rng.gumbel(size=logits.shape)
    return logits, (logits / temperature + noise).argmax(axis=1)


@given(some_logits, st.floats(0.1, 10))
def test_probabilities_sum_to_one_and_temperature_keeps_the_best(logits: np.ndarray, temperature: float) -> None:
    warm = posterior(logits, temperature)
    np.testing.assert_allclose(warm.sum(axis=1), 1, rtol=1e-5)
    rows = np.arange(len(logits))
    assert (warm[rows, logits.argmax(axis=1)] == warm.max(axis=1, initial=0)).all()


@given(some_logits)
def test_log_softmax_equals_scipys(logits: np.ndarray) -> None:
    np.testing.assert_allclose(log_softmax(logits), special.log_softmax(logits.astype(np.float64), axis=1), atol=1e-9)
    np.testing.assert_allclose(posterior(logits), special.softmax(logits.astype(np.float64), axis=1), atol=1e-5)


def test_a_prior_is_added_to_the_logarithm_and_a_neutral_one_changes_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    prior = np.array([0.4, 0.3, 0.2, 0.1])
    expected = special.softmax(logits / 2, axis=1) * prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior(logits, 2.0, np.log(prior)), expected, rtol=1e-5)
    np.testing.assert_array_equal(posterior(logits, 2.0, np.zeros(4)), posterior(logits, 2.0))
    a_prior_a_box = np.log(np.tile(prior, (5, 1)))
    np.testing.assert_array_equal(posterior(logits, 2.0, a_prior_a_box), posterior(logits, 2.0, np.log(prior)))


def test_logits_are_left_as_they_were() -> None:
    logits = np.ones((2, 3), np.float32)
    posterior(logits, 1.0, np.arange(3.0))
    assert (logits == 1).all()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature: float) -> None:
    logits, labels = drawn(np.random.default_rng(3), 4000, 6, temperature)
    fit = fit_temperature(logits, labels)
    assert fit.temperature == pytest.approx(temperature, rel=0.1)
    brute = optimize.brute(
        lambda t: negative_log_likelihood(logits / np.exp(t[0]), labels), [(-2, 2)], Ns=200, finish=optimize.fmin
    )
    assert fit.temperature == pytest.approx(float(np.exp(brute[0])), rel=1e-3)
    assert fit.nll_after <= fit.nll_before
    assert not fit.doubtful


def test_crops_that_are_all_right_do_not_make_a_network_infallible() -> None:
    fit = fit_temperature(np.eye(4) * 5, np.arange(4))
    assert fit.doubtful
    assert fit.temperature == 1.0
    assert fit_temperature(np.zeros((5, 3)), np.array([0, 1, 2, 0, 1])).temperature == 1.0


def test_labels_that_have_nothing_to_do_with_the_logits_are_said_to_be_doubtful() -> None:
    fit = fit_temperature(np.eye(4) * 5, np.array([1, 2, 3, 0]))
    assert fit.doubtful
    assert fit.temperature == pytest.approx(HIGHEST, rel=0.01)


def test_no_crops_and_broken_logits_are_refused() -> None:
    for logits in (np.zeros((0, 3)), np.array([[np.nan, 0.0]])):
        with pytest.raises(ValueError, match="finite"):
            fit_temperature(logits, np.zeros(len(logits), np.int64))


def test_scaling_lowers_the_calibration_error_of_an_overconfident_network() -> None:
    logits, labels = drawn(np.random.default_rng(4), 4000, 6, 3.0)
    before, after = (
        reliability(*top_confidence(posterior(logits, t), labels))
        for t in (1.0, fit_temperature(logits, labels).temperature)
    )
    assert before.ece > 0.15 > 0.03 > after.ece


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40))
def test_bins_count_every_name_once_and_the_error_is_their_mean_gap(names: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([name[0] for name in names]), np.array([name[1] for name in names], bool)
    found = reliability(confidence, correct, bins=5)
    assert found.counts.sum() == len(names)
    gap = 0.0
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        inside = (confidence > low) & (confidence <= high) | ((confidence == 0) & (low == 0))
        if inside.any():
            gap += inside.sum() / len(names) * abs(confidence[inside].mean() - correct[inside].mean())
    assert found.ece == pytest.approx(gap, abs=0.03)  # numbers at an edge may round to either side


def test_advice_is_given_in_words() -> None:
    confidence = np.repeat([0.8, 0.5], [240, 100])
    correct = np.concatenate([np.arange(240) < 218, np.arange(100) < 40])
    lines = advise(confidence, correct, threshold=0.65)
    assert "at 0.8, 91 % were right, n = 240" in lines
    assert "at 0.5, 40 % were right, n = 100" in lines
    assert "from 0.65 up, 71 % of the birds get a species, and 91 % of these names are right" in lines


def test_advice_on_few_crops_warns_and_on_unsure_ones_says_so() -> None:
    lines = advise(np.full(3, 0.2), np.zeros(3, bool), threshold=0.65)
    assert lines == ["only 3 crops: take these figures as rough", "no crop reaches 0.65: no bird would get a species"]
