"""What is a bird, and what is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from detector.species.gate import GateThresholds, energy, fit_gate, gate
from detector.types import KINDS, Kind

energies = arrays(np.float32, st.integers(1, 30), elements=st.floats(-50, 50, width=32))


@given(arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 6)), elements=st.floats(-500, 500, width=32)))
def test_energy_is_minus_log_sum_exp(logits: np.ndarray) -> None:
    np.testing.assert_allclose(energy(logits), -special.logsumexp(logits.astype(float), axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(energy(logits, 2), -2 * special.logsumexp(logits / 2.0, axis=1), rtol=1e-5, atol=1e-4)


def test_thresholds_decide_what_the_detector_leaves_open() -> None:
    labels = [Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE, Kind.BLANK, Kind.UNDECIDED]
    kinds = np.array([each.code for each in [Kind.UNCERTAIN] * 4 + labels], np.int8)
    values = np.array([-9, -5, -1, np.nan, -1, -9, -9, np.nan, -9, -9])
    decided = gate(kinds, values, GateThresholds(-6, -4))
    assert [KINDS[each] for each in decided] == [Kind.BIRD, Kind.UNCERTAIN, Kind.ANIMAL, Kind.UNCERTAIN, *labels]
    assert gate(kinds[:3], values[:3], None).tolist() == [Kind.UNCERTAIN.code] * 3
    assert gate(kinds[:0], np.zeros(0), None).tolist() == []


@given(energies, energies)
def test_fitted_thresholds_keep_both_costs(birds: np.ndarray, others: np.ndarray) -> None:
    fitted = fit_gate(birds, others, bird_cost=0.2, animal_cost=0.1)
    assert fitted.low <= fitted.high
    assert (birds > fitted.high).mean() <= 0.2
    assert (others <= fitted.low).mean() <= 0.1


def test_a_gate_between_what_does_not_overlap_is_never_uncertain() -> None:
    fitted = fit_gate(np.array([-10.0, -9.0]), np.array([-2.0, -1.0]))
    assert -9 < fitted.low == fitted.high < -2


def test_a_gate_without_birds_or_others_and_one_turned_round_are_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        fit_gate(np.zeros(0), np.ones(2))
    with pytest.raises(ValueError, match="above"):
        GateThresholds(1, 0)
