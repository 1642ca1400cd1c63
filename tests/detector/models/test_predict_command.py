from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.cli.main import main
from detector.cli.predict import output_paths
from detector.models.detector import Detector
from detector.models.saving import save_detector


@pytest.fixture
def model_file(tmp_path: Path, make_detector) -> Path:
    model = make_detector(categories=["heron"], max_detections=3)
    path = tmp_path / "bird.safetensors"
    save_detector(path, Detector.of(model))
    return path


def write_photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(path)
    return path


def test_it_prints_a_table_and_writes_the_pictures(model_file: Path, tmp_path: Path, capsys) -> None:
    photo = write_photo(tmp_path / "נחל" / "IMG 1.jpg")
    output = tmp_path / "out"
    assert main(["predict", str(photo), "--model", str(model_file), "--drawn", str(output)]) == 0
    assert capsys.readouterr().out.count("heron") == 3
    drawn = Image.open(output / "IMG 1.png")
    assert drawn.size == (120, 90)
    assert (np.asarray(drawn) != np.asarray(Image.open(photo))).any()


def test_a_picture_without_detections_is_listed(model_file: Path, tmp_path: Path, capsys) -> None:
    photo = write_photo(tmp_path / "blank.jpg")
    assert main(["predict", str(photo), "--model", str(model_file), "--score-threshold", "1"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_a_bad_picture_does_not_cost_the_others(model_file: Path, tmp_path: Path, capsys) -> None:
    good, bad = write_photo(tmp_path / "good.jpg"), tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 no picture")
    words = ["predict", str(bad), str(tmp_path / "missing.jpg"), str(good), "--model", str(model_file)]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "heron" in printed.out
    assert str(bad) in printed.err
    assert "missing.jpg" in printed.err


@pytest.mark.parametrize("score", ["-0.1", "1.5", "nan"])
def test_a_score_that_is_none_is_refused(score: str, tmp_path: Path, capsys) -> None:
    assert main(["predict", "x.jpg", "--model", "coco", f"--score-threshold={score}"]) == 2
    assert "--score-threshold" in capsys.readouterr().err


def test_no_output_replaces_a_picture_or_another_output(tmp_path: Path) -> None:
    pictures = [tmp_path / "a.png", tmp_path / "card1" / "IMG_1.jpg", tmp_path / "card2" / "img_1.jpg"]
    assert [path.name for path in output_paths(pictures, tmp_path)] == ["a_2.png", "IMG_1.png", "img_1_2.png"]
