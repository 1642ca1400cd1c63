"""The verbs agree with each other and with what the commands do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

import detector as hp
from detector.cli.main import main


@pytest.fixture
def model(workshop: Path) -> hp.Detector:
    return hp.load_detector("birds.safetensors", "cpu", "fp32")


def test_no_pictures_give_nothing(model: hp.Detector, workshop: Path) -> None:
    birds = hp.load_classifier("species.safetensors")
    assert hp.predict(model, []) == []
    assert hp.classify(birds, []) == []
    assert list(hp.classify_stream(birds, iter(()))) == []
    assert hp.rerank(birds, "photo.jpg", hp.Detections.empty(("bird",))) == []
    assert hp.rerank(birds, "photo.jpg", hp.Detections.empty()) == []


def test_a_path_an_image_an_array_and_a_tensor_give_the_same(model: hp.Detector) -> None:
    image = PIL.Image.open("photo.jpg")
    array = np.array(image)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    expected = hp.predict(model, "photo.jpg", score_threshold=0)
    assert len(expected) > 0
    for found in hp.predict(model, [Path("photo.jpg"), image, array, tensor, tensor / 255], score_threshold=0):
        np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=0.01)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
        assert found.labels.tolist() == expected.labels.tolist()


def test_augmented_prediction_is_the_same_for_one_picture_and_several(model: hp.Detector) -> None:
    one = hp.predict(model, "photo.jpg", score_threshold=0, tta=True)
    [first, second] = hp.predict(model, ["photo.jpg", PIL.Image.open("photo.jpg")], score_threshold=0, tta=True)
    assert one.scores.tolist() == first.scores.tolist() == second.scores.tolist()
    assert one.scores.tolist() != hp.predict(model, "photo.jpg", score_threshold=0).scores.tolist()
    with pytest.raises(hp.HoopoeError, match="tta"):
        hp.predict(model, "photo.jpg", tta="yes")


def test_a_rotated_photo_is_found_upright_from_its_path_and_as_an_image(model: hp.Detector) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    PIL.Image.open("photo.jpg").save("turned.jpg", exif=exif)
    by_path, by_image = hp.predict(model, ["turned.jpg", PIL.Image.open("turned.jpg")], score_threshold=0)
    np.testing.assert_allclose(by_path.boxes_xyxy, by_image.boxes_xyxy, atol=0.01)
    assert by_path.boxes_xyxy[:, 3].max() > 120  # the photo is 160 x 120, and stands now


def test_a_network_of_ones_own_predicts_as_its_file(model: hp.Detector) -> None:
    model.net.train()
    found = hp.predict(model.net, "photo.jpg", score_threshold=0)
    assert model.net.training
    assert found.scores.tolist() == hp.predict(model, "photo.jpg", score_threshold=0).scores.tolist()


def test_detectors_of_other_makers_are_refused_by_name(workshop: Path) -> None:
    with pytest.raises(hp.HoopoeError, match="build_detector is expected, not Linear"):
        hp.predict(torch.nn.Linear(1, 1), "photo.jpg")


def test_a_stream_is_read_a_batch_at_a_time_and_keeps_its_order(workshop: Path) -> None:
    birds = hp.load_classifier("species.safetensors", "cpu", "fp32")
    pictures = [np.random.default_rng(seed).integers(0, 256, (40, 30, 3), np.uint8) for seed in range(7)]
    read = itertools.count()

    def stream() -> Iterator[NDArray[np.uint8]]:
        for picture in pictures:
            next(read)
            yield picture

    results = hp.classify_stream(birds, stream(), batch_size=3)
    first = next(results)
    assert next(read) == 3, "one batch was read for the first result"
    logits = [first.logits, *(result.logits for result in results)]
    np.testing.assert_allclose(logits, [hp.classify(birds, picture).logits for picture in pictures], atol=1e-4)


@pytest.mark.parametrize("light", ["day", "night"])
def test_reranking_a_photo_names_it_as_annotating_does(light: str, workshop: Path) -> None:
    if light == "night":
        PIL.Image.open("photo.jpg").convert("L").point(lambda value: value / 10).save("photo.jpg")
    birds = hp.load_classifier("species.safetensors", "cpu", "fp32")
    model = hp.load_detector("runs/birds", "cpu", "fp32")
    told = {"priors": "barchart.txt", "name_threshold": 0.99}  # so high that reasons are given
    store = hp.annotate("photo.jpg", "OUT", detector=model, species=birds, full_decode=True, quiet=True, **told)
    rows = store.detections.to_pylist()
    found = hp.predict(model, "photo.jpg", score_threshold=0.05)
    named = hp.rerank(birds, "photo.jpg", found, prior="barchart.txt", threshold=0.99)
    assert len(named) == len(rows) > 0
    assert sorted(bird.display_name for bird in named) == sorted(row["display_name"] for row in rows)
    assert sorted(bird.reasons for bird in named) == sorted(tuple(row["reasons"]) for row in rows)
    assert any("too dark" in bird.reasons for bird in named) == (light == "night")
    np.testing.assert_allclose(
        sorted(bird.confidence or 0 for bird in named), sorted(row["confidence"] or 0 for row in rows), atol=2e-3
    )


def test_detections_of_a_larger_picture_are_refused(workshop: Path) -> None:
    birds = hp.load_classifier("species.safetensors")
    found = hp.Detections([[0, 0, 4000, 3000]], [0.9], [0], ("bird",))  # type: ignore[arg-type]
    with pytest.raises(hp.HoopoeError, match="in a picture of 160 x 120"):
        hp.rerank(birds, "photo.jpg", found)


def test_the_command_evaluates_as_the_verb(workshop: Path) -> None:
    Path("map.yaml").write_text('"*": bird\n')
    words = ["--annotations", "val.json", "--images", "photos", "--categories", "map.yaml", "--workers", "0"]
    assert main(["evaluate", "birds.safetensors", *words, "--output", "by_command", "--device", "cpu"]) == 0
    hp.evaluate("birds.safetensors", "val.json", "photos", output="by_verb", categories="map.yaml", workers=0)
    for name in ("predictions.json", "precision_recall.png"):
        assert Path("by_command", name).read_bytes() == Path("by_verb", name).read_bytes()


def test_a_store_of_other_options_keeps_them_until_they_are_changed(workshop: Path) -> None:
    store = hp.annotate("CARD", "OUT", detector="birds.safetensors", quiet=True, score_threshold=0.3)
    high = store.events.num_rows
    assert store.decide(name_threshold=0.9).events == high
    assert store.decide(score_threshold=0.05).detections >= store.detections.num_rows > 0
    with pytest.raises(hp.HoopoeError, match="score_threshold"):
        store.decide(score_threshold=2)
    again = hp.annotate("CARD1", "OUT", detector="birds.safetensors", quiet=True)
    assert again.media.num_rows == 10


def test_a_detector_that_is_in_no_file_annotates_too(model: hp.Detector) -> None:
    store = hp.annotate("photo.jpg", "OUT", detector=hp.Detector.of(model.net), quiet=True)
    assert store.media.num_rows == 1
