"""What evaluates is what predicts: limits, one name a bird, tiles, and whose labels count."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import nms

from backbones.errors import ConfigError, DataError
from detector.boxes import box_iou
from detector.cli.main import main
from detector.data.coco.categories import CategoryMapping
from detector.data.coco.reading import read_coco
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule, resize
from detector.evaluation.detecting import DetectionOptions, detect_all, limited
from detector.evaluation.evaluation import evaluate
from detector.evaluation.ground_truth import read_ground_truth
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect as predict
from detector.models.saving import save_detector
from detector.models.tiling import merge_views, tiled_views
from detector.models.tta import detect_augmented

SMALL = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}
HERE = DetectionOptions(loading=DataConfig(workers=0))


def detector_of(categories: tuple[str, ...] = ("bird",), **settings: object) -> Detector:
    torch.manual_seed(0)
    config = {**SMALL, "categories": categories, "score_threshold": 0.0, **settings}
    return Detector.of(build_detector(ModelConfig.model_validate(config)))


@pytest.fixture
def validation(drawn_set: Path) -> Annotations:
    """5 drawn scenes whose boxes are of `bird`."""
    mapping = CategoryMapping.agnostic()
    return read_coco([(drawn_set / "val.json", drawn_set / "images")], mapping=mapping, category_names=["bird"])[0]


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
@pytest.mark.parametrize("limit", [3, 150])
def test_evaluation_keeps_the_detectors_own_limit_of_detections(kind: str, limit: int, validation) -> None:
    model = detector_of(detector=kind, max_detections=limit, nms_iou=1.0)
    found = evaluate(model, validation, HERE).found
    assert {len(each) for each in found.detections.values()} == {limit}


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_one_name_counts_birds_after_suppression(kind: str, validation) -> None:
    """Every bird is found under four names: of 12 detections at most, 12 birds remain and not the 3 of 12 names."""
    names = ("crane", "heron", "stork", "ibis")
    everything = {"detector": kind, "max_detections": 100_000}
    pictures = [read_image(validation.path(place)) for place in range(len(validation))]
    several = predict(detector_of(names, **everything), pictures)
    once = predict(detector_of(names, detector=kind, max_detections=12, one_name=True), pictures)
    for all_names, one in zip(several, once, strict=True):
        boxes, scores = torch.from_numpy(all_names.boxes_xyxy), torch.from_numpy(all_names.scores)
        expected = nms(boxes, scores, 0.5)[:12]  # torchvision's, over everything that was found
        assert len(one) == 12
        np.testing.assert_allclose(one.scores, all_names.scores[expected], rtol=1e-5)
        assert (np.triu(box_iou(one.boxes_xyxy, one.boxes_xyxy), 1) <= 0.5 + 1e-6).all()


@pytest.mark.parametrize("one_name", [False, True])
def test_limits_hold_as_long_as_they_are_asked_for(one_name: bool, validation) -> None:
    model = detector_of(("crane", "heron"), one_name=one_name)
    picture = [read_image(validation.path(0))]
    before = predict(model, picture)[0]
    with limited(model.net, score_threshold=0.3, max_detections=2, one_name=True):
        [few] = predict(model, picture)
    assert len(few) <= 2
    assert (few.scores >= 0.3).all()
    [after] = predict(model, picture)
    np.testing.assert_array_equal(before.scores, after.scores)
    np.testing.assert_array_equal(before.labels, after.labels)


def test_detector_of_species_is_measured_on_labels_that_only_say_bird(validation) -> None:
    """As the same detector with one name each would be, were all its names bird."""
    names = ("crane", "heron", "stork")
    evaluation = evaluate(detector_of(names), validation, HERE)
    assert evaluation.inputs.category_names == ("bird",)
    assert evaluation.metrics.boxes == int((~validation.is_crowd).sum())
    pictures = [read_image(validation.path(place)) for place in range(len(validation))]
    alone = predict(detector_of(names, one_name=True), pictures)
    for image, one in zip(validation.image_ids.tolist(), alone, strict=True):
        found = evaluation.found.detections[image]
        np.testing.assert_allclose(found.scores, one.scores, rtol=1e-4)
        assert not found.labels.any()


def test_agnostic_evaluation_of_a_detector_of_species_by_the_command(drawn_set: Path, tmp_path: Path, capsys) -> None:
    model = detector_of(("crane", "heron"))
    path = tmp_path / "two.safetensors"
    save_detector(path, model)
    words = ["evaluate", str(path), "--annotations", str(drawn_set / "val.json"), "--images"]
    words += [str(drawn_set / "images"), "--device", "cpu", "--workers", "0", "--output"]
    assert main([*words, str(tmp_path / "refused")]) == 2, "it knows none of the twelve species"
    capsys.readouterr()
    assert main([*words, str(tmp_path / "out"), "--agnostic"]) == 0
    assert "AP50" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("known", "names"), [(("bird",), ("bird",)), (("wader",), ("wader",)), (("bird", "cat"), ("bird", "cat"))]
)
def test_agnostic_labels_take_the_detectors_word_for_birds(known, names, drawn_set: Path) -> None:
    meta = DetectorMeta(ModelConfig(categories=known))
    annotations, _ = read_ground_truth([(drawn_set / "val.json", drawn_set / "images")], meta, agnostic=True)
    assert annotations.category_names == names
    assert not annotations.labels.any()


def test_labels_that_are_not_the_detectors_are_refused(validation) -> None:
    with pytest.raises(DataError, match="categories are bird, the detector's bird, cat"):
        evaluate(detector_of(("bird", "cat")), validation, HERE)


@pytest.fixture
def large_picture(tmp_path: Path, validation):
    """A set of one picture of three times the network's size, and its pixels."""
    scenes = [read_image(validation.path(place)) for place in range(4)]
    large = np.concatenate([np.concatenate(scenes[:2], axis=1), np.concatenate(scenes[2:], axis=1)])
    large = resize(large, (384, 384))
    Image.fromarray(large).save(tmp_path / "large.png")
    path = tmp_path / "large.json"
    path.write_text(
        '{"images": [{"id": 7, "file_name": "large.png", "width": 384, "height": 384}], "annotations": [],'
        '"categories": [{"id": 1, "name": "bird"}]}'
    )
    return read_coco([(path, tmp_path)])[0], large


def test_tiles_are_looked_at_as_annotation_looks_at_them(large_picture) -> None:
    """Whole and in tiles, merged."""
    annotations, large = large_picture
    model = detector_of()
    found = detect_all(model, annotations, replace(HERE, tile=True, batch_size=3)).detections[7]
    views = tiled_views((384, 384), SizeRule(96, 128))
    assert len(views) > 10
    by_view = [predict(model, [np.ascontiguousarray(view.cut(large))])[0] for view in views]
    expected = merge_views(views, by_view, (384, 384))
    assert len(found) == len(expected) > 100
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    few = detect_all(model, annotations, replace(HERE, tile=True, max_detections=20)).detections[7]
    assert len(few) == 20


def test_a_bird_that_has_another_name_in_a_tile_counts_once(large_picture) -> None:
    annotations, _ = large_picture
    for settings, options in (({"one_name": True}, HERE), ({}, replace(HERE, one_label=True))):
        model = detector_of(("crane", "heron"), **settings)
        found = detect_all(model, annotations, replace(options, tile=True)).detections[7]
        assert len(found) > 20
        assert (np.triu(box_iou(found.boxes_xyxy, found.boxes_xyxy), 1) <= 0.5 + 1e-6).all()


@pytest.mark.parametrize("kind", ["faster_rcnn", "retinanet"])
def test_augmented_evaluation_is_augmented_prediction(kind: str, validation) -> None:
    model, validation = detector_of(detector=kind), validation.select([0, 1])
    pictures = [read_image(validation.path(place)) for place in range(len(validation))]
    expected = detect_augmented(model, pictures)
    threshold = float(np.median(expected[0].scores))
    for options, least in ((HERE, 0.0), (replace(HERE, score_threshold=threshold, batch_size=1), threshold)):
        found = detect_all(model, validation, replace(options, tta=True)).detections
        for image, fused in zip(validation.image_ids.tolist(), expected, strict=True):
            above = fused.above(least)
            assert len(found[image]) == len(above)
            np.testing.assert_allclose(found[image].scores, above.scores, rtol=1e-4)
            np.testing.assert_allclose(found[image].boxes_xyxy, above.boxes_xyxy, rtol=1e-4, atol=0.01)


def test_augmented_detections_keep_the_limit_and_count_a_bird_of_several_names_once(validation) -> None:
    model = detector_of(("crane", "heron"))
    found = evaluate(model, validation.select([0, 1]), replace(HERE, tta=True, max_detections=4)).found
    for each in found.detections.values():
        assert len(each) <= 4
        assert (np.triu(box_iou(each.boxes_xyxy, each.boxes_xyxy), 1) <= 0.5 + 1e-6).all()


def test_tiles_and_augmentation_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="tile and tta"):
        DetectionOptions(tile=True, tta=True)


@pytest.mark.parametrize("option", ["", "--tile", "--tta"])
def test_a_card_says_how_pictures_were_seen(option: str, drawn_set: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_detector(path, detector_of())
    document = json.loads((drawn_set / "val.json").read_text())
    one = document["images"][0]["id"]
    boxes = [each for each in document["annotations"] if each["image_id"] == one]
    (tmp_path / "one.json").write_text(json.dumps(document | {"images": document["images"][:1], "annotations": boxes}))
    words = ["evaluate", str(path), "--annotations", str(tmp_path / "one.json"), "--images"]
    words += [str(drawn_set / "images"), "--device", "cpu", "--workers", "0", "--agnostic"]
    assert main([*words, "--output", str(tmp_path / "out"), *option.split()]) == 0
    card = (tmp_path / "out" / "model_card.md").read_text(encoding="utf-8")
    assert ("Pictures were seen with" in card) == bool(option)
    assert f"`{option}`" in card or not option
