"""What is shown when: pure functions of seed, epoch and crop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detector.species.learning.classes import OTHER
from detector.training.classifier.session import BIRD_MARGIN, OTHER_MARGIN, energy_loss
from detector.training.classifier.showing import CropBatch, crop_of_patch, epoch_shows, moved_window


def shares(counts: list[int], balance: float, epochs: int = 200) -> np.ndarray:
    classes = np.repeat(np.arange(len(counts)), counts)
    shown = [classes[epoch_shows(classes, balance, np.random.default_rng(n))[:, 0]] for n in range(epochs)]
    found = np.bincount(np.concatenate(shown), minlength=len(counts))
    return found / found.sum()


def test_balance_goes_from_as_it_is_by_the_square_root_to_equal() -> None:
    counts = [90, 9, 1]
    np.testing.assert_allclose(shares(counts, 0.0), [0.9, 0.09, 0.01])
    roots = np.sqrt(counts) / np.sqrt(counts).sum()
    np.testing.assert_allclose(shares(counts, 0.5), roots, atol=0.01)
    np.testing.assert_allclose(shares(counts, 1.0), [1 / 3] * 3, atol=0.01)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_shows_are_the_same_again_and_copies_are_numbered(classes: list[int], balance: float, seed: int) -> None:
    labels = np.array(classes)
    first, second = (epoch_shows(labels, balance, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(set(map(tuple, first.tolist()))) == len(first)
    assert abs(len(first) - len(labels)) <= len(labels)


def test_parts_of_a_batch_have_their_share_of_birds_and_of_others() -> None:
    labels = torch.tensor([0, 1, 2, 0, OTHER, OTHER])
    batch = CropBatch(torch.zeros(6, 3, 2, 2, dtype=torch.uint8), labels, list(range(6)))
    parts = [batch.part(number, 2) for number in range(2)]
    assert [part.image_ids for part in parts] == [[0, 1, 4], [2, 3, 5]]
    assert [part.birds for part in parts] == [2, 2]


def test_an_unmoved_window_of_the_whole_patch_is_the_patch() -> None:
    patch = np.random.default_rng(0).integers(0, 255, (8, 10, 3), dtype=np.uint8)
    window = np.array([0, 0, 1, 1], np.float32)
    np.testing.assert_array_equal(crop_of_patch(patch, window, (8, 10)), patch)
    assert moved_window(np.random.default_rng(0), window, 0.0).tolist() == [0, 0, 1, 1]
    moved = moved_window(np.random.default_rng(0), np.array([0.2, 0.2, 0.8, 0.8], np.float32), 0.1)
    assert (np.abs(moved - [0.2, 0.2, 0.8, 0.8]) <= 0.06 + 1e-6).all()


@pytest.mark.parametrize("classes", [2, 12, 550])
def test_energies_beyond_their_margins_cost_nothing_however_many_classes(classes: int) -> None:
    alike = torch.zeros(1, classes)  # of which the energy is -log(classes)
    birds, others = alike - BIRD_MARGIN + 0.01, alike - OTHER_MARGIN - 0.01
    assert energy_loss(torch.cat([birds, others]), birds=1) == pytest.approx(0, abs=1e-6)
    assert energy_loss(torch.cat([others, birds]), birds=1) > 0
