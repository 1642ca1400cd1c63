"""A run goes on with more epochs than it had, by a stated rule."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backbones.errors import ConfigError
from detector.config import load_config
from detector.models.saving import read_detector
from detector.training.config import Config
from detector.training.optimising.optimiser import set_learning_rate
from detector.training.run import train_detector
from tests.detector.training.conftest import request_of

STEPS = 3  # an epoch: 12 images by fours
PLAIN = ("train.warmup_steps=0", "train.final_lr_factor=0.1")


def cosine(epoch: float, epochs: int) -> float:
    return 2e-4 * (0.1 + 0.9 * (1 + math.cos(math.pi * epoch / epochs)) / 2)


def test_a_finished_run_goes_on_at_the_rate_of_a_run_of_so_many_epochs(make_request, metrics_of, capsys) -> None:
    run = train_detector(make_request("run", *PLAIN, "train.epochs=1"))
    longer = train_detector(make_request("run", *PLAIN, "train.epochs=3", resume=True))
    assert longer.trained
    assert (longer.position.epoch, longer.position.step, longer.position.finished) == (3, 3 * STEPS, True)

    records = metrics_of(run.folder, "train")
    assert [record["step"] for record in records] == list(range(1, 3 * STEPS + 1))
    expected = [cosine(step / STEPS, 1 if step < STEPS else 3) for step in range(3 * STEPS)]
    assert [record["lr"] for record in records] == pytest.approx(expected)
    assert [record["epoch"] for record in metrics_of(run.folder, "evaluation")] == [1, 2, 3]

    config = load_config(run.folder / "config.yaml", Config)
    assert (config.train.epochs, config.train.extensions) == (3, ((1, STEPS),))
    assert not train_detector(replace(make_request("run", resume=True), config=config)).trained, (
        "by its own config.yaml"
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "the run had 1 epochs and now has 3: after step 3 (epoch 1) the learning rate follows the schedule" in said
    assert f"{cosine(1, 3):.1e} in place of {cosine(1, 1):.1e}" in said


def test_fewer_epochs_are_refused_in_words_also_after_an_extension(make_request, finished_run) -> None:
    last = (finished_run / "checkpoints/last.pt").read_bytes()
    with pytest.raises(ConfigError, match="the run has 2 epochs, 2 of them done, and cannot go on with 1"):
        train_detector(make_request("run", "train.epochs=1", resume=True))
    assert (finished_run / "checkpoints/last.pt").read_bytes() == last
    train_detector(make_request("run", "train.epochs=3", resume=True))
    with pytest.raises(ConfigError, match="the run has 3 epochs, 3 of them done, and cannot go on with 2"):
        train_detector(make_request("run", resume=True))
    assert not train_detector(make_request("run", "train.epochs=3", resume=True)).trained


HARD = ("model.backbone=biformer_nano", "model.drop_path=0.3", "train.checkpoint_steps=5")


@pytest.fixture(scope="module")
def begun_and_whole(drawn_set, tmp_path_factory) -> tuple[Path, Path]:
    """A run of one epoch, and one that went on from it to two."""
    begun, whole = (tmp_path_factory.mktemp("longer") / name for name in ("begun", "whole"))
    train_detector(request_of(drawn_set, begun, *HARD, "train.epochs=1"))
    shutil.copytree(begun, whole)
    train_detector(request_of(drawn_set, whole, *HARD, "train.epochs=2", resume=True))
    return begun, whole


@pytest.mark.parametrize("steps_after", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_extended_run_that_was_killed_and_resumed_is_bit_equal(
    steps_after: int, begun_and_whole, make_request, differing, metrics_of, monkeypatch
) -> None:
    """Before its first checkpoint, after two steps, the extension is made anew; after it, gone on with."""
    begun, whole = begun_and_whole
    request = make_request("broken", *HARD, "train.epochs=2", resume=True)
    shutil.copytree(begun, request.output)

    def stop(optimiser: torch.optim.Optimizer, rate: float) -> None:
        set_learning_rate(optimiser, rate)
        if len(metrics_of(request.output, "train")) == STEPS + steps_after:
            raise RuntimeError("the power went out")

    monkeypatch.setattr("detector.training.loop.set_learning_rate", stop)
    with pytest.raises(RuntimeError, match="power"):
        train_detector(request)
    assert torch.load(request.output / "checkpoints/last.pt")["position"]["step"] == (3 if steps_after == 1 else 5)
    monkeypatch.undo()
    train_detector(request)

    assert differing(whole, request.output) == []
    first, second = (read_detector(run / "best.safetensors")[0] for run in (whole, request.output))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_unfinished_run_can_be_made_longer_twice(make_request, monkeypatch) -> None:
    request = make_request("run", "train.checkpoint_steps=1", "train.epochs=1")
    monkeypatch.setattr("detector.training.session.Session.evaluate", lambda *_: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        train_detector(request)
    monkeypatch.undo()
    train_detector(make_request("run", "train.epochs=2", resume=True))
    run = train_detector(make_request("run", "train.epochs=3", resume=True))
    assert load_config(run.folder / "config.yaml", Config).train.extensions == ((1, STEPS), (2, 2 * STEPS))


def test_a_run_that_lost_patience_gets_it_back(make_request, plant_figures) -> None:
    plant_figures(0.3, 0.3, 0.3)
    settings = ("train.patience=1", "model.backbone=davit_nano")
    run = train_detector(make_request("run", *settings, "train.epochs=4"))
    assert run.position.finished
    assert run.position.epoch == 2
    longer = train_detector(make_request("run", *settings, "train.epochs=5", resume=True))
    assert (longer.position.epoch, longer.position.finished) == (3, True)


def test_the_configuration_of_a_longer_run_begins_a_plain_one(make_request) -> None:
    own = make_request("run", "train.epochs=1", "train.extensions=[[1, 3]]", validation=[])
    assert load_config(train_detector(own).folder / "config.yaml", Config).train.extensions == ()
