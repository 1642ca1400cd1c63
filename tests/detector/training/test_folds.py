"""`train --folds`: a detector a fold, each evaluated on groups that it has not seen."""

import json

import pytest

from backbones.errors import ConfigError, DataError
from detector.cli.main import main
from detector.data.coco.reading import read_coco
from detector.training.checkpoints import Position
from detector.training.dry_run import describe_folds
from detector.training.folds import groups_of, make_folds, summarise_folds, train_folds
from detector.training.records.run_folder import RunFolder
from detector.training.run import Run


@pytest.fixture
def located(drawn_set, tmp_path):
    """The drawn training set with three cameras: two by `location`, and one more."""

    def write(change=lambda number, record: record.update(location=f"cam{number % 3}")):
        document = json.loads((drawn_set / "train.json").read_text())
        for number, record in enumerate(document["images"]):
            change(number, record)
        path = tmp_path / "all.json"
        path.write_text(json.dumps(document))
        return path, drawn_set / "images"

    return write


def test_a_picture_of_no_camera_is_named(make_request, located):
    request = make_request(train=[located(lambda *_: None)], validation=[])
    with pytest.raises(DataError, match="has no location, and no folder"):
        make_folds(request, 2, "camera")
    with pytest.raises(DataError, match="has no event"):
        make_folds(request, 2, "event")
    with pytest.raises(DataError, match="has no visit"):
        make_folds(request, 2, "visit")


def test_what_does_not_go_with_folds_is_refused(make_request, located):
    data = {"train": [located()], "validation": []}
    with pytest.raises(ConfigError, match="as many groups"):
        make_folds(make_request(**data), 4, "camera")
    with pytest.raises(ConfigError, match="no set to evaluate on"):
        make_folds(make_request(train=data["train"]), 2, "camera")
    with pytest.raises(ConfigError, match="exclude each other"):
        make_folds(make_request(**data, overfit=2), 2, "camera")
    with pytest.raises(ConfigError, match="one device"):
        make_folds(make_request(**data, devices=2), 2, "camera")


def test_cameras_are_folders_where_no_location_is_stated_and_events_have_several_names(located):
    def change(number, record):
        record["file_name"] = f"hide{number % 2}/DCIM/100RECNX/{number}.jpg"
        record["seq_id" if number % 2 else "eventID"] = number // 4

    annotations, _ = read_coco(
        [located(change)], attributes=["location", "seq_id", "event_id", "eventID", "sequence_id"]
    )
    assert groups_of(annotations, "camera") == ["hide0", "hide1"] * 6
    assert groups_of(annotations, "event") == [str(n // 4) for n in range(12)]


def test_folds_are_parts_of_the_file_that_share_no_group(make_request, located):
    path, images = located()
    request = make_request(train=[(path, images)], validation=[])
    folds = make_folds(request, 3, "camera")
    original = json.loads(path.read_text())
    seen = []
    for fold in folds:
        train, val = (json.loads(source[0][0].read_text()) for source in (fold.train, fold.validation))
        cameras = [{record["location"] for record in part["images"]} for part in (train, val)]
        assert cameras[0].isdisjoint(cameras[1])
        assert cameras[1] == set(fold.groups)
        assert len(val["annotations"]) == fold.boxes
        assert train["categories"] == val["categories"] == original["categories"]
        assert sorted(each["id"] for part in (train, val) for each in part["annotations"]) == sorted(
            each["id"] for each in original["annotations"]
        )
        seen += val["images"]
    assert sorted(each["id"] for each in seen) == sorted(each["id"] for each in original["images"])
    with pytest.raises(ConfigError, match="already are folds"):
        make_folds(request, 3, "camera")
    with pytest.raises(ConfigError, match="other folds"):
        make_folds(make_request(train=[(path, images)], validation=[], resume=True), 2, "camera")


def test_parts_of_other_folds_are_not_taken_and_no_run_is_written_over(make_request, located):
    request = make_request(train=[located()], validation=[])
    two = make_folds(request, 2, "camera")
    for name in ("folds.json", "config.yaml"):  # as they were not there yet, had it been killed
        (request.output / name).unlink()
    three = make_folds(request, 3, "camera")
    assert {fold.images for fold in three} != {fold.images for fold in two}
    for fold in three:
        assert len(json.loads(fold.validation[0][0].read_text())["images"]) == fold.images
    (request.output / "folds.json").unlink()
    for resume in (False, True):
        with pytest.raises(ConfigError, match="already is a run"):
            make_folds(make_request(train=[located()], validation=[], resume=resume), 3, "camera")


def test_a_dry_run_describes_the_folds_and_the_first_run_and_writes_nothing(make_request, located):
    request = make_request(train=[located()], validation=[])
    folds, *run = describe_folds(request, 3, "camera")
    made = make_folds(request, 3, "camera")
    for fold, line in zip(made, folds.lines, strict=False):
        assert line.startswith(f"fold {fold.number}: {fold.images} pictures with {fold.boxes} boxes")
        assert line.endswith(f"1 groups by camera: {fold.groups[0]}")
    assert [topic.name for topic in run] == ["model", "data", "schedule", "memory"]
    assert any(f"{12 - made[0].images} images" in line for line in run[1].lines), "those that fold 1 trains on"
    with pytest.raises(ConfigError, match="already is a run"):
        describe_folds(request, 3, "camera")


def test_a_stopped_fold_ends_the_training_of_the_others(make_request, located):
    request = make_request(train=[located()], validation=[])
    folds, asked = make_folds(request, 3, "camera"), []

    def stopping(each):
        asked.append(each)
        return Run(Position(finished=len(asked) < 2), RunFolder(each.output))

    assert train_folds(request, folds, lambda text: None, stopping).folder == folds[1].output
    assert [each.output for each in asked] == [folds[0].output, folds[1].output]
    assert all(each.resume and each.train and each.validation for each in asked)


def test_folds_are_trained_summed_up_and_not_trained_again(make_request, located, tiny_yaml, tmp_path, capsys):
    path, images = located()
    words = ["train", str(tiny_yaml), "--train-annotations", str(path), "--train-images", str(images)]
    settings = ["--folds", "2", "--output", str(tmp_path / "k"), "--accelerator", "cpu", "--set", "train.epochs=1"]
    assert main([*words, *settings]) == 0
    listed = json.loads((tmp_path / "k/folds.json").read_text())
    assert [row["fold"] for row in listed["figures"]] == [1, 2]
    values = [row["AP50"] for row in listed["figures"]]
    assert listed["mean"]["AP50"] == pytest.approx(sum(values) / 2)
    assert listed["spread"]["AP50"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    said = capsys.readouterr().out
    assert "spread" in said
    assert "fold 2 of 2" in said
    weights = [(tmp_path / f"k/fold{number}/best.safetensors").stat().st_mtime_ns for number in (1, 2)]
    assert main(["train", "--resume", str(tmp_path / "k")]) == 0
    assert weights == [(tmp_path / f"k/fold{number}/best.safetensors").stat().st_mtime_ns for number in (1, 2)]
    assert json.loads((tmp_path / "k/folds.json").read_text()) == listed


def test_a_fold_without_a_figure_leaves_the_mean_to_the_others(make_request, located, monkeypatch):
    request = make_request(train=[located()], validation=[])
    folds = make_folds(request, 3, "camera")
    figures = iter([{"AP": 0.2, "AP50": None}, {"AP": None, "AP50": None}, {"AP": 0.4, "AP50": None}])

    class Meta:
        def __init__(self, metrics):
            self.metrics = metrics

    monkeypatch.setattr("detector.training.folds.read_detector", lambda path: ({}, Meta(next(figures))))
    summary = summarise_folds(request.output, folds)
    assert summary["mean"] == {"AP": pytest.approx(0.3), "AP50": None, "AR100": None}
    assert summary["spread"]["AP"] == pytest.approx(0.2 / 2**0.5)
