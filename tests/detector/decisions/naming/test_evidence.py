"""What boxes say is added up by individual, however they come."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.decisions.naming.evidence import BoxBatch, Sums


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5))
def test_sums_are_the_same_in_any_order_and_in_batches_of_any_size(seed: int, count: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    individual = np.unique(rng.integers(0, 4, count), return_inverse=True)[1].astype(np.int64)
    seen, labels = rng.random(count) < 0.7, rng.random((count, 2)).astype(np.float32)
    logits = rng.normal(0, 5, (count, 3)).astype(np.float16)
    sums = Sums(np.bincount(individual))
    found: dict[int, tuple[int, list[float], list[float]]] = {}
    order = rng.permutation(count)
    for rows in (order[start : start + size] for start in range(0, count, size)):
        done = sums.add(individual[rows], BoxBatch(seen[rows], logits[rows[seen[rows]]], labels[rows]))
        for who, number, row, scores in zip(*map(np.ndarray.tolist, vars(done).values()), strict=True):
            assert who not in found
            found[who] = number, row, scores
    assert sorted(found) == sorted(set(individual.tolist()))
    for who, (number, row, scores) in found.items():
        mine = individual == who
        assert number == (mine & seen).sum()
        np.testing.assert_array_equal(row, logits[mine & seen].astype(float).sum(axis=0))
        np.testing.assert_allclose(scores, labels[mine].astype(float).sum(axis=0))
