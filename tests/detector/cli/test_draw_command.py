"""`hoopoe draw`, run as a user runs it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from detector.cli.main import main


def test_draw_writes_scenes_of_the_size_asked_for_that_doctor_finds_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    assert main(["draw", str(folder), "--train", "6", "--val", "2", "--size", "96", "64"]) == 0
    for split, count in (("train", 6), ("val", 2)):
        drawn = json.loads((folder / f"{split}.json").read_text())
        assert len(drawn["images"]) == count
        assert {Image.open(folder / "images" / each["file_name"]).size for each in drawn["images"]} == {(96, 64)}
    assert main(["doctor", str(folder / "train.json"), "--images", str(folder / "images")]) == 0


def test_the_smallest_bird_is_as_long_as_asked_for(tmp_path: Path) -> None:
    lengths = {}
    for smallest in (8, 60):
        folder = tmp_path / str(smallest)
        words = [
            "draw",
            str(folder),
            "--train",
            "30",
            "--val",
            "0",
            "--size",
            "128",
            "128",
            "--smallest",
            str(smallest),
        ]
        assert main([*words, "--smallest", str(smallest)]) == 0
        boxes = [each["bbox"] for each in json.loads((folder / "train.json").read_text())["annotations"]]
        lengths[smallest] = sorted(max(box[2:]) for box in boxes)[len(boxes) // 4]
    assert lengths[60] > 2 * lengths[8]


@pytest.mark.parametrize("words", [["--train", "-1"], ["--size", "0", "64"], ["--smallest", "0"]])
def test_numbers_that_draw_nothing_are_refused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", str(tmp_path / "drawn"), *words]) == 2
    assert words[0] in capsys.readouterr().err
