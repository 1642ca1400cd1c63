"""A set that nothing can be learnt from, or measured on, is told before the first step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from backbones.errors import DataError
from detector.data.config import DataConfig
from detector.data.doctor.picture_scan import PictureScan, scan_pictures
from detector.training.data import read_data
from detector.training.pictures.unreadable import unreadable_pictures
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


def spoil(drawn_set: Path, tmp_path: Path, *names: str) -> Path:
    """A copy of the pictures, some of which are cut short."""
    images = tmp_path / "images"
    shutil.copytree(drawn_set / "images", images)
    for name in names:
        (images / name).write_bytes((images / name).read_bytes()[:40])
    return images


def test_one_bad_picture_is_left_out_and_listed(drawn_set, tmp_path, make_request, capsys) -> None:
    """As if neither it nor its boxes had been in the annotations: the same weights, bit for bit."""
    images = spoil(drawn_set, tmp_path, "train_000003.jpg", "val_000002.jpg")
    sets = {"train": [(drawn_set / "train.json", images)], "validation": [(drawn_set / "val.json", images)]}
    run = train_detector(make_request("run", "train.epochs=1", **sets))
    said = capsys.readouterr()
    assert "train: 1 pictures cannot be read and are left out: train_000003.jpg (" in said.out + said.err
    assert "val: 1 pictures cannot be read and are left out: val_000002.jpg (" in said.out + said.err
    assert list(json.loads((run.folder / "data.json").read_text())["train"]["left_out"]) == ["train_000003.jpg"]

    def without(document: dict[str, Any]) -> None:
        [gone] = [each for each in document["images"] if each["file_name"] in ("train_000003.jpg", "val_000002.jpg")]
        document["images"].remove(gone)
        document["annotations"] = [each for each in document["annotations"] if each["image_id"] != gone["id"]]

    sets = {
        name: [(change_set(drawn_set, file, tmp_path, without)[0], images)]
        for name, file in (("train", "train"), ("validation", "val"))
    }
    other = train_detector(make_request("other", "train.epochs=1", **sets))
    weights, others = (load_file(each.best) for each in (run, other))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert run.metrics == other.metrics


def test_one_bad_picture_is_refused_before_the_first_epoch_where_invalid_is_an_error(
    drawn_set, tmp_path, make_request
) -> None:
    images = spoil(drawn_set, tmp_path, "train_000003.jpg")
    request = make_request("run", "data.invalid=error", train=[(drawn_set / "train.json", images)])
    with pytest.raises(DataError, match="1 of 12 pictures of train cannot be read") as caught:
        train_detector(request)
    assert "train_000003.jpg" in str(caught.value.where)
    assert not request.output.exists()
    repaired = request.config.data.model_copy(update={"invalid": "repair"})
    config = request.config.model_copy(update={"data": repaired})
    assert train_detector(replace(request, config=config)).position.finished


def test_run_that_goes_on_reads_pictures_again_only_if_one_has_changed(
    drawn_set, tmp_path, make_request, monkeypatch, capsys
) -> None:
    images = spoil(drawn_set, tmp_path, "train_000003.jpg")
    sets = {"train": [(drawn_set / "train.json", images)]}
    train_detector(make_request("run", "train.epochs=1", **sets))
    reads = 0

    def count(paths: list[Path], advance: Callable[[], None]) -> list[PictureScan]:
        nonlocal reads
        reads += len(paths)
        return scan_pictures(paths, advance)

    monkeypatch.setattr("detector.training.pictures.unreadable.scan_pictures", count)
    capsys.readouterr()
    run = train_detector(make_request("run", "train.epochs=2", resume=True, **sets))
    assert reads == 0
    assert "train: 1 pictures cannot be read and are left out: train_000003.jpg (" in capsys.readouterr().err
    assert list(json.loads((run.folder / "data.json").read_text())["train"]["left_out"]) == ["train_000003.jpg"]

    (images / "train_000005.jpg").unlink()
    with pytest.raises(DataError, match="2 of 12 pictures of train cannot be read"):
        train_detector(make_request("run", "train.epochs=3", resume=True, **sets))
    assert reads > 12


def test_many_bad_pictures_are_refused(drawn_set, tmp_path, make_request) -> None:
    images = spoil(drawn_set, tmp_path, *(f"train_{number:06}.jpg" for number in range(1, 4)))
    with pytest.raises(DataError, match="3 of 12 pictures of train cannot be read"):
        train_detector(make_request(train=[(drawn_set / "train.json", images)]))


def test_picture_that_is_gone_is_a_bad_one(drawn_set, tmp_path, make_request) -> None:
    images = spoil(drawn_set, tmp_path)
    (images / "train_000007.jpg").unlink()
    run = train_detector(make_request("run", "train.epochs=1", train=[(drawn_set / "train.json", images)]))
    assert list(json.loads((run.folder / "data.json").read_text())["train"]["left_out"]) == ["train_000007.jpg"]


def test_picture_of_another_size_than_its_record_is_a_bad_one(drawn_set, tmp_path) -> None:
    images = spoil(drawn_set, tmp_path)
    Image.new("RGB", (64, 128)).save(images / "train_000002.jpg")
    data = read_data([(drawn_set / "train.json", images)], [], DataConfig())
    found = unreadable_pictures(data, lambda: None)
    assert list(found["train"].values()) == ["the picture is 64 x 128, its record says 128 x 128"]


def test_resuming_with_other_annotations_says_which(drawn_set, tmp_path, make_request) -> None:
    def without_first(document: dict[str, Any]) -> None:
        gone = document["images"].pop(0)["id"]
        document["annotations"] = [each for each in document["annotations"] if each["image_id"] != gone]

    train_detector(make_request("run", "train.epochs=1"))
    changed = change_set(drawn_set, "train", tmp_path, without_first)
    with pytest.raises(DataError, match="train had 12 images and 27 boxes, and has 11 and 2") as caught:
        train_detector(make_request("run", "train.epochs=1", train=[changed], resume=True))
    assert "may stay among them" in caught.value.hint
    assert "val" not in caught.value.problem
    with pytest.raises(DataError, match="annotations; there is no set val;"):
        train_detector(make_request("run", "train.epochs=1", validation=[], resume=True))
