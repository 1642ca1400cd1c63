import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt

from detector.data.coco.reading import read_coco
from detector.data.packed import Annotations
from detector.evaluation.card_file import data_of_run, write_model_card
from detector.evaluation.evaluation import Evaluation, evaluate_detections
from detector.evaluation.model_card import NOT_STATED, CardFacts, Machine, escaped, model_card
from detector.evaluation.slices import LOCATION, CardFigures, cameras_of, card_figures
from detector.models.building import build_detector, config_of
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta

MACHINE = Machine("CPU (some, 2 cores)", 2, "2.0", "fp32")
HOSTILE = "<script>alert(1)</script> | **x** [a](http://b.c)\n# wren"
SMALL = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    net = build_detector(ModelConfig(**SMALL, categories=("robin", HOSTILE)))
    return Detector(net, DetectorMeta(config_of(net), {"fingerprint": "f", "images": 9, "boxes": 8}))


@pytest.fixture
def make_set(tmp_path: Path):
    """A set of pictures by name, one bird in each that was found, or none: `birds` says which, `records` more."""

    def make(names: list[str], birds: list[int], **records: list[str]) -> tuple[Evaluation, Annotations]:
        images = []
        for i, name in enumerate(names):
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            colour = (90, 90, 90) if "night" in name else (20, 160, 60)
            cv2.imwrite(str(path), np.full((64, 64, 3), colour, np.uint8))
            more = {key: values[i] for key, values in records.items()}
            # ids fall, as a file may have them
            images.append({"id": 100 - i, "file_name": name, "width": 64, "height": 64, **more})
        annotations = [
            {"id": n + 1, "image_id": 100 - n, "category_id": 1, "bbox": [4, 4, 20, 20], "area": 400, "iscrowd": 0}
            for n, bird in enumerate(birds)
            if bird
        ]
        categories = [{"id": 1, "name": "robin"}, {"id": 2, "name": HOSTILE}]
        file = tmp_path / "set.json"
        file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        read, _ = read_coco([(file, tmp_path / "images")], attributes=[LOCATION])
        found = [
            {key: each[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9 - each["id"] / 100}
            for each in annotations
            if "missed" not in names[each["id"] - 1]
        ]
        return evaluate_detections(read.to_coco_dict(), found), read

    return make


def text_of(detector: Detector, figures: CardFigures | None, data: dict | None = None) -> str:
    return model_card(CardFacts(detector, MACHINE, data or {}, figures, None if figures is None else 12.5))


def test_a_detector_that_was_evaluated_on_nothing_says_so(detector: Detector) -> None:
    card = text_of(detector, None)
    assert "evaluated on no set" in card
    assert "Everything is untested" in card
    assert "Not measured" in card
    assert card.count(NOT_STATED) == 3


def test_a_set_without_birds_has_no_figures(detector: Detector, make_set) -> None:
    card = text_of(detector, card_figures(*make_set(["a/1.jpg", "b/2.jpg"], [0, 0])))
    assert "On 2 pictures of 2 cameras with 0 annotated birds" in card
    assert "No bird was there to find" in card
    assert "by class: robin (0)" in card
    assert "nan" not in re.findall(r"\w+", card)


def test_one_picture_has_figures_and_no_interval(detector: Detector, make_set) -> None:
    figures = card_figures(*make_set(["1.jpg"], [1]))
    assert figures.whole["AP"].value == pytest.approx(1)
    assert figures.whole["AP"].low is None
    assert figures.cameras == 0
    assert "camera" not in figures.slices
    assert "names no cameras" in text_of(detector, figures)


def test_of_one_camera_the_pictures_are_drawn(make_set) -> None:
    figures = card_figures(*make_set(["a/1.jpg", "a/missed.jpg", "a/3.jpg"], [1, 1, 1]))
    assert not figures.by_camera
    (camera,) = figures.slices["camera"]
    assert (camera.name, camera.images, camera.birds) == ("a", 3, 3)
    assert camera.recall.value == pytest.approx(2 / 3)
    assert camera.recall.low is not None
    assert camera.recall.high is not None
    assert camera.recall.low < camera.recall.value < camera.recall.high


def test_figures_by_light_camera_and_class_are_those_of_their_pictures(make_set) -> None:
    names = ["a/1.jpg", "a/night_missed.jpg", "b/3.jpg", "b/missed.jpg", "b/night_5.jpg", "b/blank.jpg"]
    figures = card_figures(*make_set(names, [1, 1, 1, 1, 1, 0]))
    assert figures.by_camera
    got = {each.name: (each.images, each.birds, each.recall.value) for part in figures.slices.values() for each in part}
    assert got["day (colour)"] == (4, 3, pytest.approx(2 / 3))
    assert got["night (no colour)"] == (2, 2, 0.5)
    assert got["a"] == (2, 2, 0.5)
    assert got["b"] == (4, 3, pytest.approx(2 / 3))
    assert got["robin"] == (5, 5, pytest.approx(3 / 5))
    assert got[HOSTILE] == (0, 0, None)
    assert got["small (below 32 x 32 pixels)"] == (5, 5, pytest.approx(3 / 5))


def test_the_whole_has_the_figures_of_the_evaluation(make_set) -> None:
    evaluation, annotations = make_set(["a/1.jpg", "b/missed.jpg", "b/3.jpg"], [1, 1, 1])
    whole = card_figures(evaluation, annotations).whole
    assert whole["AP"].value == pytest.approx(evaluation.metrics.AP)
    assert whole["AP50"].value == pytest.approx(evaluation.metrics.AP50)
    assert whole["AR"].value == pytest.approx(evaluation.metrics.AR100)


def test_a_location_is_the_camera_before_the_folder(make_set) -> None:
    _, annotations = make_set(["a/1.jpg", "2.jpg", "b/c/3.jpg"], [1, 1, 1], location=["33", "", ""])
    assert cameras_of(annotations) == ["33", "", "b"]


def test_a_picture_that_cannot_be_read_is_of_no_light(make_set, tmp_path: Path) -> None:
    evaluation, annotations = make_set(["1.jpg", "2.jpg"], [1, 1])
    (tmp_path / "images/2.jpg").unlink()
    assert [(each.name, each.birds) for each in card_figures(evaluation, annotations).slices["light"]] == [
        ("day (colour)", 1),
        ("night (no colour)", 0),
        ("picture not read", 1),
    ]


def test_what_has_few_examples_is_named_as_untested(detector: Detector, make_set) -> None:
    card = text_of(detector, card_figures(*make_set([f"a/{n}.jpg" for n in range(20)], [1] * 20)))
    limits = card.partition("## Limits")[2]
    assert "by light: night (no colour) (0)" in limits
    assert "medium (to 96 x 96) (0), large (0)" in limits
    assert "by camera" not in limits
    assert "robin" not in limits


@pytest.mark.parametrize(
    "name", [HOSTILE, "a|b", "`code`", "![x](y)", "~~s~~", "&lt;b&gt;", "www.b.c", "\u202eerkcart"]
)
def test_names_are_shown_and_never_obeyed(detector: Detector, name: str) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(f"| {escaped(name)} | 1 |\n|---|---|\n| x | 2 |")
    assert html.count("<th") == 3, "a heading of two cells"
    assert not any(f"<{tag}" in html for tag in ("script", "a ", "img", "code", "strong", "s>", "h1", "b>"))


def test_hostile_names_stay_in_their_tables(detector: Detector, make_set) -> None:
    data = {
        "train": {
            "files": [{"annotations": "/home/me/<b>.json", "images": "C:\\me\\pho|tos"}],
            "categories": {HOSTILE: 3},
            "report": {"images": 9, "negatives": 2, "boxes_dropped": 4},
        }
    }
    card = text_of(detector, card_figures(*make_set(["x_|_y/1.jpg"], [1])), data)
    html = MarkdownIt("gfm-like", {"linkify": False}).render(card)
    assert "<script" not in html
    assert "<a " not in html
    assert "&lt;b&gt;.json with pictures of pho|tos" in html
    assert "home" not in card
    assert "4 boxes that could not be used" in card
    assert html.count("<h1>") == 1
    for row in html.split("<tr>")[1:]:
        assert row.count("<td") in (0, 2, 5)


def test_data_of_the_run_is_told_if_it_is_the_detectors(detector: Detector, make_set, tmp_path: Path) -> None:
    here = replace(detector, source=str(tmp_path / "best.safetensors"))
    assert data_of_run(here) == {}
    train = {"files": [], "categories": {"robin": 4}, "report": {"negatives": 1}, "fingerprint": "f"}
    (tmp_path / "data.json").write_text(json.dumps({"train": train}))
    assert data_of_run(here)["train"] == train
    for other in ({"fingerprint": "g"}, {"categories": {"robin": "many"}}, {"files": [1]}, {"report": None}):
        (tmp_path / "data.json").write_text(json.dumps({"train": train | other}))
        assert data_of_run(here) == {}
    write_model_card(tmp_path, here, *make_set(["1.jpg"], [1]))
    assert "On 1 pictures" in (tmp_path / "model_card.md").read_text()
