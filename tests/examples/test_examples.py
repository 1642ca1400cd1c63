"""Each example does on small data what its page promises, within seconds."""

from __future__ import annotations

import importlib.util
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import detector as hp
from detector.models import ModelConfig
from tests.detector.annotation.conftest import spread_labels

FOLDER = Path(__file__).parents[2] / "examples"


def main_of(name: str) -> Callable[..., None]:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Callable[..., None] = module.main
    return main


@pytest.fixture
def bird_detector(workshop: Path) -> str:
    """A detector that finds birds wherever it looks."""
    torch.manual_seed(0)
    small = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "backbone_size": (64, 64)}
    small |= {"min_size": 64, "max_size": 96, "max_detections": 3, "score_threshold": 0.2}
    net = hp.build_detector(ModelConfig.model_validate(small))
    spread_labels(net)
    hp.Detector.of(net).save("any.safetensors")
    return "any.safetensors"


def test_every_example_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {
        "crop_and_classify",
        "fine_tune",
        "read_store",
        "train_own_loop",
    }


def test_train_own_loop(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("train_own_loop")("train.json", "photos", "mine.safetensors", "small.yaml", 2)
    assert capsys.readouterr().out.count("epoch") == 2
    assert hp.load_detector("mine.safetensors").categories == ("Hoopoe", "Great tit", "Common kestrel")


def test_fine_tune(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("fine_tune")("train.json", "val.json", "photos", "runs/mine", "small.yaml", 1)
    assert "epoch 1: AP" in capsys.readouterr().out
    assert (workshop / "runs/mine/evaluation/metrics.json").exists()


def test_crop_and_classify_a_folder_and_shards_alike(
    workshop: Path, bird_detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = main_of("crop_and_classify")
    main("photos", bird_detector, "species.safetensors")
    folder = capsys.readouterr().out.splitlines()
    photos = sorted((workshop / "photos").iterdir())
    for shard in range(2):
        with tarfile.open(f"shard-{shard}.tar", "w") as archive:
            for photo in photos[6 * shard : 6 * shard + 6]:
                archive.add(photo, photo.name)
    main("shard-*.tar", bird_detector, "species.safetensors")
    shards = capsys.readouterr().out.splitlines()
    assert folder[-1] == shards[-1] == f"{len(folder) - 1} birds"
    assert len(folder) > len(photos)
    assert [line.split("/")[-1] for line in folder] == [line.split("/")[-1] for line in shards]


def test_read_store(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hp.annotate("CARD", "OUT", detector="birds.safetensors", species="species.safetensors", quiet=True)
    main_of("read_store")("OUT")
    printed = capsys.readouterr().out
    assert "independent events, 1 cameras" in printed
    assert "of 5 files are blank" in printed
    assert "boxes" in printed
