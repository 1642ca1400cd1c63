"""BatchNorm with one value a channel is refused before training, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backbones.errors import ConfigError
from detector.training.run import train_detector

# five pictures in steps of four: one is alone
TRAINED = ("model.backbone=biformer_nano", "train.epochs=1", "data.augmentation.scale=[1, 1]")


@pytest.fixture
def five(drawn_set: Path, tmp_path: Path) -> list[tuple[Path, Path]]:
    """The first five pictures of the drawn set."""
    document = json.loads((drawn_set / "train.json").read_text())
    document["images"] = document["images"][:5]
    ids = {each["id"] for each in document["images"]}
    document["annotations"] = [each for each in document["annotations"] if each["image_id"] in ids]
    path = tmp_path / "five.json"
    path.write_text(json.dumps(document))
    return [(path, drawn_set / "images")]


def size(pixels: int) -> tuple[str, str]:
    return f"model.min_size={pixels}", f"model.max_size={pixels}"


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
@pytest.mark.parametrize(
    "settings",
    [
        size(32),
        (*size(64), "data.augmentation.scale=[0.5, 1.0]"),
        (*size(96), "data.augmentation.crop_size=32"),
        (*size(32), "train.batch_size=10", "train.accumulate=5"),
    ],
)
def test_single_value_is_refused_before_the_first_step(detector, settings, five, make_request: Callable) -> None:
    request = make_request("run", *TRAINED, f"model.detector={detector}", *settings, train=five)
    with pytest.raises(ConfigError, match="BatchNorm cannot learn from one value"):
        train_detector(request)
    assert not (request.output / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    "settings",
    [
        size(64),
        (*size(32), "model.batch_norm=frozen"),
        (*size(32), "train.batch_size=5"),
        (*size(32), "model.backbone=davit_nano"),
    ],
)
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_what_is_not_refused_trains_to_its_end(detector, settings, five, make_request: Callable) -> None:
    settings = (*TRAINED, f"model.detector={detector}", *settings)
    assert train_detector(make_request("run", *settings, train=five, validation=[])).position.finished
