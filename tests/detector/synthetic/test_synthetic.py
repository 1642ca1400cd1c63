"""Drawn birds: pure in their generator, smooth at their edges, and told apart by their marks."""

import numpy as np
import pytest

from detector.synthetic.birds import draw_bird, paste
from detector.synthetic.plumages import PLUMAGES, Plumage


def test_pasting_outside_of_the_picture_changes_nothing() -> None:
    picture = np.full((20, 30, 3), 7, np.uint8)
    bird, coverage = np.full((8, 8, 3), 200, np.uint8), np.ones((8, 8), np.float32)
    for left, top in [(-8, 0), (30, 0), (0, -8), (0, 20)]:
        np.testing.assert_array_equal(paste(picture, bird, coverage, left, top), picture)


def test_pasting_cuts_at_the_edge_and_leaves_its_arguments_alone() -> None:
    picture = np.zeros((10, 10, 3), np.uint8)
    bird, coverage = np.full((6, 6, 3), 200, np.uint8), np.full((6, 6), 0.5, np.float32)
    out = paste(picture, bird, coverage, left=-3, top=7)
    assert (out[7:, :3] == 100).all()
    assert out.sum() == 3 * 3 * 3 * 100
    assert not picture.any()


@pytest.mark.parametrize("plumage", PLUMAGES, ids=lambda plumage: plumage.name)
def test_every_species_is_drawn_whole(plumage: Plumage) -> None:
    for seed in range(5):
        bird, coverage = draw_bird(np.random.default_rng(seed), plumage, 96)
        assert bird.shape == (96, 96, 3)
        assert bird.dtype == np.uint8
        assert coverage.dtype == np.float32
        assert coverage.min() == 0
        assert coverage.max() == pytest.approx(1)
        assert 0.05 < coverage.mean() < 0.4
        assert not bird[coverage == 0].any()


def test_same_generator_gives_the_same_bird_and_another_another() -> None:
    first, again, other = (draw_bird(np.random.default_rng(seed), PLUMAGES[0], 64)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_edges_are_as_smooth_at_any_size() -> None:
    """The covered share of the picture belongs to the bird, not to the number of pixels."""
    shares = [draw_bird(np.random.default_rng(3), PLUMAGES[2], size)[1].mean() for size in (96, 192, 384)]
    assert shares == pytest.approx([shares[-1]] * 3, rel=0.02)


def test_species_differ_in_colour_under_the_same_pose() -> None:
    birds = [draw_bird(np.random.default_rng(0), plumage, 64)[0].astype(int) for plumage in PLUMAGES]
    for index, bird in enumerate(birds):
        assert all((np.abs(bird - other).max(axis=-1) > 25).sum() > 40 for other in birds[:index])
