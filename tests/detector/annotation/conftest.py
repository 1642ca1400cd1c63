"""Small networks with random weights, and cards of small real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import backbones
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.readers import Readers
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.models.saving import load_detector, save_detector
from detector.species.classifier import SpeciesClassifier
from tests.detector.annotation.store_checks import read_store

CPU = torch.device("cpu")
CLASSES = ("Parus major", "Upupa epops", "Turdus merula")


@pytest.fixture(scope="session")
def detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that finds a few birds and people wherever it looks."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}
        | {"categories": ["bird", "person"], "max_detections": 6, "proposals": 50, "backbone_size": (64, 64)}
    )
    model = build_detector(config)
    spread_labels(model)
    path = tmp_path_factory.mktemp("models") / "nano.safetensors"
    save_detector(path, Detector.of(model))
    return path


def spread_labels(model: Any) -> None:
    """Let the labels of a random detector differ from box to box: centre its logits, and enlarge them."""
    layer, seen = model.roi_heads.box_predictor.cls_score, []
    handle = layer.register_forward_hook(lambda *args: seen.append(args[2]))
    detect(Detector.of(model), [picture(seed) for seed in range(4)])
    handle.remove()
    logits = torch.cat(seen)
    with torch.no_grad():
        scale = 1 / logits.std(dim=0, keepdim=True).T
        layer.weight *= scale
        layer.bias.copy_((layer.bias - logits.mean(dim=0)) * scale[:, 0])


@pytest.fixture(scope="session")
def species_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three species."""
    return save_species(tmp_path_factory.mktemp("models") / "species.safetensors", seed=1)


def save_species(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    net = backbones.create_model("davit_nano", num_classes=len(CLASSES), input_size=(64, 64))
    stats = {"mean": [0.5] * 3, "std": [0.25] * 3}
    backbones.save_pretrained(path, net, class_to_idx={name: i for i, name in enumerate(CLASSES)}, rgb_stats=stats)
    return path


@pytest.fixture(scope="session")
def detector(detector_file: Path) -> Detector:
    return load_detector(detector_file, CPU, "fp32")


@pytest.fixture(scope="session")
def species(species_file: Path) -> SpeciesClassifier:
    return SpeciesClassifier.load(species_file)


@pytest.fixture(scope="session")
def readers() -> Iterator[Readers]:
    """One reading process for all tests: it takes seconds to start."""
    with Readers(1) as started:
        yield started


@pytest.fixture
def work() -> WorkOptions:
    return WorkOptions(batch_size=3, crop_batch_size=5, workers=1)


@pytest.fixture
def settings(work: WorkOptions, readers: Readers) -> RunSettings:
    """Small batches, read by the one process."""
    return RunSettings(work, quiet=True, readers=readers)


def picture(seed: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """Blurred noise: pictures that differ."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.array(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def save_photo(path: Path, seed: int, width: int = 160, height: int = 120) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, width, height)).save(path, quality=90)
    return path


def save_video(path: Path, frames: int, seed: int = 0, rate: int = 5, still: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first = picture(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], "yuv420p"
        for number in range(frames):
            moved = first if still else np.roll(first, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make_card(tmp_path: Path) -> Callable[..., Path]:
    """A card of photos of two sizes and a video."""

    def make(name: str = "card", photos: int = 6, videos: int = 1) -> Path:
        root = tmp_path / name
        for number in range(photos):
            size = (160, 120) if number % 3 else (200, 90)
            save_photo(root / "DCIM" / f"IMG_{number:04d}.JPG", number, *size)
        for number in range(videos):
            save_video(root / "DCIM" / f"VID_{number:04d}.mp4", frames=12, seed=100 + number)
        return root

    return make


@pytest.fixture
def run(detector, species, work, readers, tmp_path):
    """Annotates folders into a store under the test's folder."""

    def annotate_into(name, *inputs, work=work, roots=None, **seeing):
        request = AnnotateRequest(inputs, tmp_path / name, SeeingOptions(**seeing), roots or {})
        report = annotate(request, Models(detector, species), RunSettings(work, quiet=True, readers=readers))
        return report, read_store(tmp_path / name)

    return annotate_into
