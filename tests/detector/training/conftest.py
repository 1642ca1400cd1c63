"""Runs on a tiny drawn data set that take seconds."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from detector.base.files import write_bytes
from detector.config import parse_config
from detector.training.config import Config
from detector.training.resolving import Request
from detector.training.run import train_detector

SETTINGS = """
model: {backbone: davit_nano, detector: faster_rcnn, min_size: 64, max_size: 64, fpn_channels: 64, box_head_width: 32,
        train_proposals: 50, proposals: 20, roi_samples: 16, anchor_scale: 0.25}
train: {epochs: 2, batch_size: 4, lr_scaling: none, warmup_steps: 2, log_steps: 1, precision: fp32}
data: {workers: 0}
"""


def request_of(drawn_set: Path, output: Path, *settings: str, **changes: object) -> Request:
    """A request for a run on the drawn set; further words are settings."""
    values: dict = {
        "config": parse_config(SETTINGS, Config, settings),
        "train": [(drawn_set / "train.json", drawn_set / "images")],
        "validation": [(drawn_set / "val.json", drawn_set / "images")],
        "output": output,
        "accelerator": "cpu",
    }
    return Request(**(values | changes))


@pytest.fixture
def make_request(drawn_set: Path, tmp_path: Path) -> Callable[..., Request]:
    """A request for a run in `tmp_path / name`; further words are settings."""

    def make(name: str = "run", *settings: str, **changes: object) -> Request:
        return request_of(drawn_set, tmp_path / name, *settings, **changes)

    return make


@pytest.fixture(scope="session")
def finished(drawn_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two epochs, the settings plain; not to be changed."""
    return train_detector(request_of(drawn_set, tmp_path_factory.mktemp("finished") / "run")).folder


@pytest.fixture
def finished_run(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` at `tmp_path / "run"`, where `make_request()` has its run."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="session")
def command(drawn_set: Path) -> Callable[..., list[str]]:
    """The words after `hoopoe` that train on the drawn set: command(config, output, *more words)."""

    def words(config: Path, output: Path, *more: str) -> list[str]:
        train = ["--train-annotations", str(drawn_set / "train.json"), "--train-images", str(drawn_set / "images")]
        val = ["--val-annotations", str(drawn_set / "val.json"), "--val-images", str(drawn_set / "images")]
        return ["train", str(config), *train, *val, "--output", str(output), "--accelerator", "cpu", *more]

    return words


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of `make_request` in a file."""
    path = tmp_path_factory.mktemp("configuration") / "tiny.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def drawn_curves() -> None:
    """Asked for by tests that look at plots/curves.png."""


@pytest.fixture(autouse=True)
def no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave plots/curves.png empty: to draw it takes longer than a small network needs for an epoch."""
    if "drawn_curves" not in request.fixturenames:
        monkeypatch.setattr(
            "detector.training.records.recorder.Recorder.draw_curves",
            lambda self: write_bytes(self.folder.plots / "curves.png", b""),
        )


@pytest.fixture
def plant_figures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make evaluations give these figures, one after the other, as AP and all else."""
    from detector.evaluation.coco import CocoMetrics

    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")

    def plant(*figures: float) -> None:
        left = iter(figures)

        def measured(*_: object) -> CocoMetrics:
            same = dict.fromkeys(names, next(left))
            return CocoMetrics(**same, per_class={}, images=5, boxes=5, max_detections=100)

        monkeypatch.setattr("detector.evaluation.evaluation.metrics_of_curves", measured)

    return plant


@pytest.fixture
def differing() -> Callable[[Path, Path], list[str]]:
    """Where the checkpoints of two runs are not the same, bit for bit."""

    def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
        if isinstance(value, dict | list | tuple):
            for key, each in value.items() if isinstance(value, dict) else enumerate(value):
                yield from leaves(each, f"{path}.{key}")
        else:
            yield path, value

    def same(a: object, b: object) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b

    def compare(run: Path, other: Path) -> list[str]:
        first, second = (dict(leaves(torch.load(each / "checkpoints/last.pt"))) for each in (run, other))
        assert first.keys() == second.keys()
        assert len(first) > 100
        return [path for path in first if not same(first[path], second[path])]

    return compare


@pytest.fixture
def metrics_of() -> Callable[[Path, str], list[dict]]:
    """The records of one kind in a run's metrics.jsonl."""

    def read(run: Path, kind: str) -> list[dict]:
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [record for record in records if record["kind"] == kind]

    return read
