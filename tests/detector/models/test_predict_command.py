import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.annotation.importing.reading import read_detections
from detector.cli.main import main
from detector.cli.options.models import model_kind
from detector.cli.predict import output_paths
from detector.data.images import read_image
from detector.models import detect, load_detector
from detector.models.detector import Detector
from detector.models.saving import save_detector
from detector.models.tta import detect_augmented


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


def test_folders_become_a_table_with_a_row_a_box(model_file: Path, tmp_path: Path, capsys) -> None:
    write_photo(tmp_path / "card" / "a" / "1.jpg")
    (tmp_path / "card" / "bad.jpg").write_text("<html>")
    output = tmp_path / "found.csv"
    words = ["predict", str(tmp_path / "card"), "--model", str(model_file), "--score-threshold", "0"]
    assert main([*words, "--output", str(output)]) == 1
    assert capsys.readouterr().out == f"{output}: 3 boxes in 1 of 2 pictures, 1 could not be read\n"
    with output.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"] for row in rows] == ["a/1.jpg"] * 3 + ["bad.jpg"]
    for row in rows[:3]:
        left, top, right, bottom = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
        assert 0 <= left < right <= 120
        assert 0 <= top < bottom <= 90
        assert (row["category"], row["width"], row["height"]) == ("heron", "120", "90")
    assert rows[3]["failure"]

    assert main([*words, "--output", str(output), "--score-threshold", "1"]) == 1
    with output.open(encoding="utf-8-sig", newline="") as file:
        assert [(row["picture"], row["category"]) for row in csv.DictReader(file)] == [("a/1.jpg", ""), ("bad.jpg", "")]


def test_json_is_read_by_classify_crops_as_it_was_written(model_file: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "card" / "a" / "1.jpg")
    (tmp_path / "card" / "bad.jpg").write_text("<html>")
    output = tmp_path / "found.json"
    words = ["predict", str(tmp_path / "card"), "--model", str(model_file), "--score-threshold", "0"]
    assert main([*words, "--output", str(output)]) == 1
    imported = read_detections([output])
    assert imported.categories == ("heron",)
    good, bad = imported
    assert (good.path, bad.path) == ("a/1.jpg", "bad.jpg")
    assert bad.failure
    [found] = detect(load_detector(model_file, "cpu"), [read_image(tmp_path / "card" / "a" / "1.jpg")])
    [frame] = good.frames
    expected = found.boxes_xyxy / [120, 90, 120, 90]
    expected[:, 2:] -= expected[:, :2]
    np.testing.assert_allclose(frame.boxes_xywh, expected, atol=1e-4)


def test_a_classifier_is_refused_with_advice_for_this_command(tmp_path: Path, capsys) -> None:
    assert main(["predict", "x.jpg", "--model", "davit_tiny_il-all"]) == 2
    assert "`hoopoe classify --model davit_tiny_il-all` names the birds" in capsys.readouterr().err
    assert main(["annotate", str(tmp_path), "--output", str(tmp_path), "--detector", "davit_tiny_il-all"]) == 2
    assert "a classifier is given by --species" in capsys.readouterr().err
    assert main(["classify", "x.jpg", "--model", "coco"]) == 2
    assert "`hoopoe predict --model coco` finds birds" in capsys.readouterr().err


def test_weights_say_themselves_what_they_are(model_file: Path, tmp_path: Path) -> None:
    assert model_kind(tmp_path / "gone") is None
    assert model_kind(model_file) == model_kind("coco") == "detector"
    assert model_kind("davit_tiny_il-all") == "classifier"
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(model_file.read_bytes()[:40])
    assert model_kind(damaged) is None


def test_augmented_boxes_are_those_of_the_library(model_file: Path, tmp_path: Path) -> None:
    photo, output = write_photo(tmp_path / "1.jpg"), tmp_path / "found.csv"
    words = ["predict", str(photo), "--model", str(model_file), "--score-threshold", "0", "--output", str(output)]
    assert main([*words, "--tta", "--device", "cpu"]) == 0
    with output.open(encoding="utf-8-sig", newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    [expected] = detect_augmented(load_detector(model_file, "cpu"), [read_image(photo)])
    np.testing.assert_allclose(scores, expected.scores, atol=1e-3)
