"""People and vehicles that nobody may recognise in what is exported."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from detector.cli.main import main
from detector.exports.pictures.blurring import hidden_in, hide

RNG = np.random.default_rng(0)


@pytest.fixture
def noise() -> np.ndarray:
    return RNG.integers(0, 256, (200, 100, 3), dtype=np.uint8)


def test_nothing_to_hide_leaves_the_picture(noise):
    assert hide(noise, []) is noise


def test_inside_a_box_no_detail_is_left_and_outside_nothing_changes(noise, make):
    person = make.person(x=0.25, y=0.25, w=0.5, h=0.5)
    blurred = hide(noise, [person])
    inside, before = blurred[50:150, 25:75].astype(float), noise[50:150, 25:75].astype(float)
    assert np.abs(np.diff(inside, axis=0)).mean() < 0.1 * np.abs(np.diff(before, axis=0)).mean()
    np.testing.assert_array_equal(blurred[:30], noise[:30])
    np.testing.assert_array_equal(blurred[:, :15], noise[:, :15])
    assert not np.shares_memory(blurred, noise)


def test_boxes_at_and_beyond_the_edge_are_blurred_as_far_as_they_go(noise, make):
    edge, outside = make.person(x=0.9, y=0.9, w=0.3, h=0.3), make.person(x=1.5, y=1.5, w=0.1, h=0.1)
    assert hide(noise, [edge, outside]).shape == noise.shape


def test_people_and_vehicles_are_hidden_also_below_what_counts_unless_a_person_says_it_is_nothing(make):
    said = {"reviewed_by": "ana", "suppressed": True}
    boxes = [
        make.person(score=0.12), make.person(kind="vehicle", box=1), make.person(score=0.05, box=2),
        make.detection(box=3), make.person(box=4, suppressed=True), make.person(box=5, **said),
        make.person(box=6, score=0.05, reviewed_by="ana"),
        make.detection(box=7, kind="blank", label="non_bird"), make.detection(box=8, kind="undecided", label="qwertz"),
        make.detection(box=9, kind="undecided", reviewed_by="ana"), make.detection(box=10, kind="blank", label="leaf"),
    ]  # fmt: skip
    record = make.media("a.jpg", *boxes)
    assert [found.box for found in hidden_in(record, "people")] == [0, 1, 4, 6, 7, 8]
    assert hidden_in(record, "none") == ()
    assert hidden_in(replace(record, detections=()), "people") == ()


@pytest.mark.parametrize("blur", ["people", "none"])
def test_the_command_blurs_what_it_is_told_to(tmp_path, store_maker, blur):
    card = tmp_path / "card"
    card.mkdir()
    pixels = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(card / "a.png")
    person = {"kind": "person", "label": "person", "display_name": "person", "name": None, "rank": None}
    found = store_maker.detection(store_maker.media("a.png").media_id, x=0.25, y=0.25, w=0.5, h=0.5, **person)
    folder = store_maker.write(tmp_path / "store", [store_maker.media("a.png", detections=[found])], root=tmp_path)
    assert main(["export", str(folder), "--format", "crops", "--blur", blur]) == 0
    [crop] = (folder / "crops").rglob("*.jpg")
    detail = np.abs(np.diff(np.asarray(Image.open(crop)).astype(float), axis=0)).mean()
    assert (detail < 10) == (blur == "people")
