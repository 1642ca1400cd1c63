"""Sheets of a data set: pictures as training sees them, and what the doctor found."""

import json

import numpy as np
import pytest
from PIL import Image

from detector.cli.main import main
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset

GREEN = np.array((64, 220, 80))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Eight drawn scenes of 96 x 64."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_dataset(folder, 8, 2, SceneSet(0, (96, 64)))
    return folder


def show(drawn, output, *words, annotations=None):
    path = str(annotations or drawn / "train.json")
    return main(["show", path, "--images", str(drawn / "images"), "--output", str(output), *map(str, words)])


def sheet(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def green(pixels):
    """How many pixels have the colour of boxes."""
    return int((np.abs(pixels - GREEN).max(axis=2) < 12).sum())


def test_training_pictures_are_drawn_with_their_boxes(drawn, tmp_path):
    assert show(drawn, tmp_path, "--count", 6, "--set", "model.min_size=128", "model.max_size=192") == 0
    pixels = sheet(tmp_path / "training.png")
    assert pixels.shape[1] > 1600
    assert green(pixels) > 500


def test_the_same_epoch_shows_the_same_and_another_another(drawn, tmp_path):
    small = ("--count", 4, "--set", "model.min_size=128", "model.max_size=192")
    for name, epoch in (("a", 0), ("b", 0), ("c", 1)):
        assert show(drawn, tmp_path / name, "--epoch", epoch, *small) == 0
    a, b, c = (sheet(tmp_path / name / "training.png") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_plain_pictures_are_as_evaluation_sees_them(drawn, tmp_path):
    small = ("--plain", "--count", 4, "--set", "model.min_size=128", "model.max_size=192")
    for name, epoch in (("a", 0), ("b", 1)):
        assert show(drawn, tmp_path / name, "--epoch", epoch, *small) == 0
    assert np.array_equal(sheet(tmp_path / "a/plain.png"), sheet(tmp_path / "b/plain.png"))


def test_findings_are_shown_also_of_a_set_that_cannot_be_read(drawn, tmp_path, capsys):
    document = json.loads((drawn / "train.json").read_text())
    boxed = document["annotations"]
    boxed[0]["bbox"] = [80, 5, 60, 30]  # hangs over
    boxed[1]["category_id"] = 99
    boxed[2]["bbox"] = ["x", None, {}]
    boxed[3]["image_id"] = 999
    document["images"][-1]["file_name"] = "none.png"
    path = tmp_path / "spoiled.json"
    path.write_text(json.dumps(document))
    assert show(drawn, tmp_path, "--findings", annotations=path) == 2
    assert "findings.png" in capsys.readouterr().out
    assert green(sheet(tmp_path / "findings.png")) > 100
    assert not (tmp_path / "training.png").exists()


def test_a_sound_set_has_an_empty_sheet_of_findings(drawn, tmp_path):
    assert show(drawn, tmp_path, "--findings", "--count", 1) == 0
    assert green(sheet(tmp_path / "findings.png")) == 0
