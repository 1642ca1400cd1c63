"""Runs are kept by MLflow and Weights & Biases too, offline, and no failure of theirs costs a run."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from backbones.errors import ConfigError
from detector.training.records import trackers
from detector.training.records.run_folder import RunFolder
from detector.training.records.trackers import Ending, TensorBoard, Trackers, open_trackers
from detector.training.run import train_detector

SETTINGS = {"train.lr": 2e-4, "model.categories": ["x" * 600]}
PICTURE = np.full((20, 30, 3), 200, np.uint8)


class Fake:
    """Remembers what it is told; fails where it is asked to."""

    told: ClassVar[list[tuple[Any, ...]]] = []
    fails_at: ClassVar[int | None] = None

    def __init__(self, folder: RunFolder, settings: Mapping[str, Any], known: str | None) -> None:
        self.id = known or "number 1"
        self._tell("begin", known, settings["train.epochs"])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._tell("scalars", step, sorted(values))

    def picture(self, step: int, name: str, picture: Any) -> None:
        self._tell("picture", step, name, picture.dtype, picture.ndim)

    def close(self, files: Sequence[Path], ending: Ending) -> None:
        self._tell("close", [path.name for path in files], ending)

    def _tell(self, *what: Any) -> None:
        if len(Fake.told) == Fake.fails_at:
            raise ConnectionError("the network is gone")
        Fake.told.append(what)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setitem(trackers.KINDS, "wandb", Fake)
    monkeypatch.setattr(trackers, "refuse_missing_trackers", lambda names: None)
    monkeypatch.setattr("detector.training.resolving.refuse_missing_trackers", lambda names: None)
    Fake.told, Fake.fails_at = [], None
    return Fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run's folder in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    run = RunFolder(tmp_path / "mine")
    run.root.mkdir()
    run.config.write_text("train: {lr: 2e-4}\n")
    return run


def test_without_trackers_nothing_is_written(folder: RunFolder) -> None:
    assert open_trackers([], folder, SETTINGS) == []
    assert [path.name for path in folder.root.iterdir()] == ["config.yaml"]


def test_what_is_not_installed_is_refused_before_anything_else(make_request, monkeypatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "mlflow" else find_spec(name))
    with pytest.raises(ConfigError, match=r"mlflow is not installed") as caught:
        train_detector(make_request("run", "train.trackers=[mlflow]"))
    assert caught.value.hint == "pip install hoopoe[mlflow]"
    assert not (make_request("run").output).exists()


def test_a_run_tells_its_figures_and_goes_on_under_its_number(make_request, fake: type[Fake]) -> None:
    run = train_detector(make_request("run", "train.trackers=[wandb]", "train.epochs=1"))
    begin, *steps, evaluation, picture, close = fake.told
    assert begin == ("begin", None, 1)
    assert [each[:2] for each in steps] == [("scalars", 1), ("scalars", 2), ("scalars", 3)]
    assert {"train/loss", "train/lr", "train/loss_classifier"} <= set(steps[0][2])
    assert evaluation[:2] == ("scalars", 3)
    assert {"validation/AP", "validation/AP50"} <= set(evaluation[2])
    assert picture == ("picture", 3, "examples", np.uint8, 3)
    assert close == ("close", ["config.yaml", "model_card.md", "curves.png"], "finished")

    fake.told.clear()
    fake.fails_at = 2
    run = train_detector(make_request("run", "train.trackers=[wandb]", "train.epochs=2", resume=True))
    assert fake.told[0] == ("begin", "number 1", 2)
    assert len(fake.told) == 2, "then the network was gone"
    assert run.position.finished


def test_a_run_goes_on_without_a_tracker_that_is_not_there_any_more(make_request, fake: type[Fake]) -> None:
    train_detector(make_request("run", "train.trackers=[wandb]", "train.epochs=1"))
    fake.told.clear()
    assert train_detector(make_request("run", "train.epochs=2", resume=True)).position.finished
    assert fake.told == []


def test_one_that_cannot_begin_is_an_error_with_a_hint(folder: RunFolder, fake: type[Fake]) -> None:
    fake.fails_at = 0
    with pytest.raises(ConfigError, match=r"wandb cannot keep this run \(ConnectionError: the network") as caught:
        open_trackers(["wandb"], folder, {"train.epochs": 1})
    assert "WANDB_MODE=offline" in caught.value.hint


def test_one_that_cannot_begin_leaves_no_run_in_the_way_of_the_next_try(make_request, fake, monkeypatch) -> None:
    def unreachable(*_: object) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setitem(trackers.KINDS, "mlflow", unreachable)
    request = make_request("run", "train.trackers=[wandb, mlflow]", "train.epochs=1")
    with pytest.raises(ConfigError, match="mlflow cannot keep this run"):
        train_detector(request)
    assert [each[0] for each in fake.told] == ["begin", "close"], "the other one is not left open"
    assert fake.told[-1] == ("close", [], "failed")
    assert not RunFolder(request.output).config.exists()
    assert train_detector(make_request("run", "train.trackers=[wandb]", "train.epochs=1")).position.finished


def test_tensorboard_shows_figures_and_pictures_and_forgets_what_was_after_a_checkpoint(folder: RunFolder) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_at, steps in ((0, (2, 4)), (2, (3,))):
        board = TensorBoard(folder, resumed_at)
        for step in steps:
            board.scalars(step, {"validation/AP50": step / 8})
            board.picture(step, "examples", PICTURE)
        board.close([], "stopped")
    shown = EventAccumulator(str(folder.tensorboard)).Reload()
    assert [(each.step, each.value) for each in shown.Scalars("validation/AP50")] == [(2, 0.25), (3, 0.375)]
    pictures = shown.Images("examples")
    assert [each.step for each in pictures] == [2, 3]
    decoded = np.asarray(Image.open(io.BytesIO(pictures[0].encoded_image_string)))
    np.testing.assert_array_equal(decoded, PICTURE)


def test_mlflow_keeps_settings_figures_pictures_and_files(folder: RunFolder, monkeypatch) -> None:
    pytest.importorskip("mlflow", reason="an extra")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    for step, ending in ((5, "stopped"), (7, "finished")):  # the second goes on with the first
        both = Trackers(open_trackers(["mlflow"], folder, SETTINGS))
        both.scalars(step, {"train/loss": 1 / step, "validation/AP50": 0.25})
        both.picture(step, "examples", PICTURE)
        both.close([folder.config], ending)
    client = MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("hoopoe").experiment_id])
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params == {"train.lr": "0.0002", "model.categories": "['" + "x" * 498}
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(each.step, each.value) for each in history] == [(5, 0.2), (7, pytest.approx(1 / 7))]
    pictures = [each.path for each in client.list_artifacts(run.info.run_id, "examples")]
    assert pictures == ["examples/00000005.png", "examples/00000007.png"]
    assert Path(client.download_artifacts(run.info.run_id, "config.yaml")).read_text() == folder.config.read_text()


def test_wandb_keeps_a_run_offline_until_it_is_synced(folder: RunFolder, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb", reason="an extra")
    monkeypatch.setenv("WANDB_MODE", "offline")
    both = Trackers(open_trackers(["wandb"], folder, SETTINGS))
    both.scalars(5, {"train/loss": 0.2})
    both.picture(5, "examples", PICTURE)
    both.close([folder.config], "finished")
    wandb.teardown()  # as a process does at its end

    [file] = folder.root.glob("wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()  # records of a few words each, not compressed
    for word in (b"hoopoe", b"mine", b"train.lr", b"train/loss", b"0.2", b"examples"):
        assert word in content
    assert list(folder.root.glob("wandb/offline-run-*/files/media/images/examples_*.png"))
    assert list(folder.root.glob("wandb/offline-run-*/files/hoopoe_config.yaml"))
