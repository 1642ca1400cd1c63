"""Crops of colours that a tiny network tells apart in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.config import parse_config
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.request import SpeciesRequest
from detector.training.classifier.run import SpeciesRun, train_species_classifier
from detector.training.classifier.sources import FolderCrops

COLOURS = {"White stork": (230, 230, 230), "Hooded crow": (40, 40, 60), "Upupa epops": (220, 130, 60)}
OTHERS = (20, 200, 30)
CAMERAS, OF_EACH = 5, 2
SETTINGS = """
model: {backbone: davit_nano, size: 32}
data: {workers: 0}
train: {epochs: 2, batch_size: 8, lr: 1.0e-3, lr_scaling: none, warmup_steps: 2, log_steps: 1, precision: fp32,
        checkpoint_steps: 1}
"""


def paint(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A noisy picture of a colour."""
    noise = np.random.default_rng(seed).normal(0, 20, (36, 40, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three species and what is no bird, of five cameras; not to be changed."""
    folder = tmp_path_factory.mktemp("crops")
    for number, (name, colour) in enumerate({**COLOURS, "not_a_bird": OTHERS}.items()):
        for camera in range(CAMERAS):
            for place in range(OF_EACH):
                path = folder / name / f"cam{camera}" / f"IMG_{place:03}.png"
                paint(path, colour, 100 * number + 10 * camera + place)
    return folder


@pytest.fixture(scope="session")
def request_of() -> Callable[..., SpeciesRequest]:
    """A request for a run: request_of(output, *settings, **changes)."""

    def make(output: Path, *settings: str, **changes: object) -> SpeciesRequest:
        config = parse_config(SETTINGS, SpeciesConfig, settings)
        return SpeciesRequest(config, output, accelerator="cpu", **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def finished(
    crops: Path, request_of: Callable[..., SpeciesRequest], tmp_path_factory: pytest.TempPathFactory
) -> SpeciesRun:
    """A finished run of two epochs from nothing; not to be changed."""
    return train_species_classifier(request_of(tmp_path_factory.mktemp("run") / "run"), [FolderCrops(crops)])
