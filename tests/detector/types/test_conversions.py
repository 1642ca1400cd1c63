"""Detections as torchvision, COCO results and supervision hold them, and back: held against those libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
import torch
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

import detector as hp
from backbones.errors import ConfigError, DataError
from detector.types import Detections

NAMES = ("bird", "fox", "person")
CATEGORIES = [{"id": 16, "name": "bird"}, {"id": 7, "name": "fox"}, {"id": 1, "name": "person"}]


def some() -> Detections:
    return Detections([[0, 0, 5, 7], [10, 20, 30, 60]], [0.9, 0.25], [2, 0], NAMES)


def same(one: Detections, other: Detections, atol: float = 0) -> bool:
    np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=atol)
    np.testing.assert_allclose(one.scores, other.scores, atol=atol)
    assert one.labels.tolist() == other.labels.tolist()
    assert one.category_names == other.category_names
    return True


@st.composite
def detections(draw: st.DrawFn) -> Detections:
    count = draw(st.integers(0, 4))
    numbers = st.floats(0, 500, width=32)
    corners = np.array([[draw(numbers) for _ in range(4)] for _ in range(count)], np.float32).reshape(-1, 2, 2)
    scores = [draw(st.floats(0, 1, width=32)) for _ in range(count)]
    labels = [draw(st.integers(0, 2)) for _ in range(count)]
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Detections(boxes, scores, np.array(labels, np.int64), NAMES)


@given(detections())
def test_what_goes_out_comes_back(found: Detections) -> None:
    for first_label in (0, 1):
        output = found.to_torchvision(first_label=first_label)
        assert same(Detections.from_torchvision(output, NAMES, first_label=first_label), found)
    assert same(Detections.from_supervision(found.to_supervision(), NAMES), found)
    assert same(Detections.from_coco(found.to_coco(1, CATEGORIES), CATEGORIES), found, atol=0.011)


def test_nothing_stays_nothing_with_its_names() -> None:
    nothing = Detections.empty(NAMES)
    assert nothing.names == []
    assert len(nothing.to_supervision()) == 0
    assert nothing.to_coco(1, CATEGORIES) == []
    assert same(Detections.from_supervision(sv.Detections.empty(), NAMES), nothing)
    assert same(Detections.from_coco([], CATEGORIES), nothing)


def test_each_has_its_name_and_a_part_keeps_them() -> None:
    assert some().names == ["person", "bird"]
    assert some().above(0.5).names == ["person"]
    assert [each.names for each in some()] == [["person"], ["bird"]]
    assert some()[-1].names == ["bird"]
    assert repr(some()) == "Detections(2: person 0.90, bird 0.25)"


def test_torchvisions_labels_count_from_1() -> None:
    output = some().to_torchvision(first_label=1)
    assert output["labels"].tolist() == [3, 1]
    assert output["labels"].dtype == torch.int64
    with pytest.raises(DataError, match=r"labels are 0 to 2; here they are 1 to 3.*first_label=1"):
        Detections.from_torchvision(output, NAMES, first_label=0)
    background = {**output, "labels": torch.tensor([0, 1])}
    with pytest.raises(DataError, match="labels are 1 to 3; here they are 0 to 1"):
        Detections.from_torchvision(background, NAMES, first_label=1)


def test_our_networks_count_from_0() -> None:
    net = hp.build_detector(
        "nano", categories=NAMES, set={"model.weights": None, "model.min_size": 64, "model.max_size": 64}
    )
    [output] = net.eval()([torch.rand(3, 64, 64)])
    ours = Detections.from_torchvision(output, NAMES, first_label=0)
    assert len(ours) > 0
    assert ours.labels.tolist() == output["labels"].tolist()


def test_pycocotools_reads_what_we_write(tmp_path: Path) -> None:
    images = [{"id": 5, "width": 100, "height": 100, "file_name": "a.jpg"}]
    document = {"info": {}, "images": images, "categories": CATEGORIES, "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(document))
    (tmp_path / "found.json").write_text(json.dumps(some().to_coco(5, CATEGORIES)))
    rows = COCO(str(tmp_path / "truth.json")).loadRes(str(tmp_path / "found.json")).dataset["annotations"]
    assert [(row["category_id"], row["bbox"]) for row in rows] == [(1, [0, 0, 5, 7]), (16, [10, 20, 20, 40])]


def test_supervision_gets_names_and_filters_by_them() -> None:
    theirs = some().to_supervision()
    birds = theirs[theirs.data["class_name"] == "bird"]
    assert birds.xyxy.tolist() == [[10, 20, 30, 60]]
    assert same(Detections.from_supervision(birds, NAMES), some()[1])


def test_supervisions_other_numbering_is_noticed() -> None:
    theirs = sv.Detections(np.array([[0.0, 0, 1, 1]]), confidence=np.array([0.5]), class_id=np.array([1]))
    assert Detections.from_supervision(theirs, NAMES).names == ["fox"]
    theirs.data["class_name"] = np.array(["bird"])  # counted from 1
    with pytest.raises(DataError, match="its class 1 is 'bird', in category_names it is 'fox'"):
        Detections.from_supervision(theirs, NAMES)


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda: some().to_torchvision(first_label=2), "first_label is 0 or 1"),
        (lambda: Detections.from_torchvision(torch.zeros(3), NAMES, first_label=1), "a dict"),  # type: ignore[arg-type]
        (lambda: Detections.from_torchvision({}, NAMES, first_label=1), "boxes and labels and scores is missing"),
        (lambda: some().to_coco(1, [{"id": 1, "name": "fox"}]), "'bird' is not among"),
        (lambda: some().to_coco(1, {"id": 1}), "a list of dicts"),  # type: ignore[arg-type]
        (
            lambda: Detections.from_coco([{"category_id": 3, "bbox": [0, 0, 1, 1], "score": 1}], CATEGORIES),
            "category 3",
        ),
        (lambda: Detections.from_coco([{"category_id": 1, "bbox": [0, 0, 1, 1]}], CATEGORIES), "has no score"),
        (lambda: Detections.from_coco([{"category_id": 1, "bbox": [0, 1], "score": 1}], CATEGORIES), "bbox|4"),
        (lambda: Detections.from_coco([{"image_id": 1}, {"image_id": 2}], CATEGORIES), "of 2 images"),
        (lambda: Detections.from_supervision(None, NAMES), "supervision.Detections are expected"),  # type: ignore[arg-type]
        (lambda: Detections.from_supervision(sv.Detections(np.zeros((1, 4))), NAMES), "no class_id"),
        (lambda: Detections([], [], [], "bird"), "sequence of words"),  # type: ignore[arg-type]
        (lambda: Detections([[0, 0, 1, 1]], [1], [3], NAMES), "label 3 has no name.*from 0 here"),  # type: ignore[arg-type]
        (lambda: Detections([[0, 0, 1, 1]], [1], [0]).names, "have no names"),  # type: ignore[arg-type]
        (lambda: Detections(None, [], []), "numbers"),  # type: ignore[arg-type]
        (lambda: Detections(["a"], [1], [0]), "numbers"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_converted_is_named(convert: Any, message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        convert()
