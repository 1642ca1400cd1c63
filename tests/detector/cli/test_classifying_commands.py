"""`hoopoe classify` and `download`, run as a user runs them."""

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
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["classify", str(picture), "--model", str(weights)]) == 0
    rows = [line.split("│")[2:4] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert sorted(name.strip() for name, _ in rows) == ["crow", "jay [juv.]", "roller"]
    probabilities = [float(probability) for _, probability in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=0.002)


def test_classify_shows_as_many_as_asked_for(weights: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(picture), str(picture), "--model", str(weights), "--top", "2"]) == 0
    assert sum(line.startswith("│") for line in capsys.readouterr().out.splitlines()) == 4
    assert main(["classify", str(picture), "--model", str(weights), "--top", "0"]) == 2
    assert "where: --top" in capsys.readouterr().err


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
