"""`hoopoe classify` and `download`, run as a user runs them."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import backbones
from backbones import pretrained
from backbones.errors import DownloadError
from detector.cli.main import main

RGB_STATS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = backbones.create_model("biformer_nano", num_classes=3, input_size=(64, 64))
    path = tmp_path / "species.safetensors"
    backbones.save_pretrained(path, net, class_to_idx={"crow": 0, "jay [juv.]": 1, "roller": 2}, rgb_stats=RGB_STATS)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "bird.jpg"
    Image.new("RGB", (90, 70), (200, 120, 40)).save(path)
    return path


def test_classify_prints_the_best_species_first(
    weights: Path, picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")  # a pipe has no width: nothing is cut or broken
    assert main(["classify", str(picture), "--model", str(weights)]) == 0
    heading, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert heading == ["picture", "species", "probability"]
    assert rows[0][0] == str(picture)
    rows[0].pop(0)
    assert sorted(" ".join(words[:-1]) for words in rows) == ["crow", "jay [juv.]", "roller"]
    probabilities = [float(words[-1]) for words in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=0.002)


def test_classify_shows_as_many_as_asked_for(weights: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(picture), "--model", str(weights), "--top", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2
    assert main(["classify", str(picture), "--model", str(weights), "--top", "0"]) == 2
    assert "argument --top: 0 is not a whole number from 1 up" in capsys.readouterr().err


@pytest.fixture
def folder(picture: Path) -> Path:
    """A folder with a picture that cannot be read, and one in a folder below."""
    below = picture.parent / "card" / "below"
    below.mkdir(parents=True)
    picture.rename(below / "bird.jpg")
    (below.parent / "page.jpg").write_text("<html>")
    (below.parent / "notes.txt").touch()
    return below.parent


def test_classify_takes_folders_and_writes_a_table(
    weights: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "names.csv"
    assert main(["classify", str(folder), "--model", str(weights), "--output", str(output)]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{output}: 1 of 2 pictures\n"
    assert f"where: {folder / 'page.jpg'}" in captured.err
    with output.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["picture"], row["rank"]) for row in rows[:3]] == [("below/bird.jpg", rank) for rank in "123"]
    assert rows[3]["picture"] == "page.jpg"
    assert rows[3]["failure"]


def test_classify_writes_json(weights: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "names.json"
    assert main(["classify", str(folder), "--model", str(weights), "--output", str(output), "--top", "1"]) == 1
    bird, page = json.loads(output.read_text())["images"]
    assert (bird["file"], len(bird["species"])) == ("below/bird.jpg", 1)
    assert 0 <= bird["species"][0]["probability"] <= 1
    assert page["failure"]


@pytest.mark.parametrize("name", ["names.xlsx", "names", "."])
def test_other_outputs_are_refused_before_the_model_is_loaded(
    name: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(picture), "--model", "gone", "--output", str(tmp_path / name)]) == 2
    assert "results are .json or .csv" in capsys.readouterr().err


def test_a_folder_without_photos_says_so(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["classify", str(tmp_path / "empty"), "--model", str(weights)]) == 2
    assert "there are no photos in this folder" in capsys.readouterr().err


def test_bad_picture_does_not_cost_the_others(
    weights: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_picture = tmp_path / "page.jpg"
    no_picture.write_text("<html>")
    assert main(["classify", str(no_picture), str(picture), "--model", str(weights)]) == 1
    captured = capsys.readouterr()
    assert f"where: {no_picture}" in captured.err
    assert captured.out.count("roller") == 1


def test_classify_without_a_usable_model_exits_with_2(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(picture), "--model", str(picture)]) == 2
    assert str(picture) in capsys.readouterr().err


def test_download_goes_on_after_a_model_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download(name: str) -> Path:
        if name == "lost":
            raise DownloadError("no network", where=name, hint="connect")
        return Path("cache") / name

    monkeypatch.setattr(pretrained, "download", download)
    assert main(["download", "lost", "found"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"found: {Path('cache/found')}\n"
    assert captured.err == "error: no network\nwhere: lost\nhint:  connect\n"
    assert main(["download", "lost"]) == 2
