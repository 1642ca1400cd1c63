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
from detector.training.run import train_detector

Change = Callable[[dict[str, Any]], None]


def without_boxes(document: dict[str, Any]) -> None:
    document["annotations"] = []


def all_crowds(document: dict[str, Any]) -> None:
    for record in document["annotations"]:
        record["iscrowd"] = 1


def change_set(folder: Path, name: str, target: Path, change: Change) -> tuple[Path, Path]:
    document = json.loads((folder / f"{name}.json").read_text())
    change(document)
    (target / f"{name}.json").write_text(json.dumps(document))
    return target / f"{name}.json", folder / "images"


def test_training_set_of_crowds_alone_is_refused(drawn_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="boxes are crowds, in which nothing is learnt"):
        read_data([change_set(drawn_set, "train", tmp_path, all_crowds)], [], DataConfig())


def test_training_set_without_boxes_is_told(drawn_set: Path, tmp_path: Path) -> None:
    data = read_data([change_set(drawn_set, "train", tmp_path, without_boxes)], [], DataConfig())
    assert [line for line in data.lines() if "no annotated bird in the training set" in line]


@pytest.mark.parametrize("change", [without_boxes, all_crowds])
def test_validation_set_without_birds_is_told(drawn_set: Path, tmp_path: Path, change: Change) -> None:
    train = [(drawn_set / "train.json", drawn_set / "images")]
    data = read_data(train, [change_set(drawn_set, "val", tmp_path, change)], DataConfig())
    assert [line for line in data.lines() if "no annotated bird in the validation set" in line]


def test_figure_that_cannot_be_had_ends_no_run_early(drawn_set: Path, tmp_path: Path, make_request: Any) -> None:
    validation = [change_set(drawn_set, "val", tmp_path, without_boxes)]
    settings = ("train.epochs=3", "train.eval_epochs=1", "train.patience=1")
    run = train_detector(make_request("run", *settings, validation=validation))
    assert run.position.epoch == 3
    assert run.position.best is None
    assert run.best.exists()
