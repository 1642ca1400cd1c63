"""A folder of small models, photos and cards, in which the examples of the library run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.stand_ins import make_workshop
from tests.sharing import made_once


@pytest.fixture(scope="session")
def made_workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "library", with_small_models)


def with_small_models(folder: Path) -> None:
    import torch

    from detector.models import Detector, ModelConfig, build_detector

    make_workshop(folder)
    shutil.copy(folder / "stand_ins/small.yaml", folder)
    shutil.copy(folder / "ebird_IL__2015_2025_1_12_barchart.txt", folder / "barchart.txt")
    torch.manual_seed(0)
    small = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "backbone_size": (64, 64)}
    config = ModelConfig.model_validate({**small, "min_size": 64, "max_size": 96, "categories": ("bird", "person")})
    Detector.of(build_detector(config)).save(folder / "birds.safetensors")
