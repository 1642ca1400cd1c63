"""`hoopoe quickstart`: a set is parted by what was taken together, a small detector is trained and measured."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import DataError
from detector.cli.main import main
from detector.cli.quickstart import CONFIG, NEXT_CONFIG
from detector.config import shipped_folder
from detector.data.coco.splitting import split_by_groups
from detector.models import load_detector

NAMES = st.lists(st.from_regex(r"(cam[1-9]/)?IMG_[0-9]{1,4}\.jpg", fullmatch=True), min_size=12, unique=True)


@pytest.mark.parametrize("names", [[], ["a.jpg"], ["a.jpg", "b.jpg"]])
def test_too_few_pictures_are_not_parted(names: list[str]) -> None:
    with pytest.raises(DataError, match="too few to keep some for evaluation"):
        split_by_groups(names, Counter(names[:1]))


@given(NAMES)
def test_each_picture_is_in_one_part_and_both_parts_have_boxes(names: list[str]) -> None:
    split = split_by_groups(names, Counter(names))
    assert split.train | split.val == set(names)
    assert not split.train & split.val
    assert split.train
    assert split.val
    assert split_by_groups(list(reversed(names)), Counter(names)) == split


def test_whole_folders_are_kept_and_said() -> None:
    names = [f"camera_{camera}/IMG_{number}.jpg" for camera in range(10) for number in range(7)]
    split = split_by_groups(names, Counter(names))
    assert split.rule.startswith("14 of 70 pictures are kept for evaluation: 2 of 10 folders")
    assert not {name.partition("/")[0] for name in split.train} & {name.partition("/")[0] for name in split.val}


def test_of_one_folder_what_names_begin_with_stays_together() -> None:
    names = [f"north-{burst}-{shot}.jpg" for burst in range(6) for shot in range(4)]
    split = split_by_groups(names, Counter(names))
    assert "2 of 6 beginnings of names" in split.rule
    assert not {name[:7] for name in split.train} & {name[:7] for name in split.val}


def test_of_names_that_only_count_neighbours_stay_together() -> None:
    names = [f"{number:04}.jpg" for number in range(200)]
    split = split_by_groups(names, Counter(names))
    assert "2 of 10 neighbours by name" in split.rule
    assert {int(name[:4]) // 20 for name in split.train}.isdisjoint({int(name[:4]) // 20 for name in split.val})


def test_pictures_without_boxes_alone_are_nothing_to_measure_by() -> None:
    names = [f"camera_{camera}/IMG_{number}.jpg" for camera in range(10) for number in range(7)]
    boxes = Counter(name for name in names if name.startswith(("camera_1/", "camera_5/")))
    split = split_by_groups(names, boxes)
    assert all(any(boxes[name] for name in part) for part in (split.train, split.val))


def test_the_configurations_that_it_names_are_shipped() -> None:
    for name in (CONFIG, NEXT_CONFIG):
        assert (shipped_folder() / f"{name}.yaml").is_file()


def test_a_detector_and_its_figures_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tmp_path / "drawn"
    assert main(["draw", str(drawn), "--scenes", "demo", "--size", "96", "96", "--train", "12", "--val", "0"]) == 0
    out = tmp_path / "first try"
    words = ["quickstart", str(drawn / "train.json"), str(drawn / "images"), "--output", str(out), "--epochs", "1"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "pictures are kept for evaluation" in said
    parts = [json.loads((out / f"{part}.json").read_text()) for part in ("train", "val")]
    assert sum(len(part["images"]) for part in parts) == 12
    assert all(part["annotations"] for part in parts)
    figures = json.loads((out / "report" / "metrics.json").read_text())
    assert figures["images"] == len(parts[1]["images"])
    assert f"On {figures['images']} pictures that it has not seen: AP50" in said
    assert load_detector(out / "detector", "cpu").categories
    assert f"hoopoe predict {drawn / 'images'} --model" in said

    assert main(words) == 0, "a finished run is evaluated again"
    assert "this run is finished" in capsys.readouterr().out


def test_what_is_no_coco_file_says_who_knows_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"images": [{"id": 1}], "annotations": []}')
    assert main(["quickstart", str(file), str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert f"`hoopoe doctor {file}" in capsys.readouterr().err
    assert main(["quickstart", str(file), str(tmp_path), "--epochs", "0"]) == 2
    assert "--epochs" in capsys.readouterr().err
