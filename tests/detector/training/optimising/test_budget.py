"""How long a run is that says nothing of it, and runs that were started when other defaults held."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import ConfigError
from detector.config import load_config
from detector.training.config import Config, TrainConfig
from detector.training.dry_run import describe_run
from detector.training.optimising.budget import USUAL_EPOCHS, epochs_within
from detector.training.resuming import DEFAULTS_BEFORE
from detector.training.run import train_detector

STEPS = 3  # an epoch: 12 images by fours
AUTO = ("train.epochs=auto", "train.eval_epochs=auto")


@pytest.mark.parametrize(
    ("images", "epochs"), [(1, 2_000), (200, 154), (640, 50), (5_000, 50), (28_800, 50), (50_000, 28), (10**7, 1)]
)
def test_small_sets_are_passed_over_more_often_and_large_ones_less(images: int, epochs: int) -> None:
    settings = TrainConfig()
    assert epochs_within(-(-images // 16), settings.min_steps, settings.max_steps) == epochs


@given(st.integers(1, 10**6), st.integers(1, 10**5), st.integers(0, 10**6))
def test_steps_are_within_their_bounds_and_epochs_the_usual_ones_if_these_allow(
    steps: int, least: int, more: int
) -> None:
    most = least + more
    epochs = epochs_within(steps, least, most)
    assert epochs * steps <= max(most, steps)
    assert epochs * steps >= least or (epochs + 1) * steps > most
    if least <= USUAL_EPOCHS * steps <= most:
        assert epochs == USUAL_EPOCHS


def test_a_run_of_auto_has_numbers_and_goes_on_by_them(make_request) -> None:
    request = make_request("run", *AUTO, "train.min_steps=1", f"train.max_steps={2 * STEPS + 1}", validation=[])
    schedule = next(topic for topic in describe_run(request) if topic.name == "schedule")
    assert schedule.lines[0] == "2 epochs of about 3 steps with 4 images each: 6 steps"
    run = train_detector(request)
    assert (run.position.epoch, run.position.finished) == (2, True)
    config = load_config(run.folder / "config.yaml", Config)
    assert (config.train.epochs, config.train.eval_epochs) == (2, 1)

    assert not train_detector(replace(request, resume=True)).trained
    assert not train_detector(replace(request, config=config, resume=True)).trained
    longer = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 3})})
    assert train_detector(replace(request, config=longer, resume=True)).position.epoch == 3


def test_many_epochs_are_evaluated_fifty_times(make_request) -> None:
    [line] = [
        line
        for topic in describe_run(make_request("run", *AUTO, "train.min_steps=300"))
        for line in topic.lines
        if line.startswith("evaluation every")
    ]
    assert line.startswith("evaluation every 2 epochs; "), "of 100"
    assert "early stop after 20 evaluations without a better one" in line


def test_a_check_on_a_few_images_is_no_longer_than_it_was(make_request) -> None:
    [line] = [
        line
        for topic in describe_run(make_request("run", *AUTO, overfit=2))
        for line in topic.lines
        if " epochs of about " in line
    ]
    assert line.startswith("50 epochs of about 16 steps")


def test_a_run_of_before_goes_on_by_the_defaults_of_before(make_request, metrics_of) -> None:
    """Its checkpoint does not know `lr_scaling`; 4 images a step have all of the rate, not half of it."""
    settings = [f"{key}={'null' if value is None else value}" for key, value in DEFAULTS_BEFORE.items()]
    flat = ("train.warmup_steps=0", "train.final_lr_factor=1")
    run = train_detector(make_request("run", *settings, *flat, "train.epochs=1"))
    content = torch.load(run.files.last)
    for name in ("config", "resolved"):
        del content[name]["train"]["lr_scaling"]
    torch.save(content, run.files.last)

    defaults, request = Config(), make_request("run", *flat, "train.epochs=2", resume=True)
    sections: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key in DEFAULTS_BEFORE:
        section, name = key.split(".")
        sections[section][name] = getattr(getattr(defaults, section), name)
    asked = request.config.model_copy(
        update={name: getattr(request.config, name).model_copy(update=values) for name, values in sections.items()}
    )
    with pytest.raises(ConfigError, match=r"train.patience was None and is 20"):
        train_detector(replace(request, config=asked))
    for name, values in sections.items():  # as where nobody has set them
        getattr(asked, name).model_fields_set.difference_update(values)
    run = train_detector(replace(request, config=asked))
    assert run.position.epoch == 2
    assert {record["lr"] for record in metrics_of(run.folder, "train")} == {2e-4}
    config = load_config(run.folder / "config.yaml", Config)
    assert (config.train.lr_scaling, config.train.patience, config.model.max_detections) == ("none", None, 100)
