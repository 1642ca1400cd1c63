"""A set that nothing can be learnt from, or measured on, is told before the first step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import DataError
from detector.data.config import DataConfig
from detector.training.data import read_data

Change = Callable[[dict[str, Any]], None]


def without_boxes(document: dict[str, Any]) -> None:
    document["annotations"] = []


def all_crowds(document: dict[str, Any]) -> None:
    for record in document["annotations"]:
        record["iscrowd"] = 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [(without_boxes, "none has a box"), (all_crowds, "boxes are crowds, in which nothing is learnt")],
)
def test_training_set_without_birds_is_refused(drawn_set: Path, tmp_path: Path, change: Change, problem: str) -> None:
    document = json.loads((drawn_set / "train.json").read_text())
    change(document)
    (tmp_path / "train.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=problem):
        read_data([(tmp_path / "train.json", drawn_set / "images")], [], DataConfig())


@pytest.mark.parametrize("change", [without_boxes, all_crowds])
def test_validation_set_without_birds_is_refused(drawn_set: Path, tmp_path: Path, change: Change) -> None:
    document = json.loads((drawn_set / "val.json").read_text())
    change(document)
    (tmp_path / "val.json").write_text(json.dumps(document))
    images = drawn_set / "images"
    with pytest.raises(DataError, match="no annotated bird in the validation set"):
        read_data([(drawn_set / "train.json", images)], [(tmp_path / "val.json", images)], DataConfig())
