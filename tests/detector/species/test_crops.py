"""Crops equal what the classifier's own transform makes of the same pixels."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

import backbones
from backbones.errors import ConfigError
from detector.boxes import box_areas
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crop_boxes, cut_crops

boxes = st.lists(
    st.tuples(st.floats(-50, 150), st.floats(-50, 150), st.floats(0, 100), st.floats(0, 100)), min_size=0, max_size=5
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)


def test_no_boxes_give_no_crops(image: np.ndarray) -> None:
    assert crop_boxes(np.zeros((0, 4), np.float32), (100, 80)).shape == (0, 4)
    assert cut_crops(image, np.zeros((0, 4), np.float32), (32, 24)).shape == (0, 32, 24, 3)


def test_a_box_grows_by_a_share_of_its_own_sides_and_ends_at_the_frame() -> None:
    grown = crop_boxes(np.array([[20, 30, 40, 70], [0, 0, 10, 10]], np.float32), (100, 80))
    np.testing.assert_allclose(grown, [[18, 26, 42, 74], [0, 0, 11, 11]])


def test_a_frame_a_box_may_be_given() -> None:
    two = np.array([[20, 30, 40, 70]] * 2, np.float32)
    np.testing.assert_allclose(crop_boxes(two, np.array([[100, 80], [41, 71]])), [[18, 26, 42, 74], [18, 26, 41, 71]])


@given(boxes)
def test_a_grown_box_is_inside_the_frame_and_holds_what_was_inside(some: np.ndarray) -> None:
    grown = crop_boxes(some, (100, 80))
    clipped = crop_boxes(some, (100, 80), context=0)
    assert (grown >= 0).all()
    assert (grown[:, [0, 2]] <= 100).all()
    assert (grown[:, [1, 3]] <= 80).all()
    assert (grown[:, :2] <= clipped[:, :2]).all()
    assert (grown[:, 2:] >= clipped[:, 2:]).all()
    assert (box_areas(grown) >= 0).all()


@pytest.mark.parametrize("box", [(10, 20, 90, 70), (3, 3, 12, 9), (0, 0, 100, 80)])
def test_a_crop_equals_torchvisions_antialiased_bicubic_squash(image: np.ndarray, box: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    crop = cut_crops(image, np.array([box], np.float32), (32, 48))[0]
    pixels = torch.from_numpy(image[top:bottom, left:right].copy()).permute(2, 0, 1)
    expected = transforms.resize(pixels, [32, 48], interpolation=InterpolationMode.BICUBIC, antialias=True)
    assert np.abs(crop.astype(int) - expected.permute(1, 2, 0).numpy().astype(int)).max() <= 1


@given(boxes)
def test_no_box_whatever_its_place_or_area_breaks_a_crop(some: np.ndarray) -> None:
    picture = np.full((80, 100, 3), 7, np.uint8)
    assert (cut_crops(picture, some, (8, 8)) == 7).all()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net = backbones.create_model("davit_nano", num_classes=5, input_size=(64, 64))
    path = tmp_path_factory.mktemp("weights") / "five.safetensors"
    stats = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
    backbones.save_pretrained(path, net, class_to_idx={f"bird {i}": i for i in range(5)}, rgb_stats=stats)
    return path


def test_the_classifier_says_what_it_is(weights: Path) -> None:
    classifier = SpeciesClassifier.load(weights)
    assert classifier.class_names == tuple(f"bird {i}" for i in range(5))
    assert classifier.size_hw == (64, 64)
    assert classifier.name == "five.safetensors"
    assert classifier.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_logits_of_crops_equal_those_of_the_classifiers_own_transform(weights: Path, image: np.ndarray) -> None:
    classifier = SpeciesClassifier.load(weights)
    places = np.array([[10, 20, 90, 70], [0, 0, 30, 30], [50, 1, 99, 80]], np.float32)
    found = classifier.logits(cut_crops(image, places, classifier.size_hw), return_embedding=True)
    net, _, signature, stats = backbones.load_pretrained_model(weights, inference=True)
    transform = backbones.classification_transform(backbones.get_size_from_signature(signature), stats)
    parts = [Image.fromarray(image).crop(tuple(box)) for box in places.astype(int).tolist()]
    expected = backbones.classify(net, parts, transform, return_logits=True, return_embedding=True)
    np.testing.assert_allclose(found.logits, expected.outputs, atol=1e-5)
    assert found.embeddings is not None
    assert expected.embeddings is not None
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-5)


def test_batches_do_not_change_logits_and_no_crops_give_none(weights: Path) -> None:
    classifier = SpeciesClassifier.load(weights)
    crops = np.random.default_rng(1).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        classifier.logits(crops, batch_size=3).logits, classifier.logits(crops).logits, atol=1e-5
    )
    nothing = classifier.logits(crops[:0])
    assert nothing.logits.shape == (0, 5)
    assert nothing.embeddings is None


def test_crops_of_another_size_are_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="64, 64"):
        SpeciesClassifier.load(weights).logits(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_name_that_is_not_published_is_refused() -> None:
    with pytest.raises(ConfigError):
        SpeciesClassifier.load("davit_tiny_il-al")
