"""Drawn scenes: the same from the same seed, with boxes tight around what can be seen."""

import json

import cv2
import numpy as np
import pytest

from detector.data.coco.reading import read_coco
from detector.synthetic import scenes
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset
from detector.synthetic.distractors import draw_aircraft, draw_mammal
from detector.synthetic.flight import draw_flying_bird
from detector.synthetic.habitats import HABITATS, Habitat
from detector.synthetic.mammals import draw_mammal_scene
from detector.synthetic.plumages import PLUMAGES
from detector.synthetic.scenes import DETECTOR_SCENES, SPECIES_SCENES, Layer, SceneConfig, draw_scene, visible_birds


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def only(habitat: str, birds: int) -> SceneConfig:
    return SceneConfig(habitats=((habitat, 1.0),), counts=(0.0,) * birds + (1.0,))


def layer(left: int, top: int, wide: int, high: int, species: int = 0) -> Layer:
    return Layer(np.full((high, wide, 3), 200, np.uint8), np.ones((high, wide), np.float32), left, top, species)


@pytest.mark.parametrize("habitat", HABITATS)
def test_scene_without_birds_has_no_boxes(habitat):
    scene = draw_scene(rng(1), (96, 64), only(habitat, 0))
    assert scene.image.shape == (64, 96, 3)
    assert scene.boxes_xyxy.shape == (0, 4)
    assert scene.image.std() > 1


@pytest.mark.parametrize("config", [SPECIES_SCENES, DETECTOR_SCENES])
@pytest.mark.parametrize("size_wh", [(160, 120), (90, 200)])
def test_boxes_are_inside_and_species_known(config, size_wh):
    birds = 0
    for seed in range(25):
        scene = draw_scene(rng(2, seed), size_wh, config)
        boxes = scene.boxes_xyxy
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes[:, 2:] <= size_wh).all()
        assert set(scene.labels.tolist()) <= set(range(len(PLUMAGES)))
        birds += len(boxes)
    assert birds > 25


def test_same_seed_same_scene_and_another_seed_another():
    one, two, other = (draw_scene(rng(seed), (96, 96)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.boxes_xyxy, two.boxes_xyxy)
    assert not np.array_equal(one.image, other.image)


def test_nothing_is_visible_where_nothing_is():
    kept, boxes = visible_birds([], np.zeros((20, 30), np.float32))
    assert kept == []
    assert boxes.shape == (0, 4)


def test_box_is_what_hangs_into_the_picture():
    _, boxes = visible_birds([layer(-4, 5, 10, 8)], np.zeros((20, 30), np.float32))
    np.testing.assert_array_equal(boxes, [[0, 5, 6, 13]])


def test_box_ends_where_something_is_in_front():
    cover = np.zeros((20, 30), np.float32)
    cover[:, 15:] = 1
    _, boxes = visible_birds([layer(10, 5, 10, 8)], cover)
    np.testing.assert_array_equal(boxes, [[10, 5, 15, 13]])


def test_box_ends_where_a_nearer_bird_begins():
    kept, boxes = visible_birds([layer(5, 5, 10, 8, 1), layer(11, 0, 10, 20, 2)], np.zeros((20, 30), np.float32))
    assert [each.species for each in kept] == [1, 2]
    np.testing.assert_array_equal(boxes, [[5, 5, 11, 13], [11, 0, 21, 20]])


def test_bird_that_is_mostly_hidden_is_left_out():
    cover = np.zeros((20, 30), np.float32)
    cover[:, 13:] = 1
    assert visible_birds([layer(10, 5, 10, 8)], cover)[0] == []


def test_boxes_are_tight_around_birds_in_the_picture(monkeypatch):
    """In an empty thermal sky, what is brighter than the sky is the bird."""
    monkeypatch.setitem(
        HABITATS,
        "thermal",
        lambda _, size_wh: Habitat(np.full((size_wh[1], size_wh[0], 3), 40, np.uint8), (60.0, 80.0), 0.5, 80.0),
    )
    monkeypatch.setattr(scenes, "_add_distractors", lambda *_: None)
    checked = 0
    for seed in range(40):
        scene = draw_scene(rng(5, seed), (120, 90), only("thermal", 1))
        if not len(scene.labels):
            continue
        grey = cv2.GaussianBlur(scene.image[..., 0].astype(np.float32), (3, 3), 0)
        sky, bird = np.median(grey), grey.max()
        x1, y1, x2, y2 = scene.boxes_xyxy[0]
        ys, xs = np.nonzero(grey > sky + 0.6 * (bird - sky))
        assert x1 - 1 <= xs.min()
        assert xs.max() <= x2
        assert y1 - 1 <= ys.min()
        assert ys.max() <= y2
        ys, xs = np.nonzero(grey > sky + 0.15 * (bird - sky))
        assert xs.min() <= x1 + 2
        assert xs.max() >= x2 - 3
        assert ys.min() <= y1 + 2
        assert ys.max() >= y2 - 3
        checked += 1
    assert checked >= 30


@pytest.mark.parametrize("size", [8, 40, 150])
@pytest.mark.parametrize("draw", [lambda r, s: draw_flying_bird(r, PLUMAGES[3], s), draw_aircraft, draw_mammal])
def test_cut_outs_fit_their_pictures(draw, size):
    picture, coverage = draw(rng(6), size)
    assert picture.shape == (size, size, 3)
    assert coverage.shape == (size, size)
    assert coverage.min() >= 0
    assert coverage.max() <= 1
    assert 0.01 < coverage.mean() < 0.6


def test_dataset_is_sound_coco_and_the_same_from_the_same_seed(tmp_path):
    files = write_synthetic_dataset(tmp_path / "one", train=6, val=2, scenes=SceneSet(4, (96, 64)))
    write_synthetic_dataset(tmp_path / "two", train=4, val=3, scenes=SceneSet(4, (96, 64)))
    packed, report = read_coco([(files["train"], tmp_path / "one/images")], invalid="error")
    assert len(packed) == 6
    assert packed.category_names == tuple(plumage.name for plumage in PLUMAGES)
    assert report.findings == ()
    for name in ("train_000004.jpg", "val_000002.jpg"):  # a larger set begins like a smaller one
        assert (tmp_path / "one/images" / name).read_bytes() == (tmp_path / "two/images" / name).read_bytes()
    one, two = (json.loads((tmp_path / each / "val.json").read_text())["annotations"] for each in ("one", "two"))
    assert one == two[: len(one)]
    for index in range(len(packed)):
        assert cv2.imread(str(packed.path(index))).shape == (64, 96, 3)


def test_dataset_of_no_scenes_is_written(tmp_path):
    files = write_synthetic_dataset(tmp_path, train=0, val=0)
    assert json.loads(files["train"].read_text())["images"] == []


@pytest.mark.parametrize("size_wh", [(160, 120), (90, 200)])
def test_a_mammal_is_where_its_box_is(size_wh, monkeypatch):
    for seed in range(10):
        image, (box,) = draw_mammal_scene(rng(9, seed), size_wh)
        with monkeypatch.context() as patched:  # the same picture, but for a mammal that cannot be seen
            patched.setattr("detector.synthetic.mammals.paste", lambda picture, *_: picture)
            empty, same = draw_mammal_scene(rng(9, seed), size_wh)
        np.testing.assert_array_equal(same[0], box)
        changed = np.abs(image.astype(int) - empty).max(axis=2) > 12
        left, top, right, bottom = box.astype(int)
        assert 0 <= left < right <= size_wh[0]
        assert 0 <= top < bottom <= size_wh[1]
        assert changed[top:bottom, left:right].any()
        changed[top:bottom, left:right] = False
        changed &= ~cv2.dilate((~changed).astype(np.uint8), None).astype(bool)  # not single pixels of the soft edge
        assert not changed.any()
