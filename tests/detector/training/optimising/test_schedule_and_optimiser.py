import math
import re
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import backbones
from backbones.errors import ConfigError
from detector.config import parse_config
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.training.config import Config, TrainConfig
from detector.training.optimising.ema import averaged
from detector.training.optimising.optimiser import (
    build_optimiser,
    drop_gradients_beyond_laterals,
    parameter_counts,
    resolved_layer_decay,
    set_learning_rate,
)
from detector.training.optimising.schedule import learning_rate, lr_factor, peak_rate, trains_laterals_alone

SMALL = {"fpn_channels": 64, "box_head_width": 32}


def test_the_warm_up_rises_in_a_line_and_the_cosine_falls_to_its_end() -> None:
    config = TrainConfig(epochs=100, warmup_steps=10, warmup_factor=0.0, final_lr_factor=0.1)
    assert [lr_factor(config, step, 0.0) for step in (0, 5, 10)] == pytest.approx([0.0, 0.5, 1.0])
    assert lr_factor(config, 1000, 50) == pytest.approx(0.1 + 0.9 / 2)
    assert lr_factor(config, 2000, 100) == pytest.approx(0.1)


def test_the_cosine_is_torchs() -> None:
    config = TrainConfig(epochs=8, warmup_steps=0, final_lr_factor=0.25)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 8, eta_min=0.25)
    for epoch in range(8):
        assert lr_factor(config, epoch, epoch) == pytest.approx(reference.get_last_lr()[0])
        optimiser.step()
        reference.step()


@pytest.mark.parametrize(("scaling", "power"), [("none", 0), ("sqrt", 0.5), ("linear", 1)])
@pytest.mark.parametrize(("batch_size", "base"), [(16, 16), (64, 16), (4, 16), (6, 4)])
def test_the_rate_follows_the_batch_size_by_its_rule(scaling: str, power: float, batch_size: int, base: int) -> None:
    sizes = {"batch_size": batch_size, "base_batch_size": base}
    config = TrainConfig(lr=3e-4, epochs=50, lr_scaling=scaling, warmup_steps=0, **sizes)
    peak = 3e-4 * (batch_size / base) ** power
    assert peak_rate(config) == learning_rate(config, 0, 0.0) == pytest.approx(peak)
    assert learning_rate(config, 70, 7.0) == pytest.approx(peak * lr_factor(config, 70, 7.0))
    # a last step of half as many images; without a rule, AdamW's root
    assert learning_rate(config, 0, 0.0, 0.5) == pytest.approx(peak * 0.5 ** (power or 0.5))


def test_the_rate_follows_the_root_of_the_batch_size_by_default() -> None:
    assert peak_rate(TrainConfig()) == TrainConfig().lr == 2e-4
    assert peak_rate(TrainConfig(batch_size=64)) == pytest.approx(4e-4)


def test_laterals_begin_alone_and_the_rest_warms_up_after_them() -> None:
    config = TrainConfig(epochs=100, warmup_steps=10, warmup_factor=0.0, lateral_steps=20)
    assert [trains_laterals_alone(config, step, 0.0) for step in (0, 19, 20)] == [True, True, False]
    assert [lr_factor(config, step, 0.0) for step in (0, 10, 19, 20, 25, 30)] == pytest.approx([0, 1, 1, 0, 0.5, 1])
    assert not trains_laterals_alone(config, 5, 10.0), "at most a tenth of the run"
    assert lr_factor(config, 5, 10.0) == pytest.approx(0.0)
    assert not trains_laterals_alone(TrainConfig(), 0, 0.0)


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_a_step_of_the_laterals_leaves_all_else_as_it_is(detector: str) -> None:
    model = build_detector(ModelConfig.model_validate({"backbone": "davit_nano", "detector": detector, **SMALL}))
    optimiser = build_optimiser(model, TrainConfig())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    drop_gradients_beyond_laterals(model)
    optimiser.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    expected = {f"backbone.{kind}" for kind in ("norms", "fpn.inner_blocks")}
    if detector == "retinanet":
        expected.add("backbone.fpn.extra_blocks.p6")
    assert {re.sub(r"\.(stage)?\d.*|(?<=p6)\..*", "", name) for name in changed} == expected


def test_multistep_drops_at_its_milestones() -> None:
    config = TrainConfig(epochs=12, schedule="multistep", milestones=(8, 11), warmup_steps=0)
    factors = [lr_factor(config, 100, epoch) for epoch in (0, 7.99, 8, 10.99, 11, 12)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_warm_up_takes_at_most_a_tenth_of_a_short_run() -> None:
    config = TrainConfig(epochs=10, warmup_steps=10_000, warmup_factor=0.0)
    assert lr_factor(config, 5, 1.0) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 10)) / 2)


@given(st.integers(0, 10_000), st.floats(0, 30), st.integers(0, 600), st.sampled_from(["cosine", "multistep"]))
def test_the_factor_is_never_negative_nor_above_the_peak(step: int, epoch: float, warmup: int, schedule: str) -> None:
    config = TrainConfig(epochs=30, warmup_steps=warmup, schedule=schedule, milestones=(20,))  # type: ignore[arg-type]
    assert 0 <= lr_factor(config, step, epoch) <= 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("train: {schedule: multistep}", "milestones"),
        ("train: {milestones: [5, 5]}", "rise"),
        ("train: {lrr: 1}", "no such key"),
        ("train: {batch_size: some}", "batch_size"),
        ("train: {ema_decay: 1.0}", "less than 1"),
        ("train: {min_steps: 500, max_steps: 400}", r"max_steps \(400\) is below min_steps \(500\)"),
    ],
)
def test_a_wrong_setting_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_config(text, Config)


@pytest.mark.parametrize("backbone", ["davit_nano", "biformer_nano"])
def test_norms_and_biases_do_not_decay_and_early_blocks_learn_slower(backbone: str) -> None:
    model = build_detector(ModelConfig(backbone=backbone, **SMALL))
    optimiser = build_optimiser(model, TrainConfig(layer_decay=0.5, weight_decay=0.1))
    set_learning_rate(optimiser, 1.0)
    rates = {id(each): group["lr"] for group in optimiser.param_groups for each in group["params"]}
    decays = {id(each): group["weight_decay"] for group in optimiser.param_groups for each in group["params"]}
    by_name = dict(model.named_parameters())
    assert len(rates) == len(by_name)
    for parameter in by_name.values():
        assert decays[id(parameter)] == (0.1 if parameter.ndim > 1 else 0.0)

    def rate_of(prefix: str) -> set[float]:
        return {rates[id(parameter)] for name, parameter in by_name.items() if name.startswith(prefix)}

    blocks = [2, 2, 2, 2] if backbone == "davit_nano" else [1, 1, 3, 1]
    total = sum(blocks)
    before = 0
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            assert rate_of(f"backbone.body.body.stage{stage}.blocks.{block}.") == {0.5 ** (total - before - block)}
        if stage > 1:
            assert rate_of(f"backbone.body.body.stage{stage}.downsample") == {0.5 ** (total - before)}
        before += count
    assert rate_of("backbone.body.stem") == {0.5 ** (total + 1)}
    assert rate_of("backbone.fpn") == rate_of("rpn") == rate_of("roi_heads") == {1.0}


def test_a_classifier_learns_by_depth_as_a_detector_of_the_same_backbone_does() -> None:
    model = build_detector(ModelConfig(backbone="davit_nano", **SMALL))
    net = backbones.create_model("davit_nano", num_classes=3, input_size=(32, 32))
    both = []
    for each in (model, net):
        optimiser = build_optimiser(each, TrainConfig(layer_decay=0.5))
        rates = {id(tensor): group["lr_scale"] for group in optimiser.param_groups for tensor in group["params"]}
        both.append({name: rates[id(parameter)] for name, parameter in each.named_parameters()})
    in_detector, alone = both
    for name, rate in alone.items():
        head = name.startswith(("features.", "classifier."))
        assert rate == (1.0 if head else in_detector[f"backbone.body.{name}"]), name


def test_random_backbones_learn_at_one_rate_and_pretrained_ones_by_depth() -> None:
    model = build_detector(ModelConfig(backbone="davit_nano", **SMALL))
    for pretrained, rates in ((False, 1), (True, 10)):  # eight blocks, the stem, and the rest
        decay = resolved_layer_decay(TrainConfig(), pretrained=pretrained)
        optimiser = build_optimiser(model, TrainConfig(layer_decay=decay))
        assert len({group["lr_scale"] for group in optimiser.param_groups}) == rates
    assert resolved_layer_decay(TrainConfig(layer_decay=0.7), pretrained=True) == 0.7


def test_deep_backbones_decay_by_twelve_layers() -> None:
    """biformer_s has 30 blocks: its stem would learn at 0.9 to the 31st, a twenty-fifth of the rate."""
    model = build_detector(ModelConfig(backbone="biformer_s", **SMALL))
    optimiser = build_optimiser(model, TrainConfig(layer_decay=0.9))
    rates = {id(each): group["lr_scale"] for group in optimiser.param_groups for each in group["params"]}
    by_name = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert by_name[_first(by_name, "backbone.body.stem")] == pytest.approx(0.9**12)
    order = [by_name[_first(by_name, f"backbone.body.body.stage3.blocks.{block}.")] for block in range(18)]
    assert np.diff(np.log(order)) == pytest.approx(np.full(17, np.log(1 / 0.9) * 12 / 31))
    assert by_name[_first(by_name, "backbone.body.body.stage4.blocks.3.")] == pytest.approx(0.9 ** (12 / 31))


def _first(names: Iterable[str], prefix: str) -> str:
    return next(name for name in names if name.startswith(prefix))


def test_frozen_stages_are_not_in_the_optimiser() -> None:
    model = build_detector(ModelConfig(backbone="davit_nano", freeze_stages=4, **SMALL))
    optimiser = build_optimiser(model, TrainConfig())
    trained = {id(each) for group in optimiser.param_groups for each in group["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in trained}
    assert names
    assert not [name for name in names if name.startswith("backbone.body.")]
    total, counted = parameter_counts(model)
    assert counted < total


def test_the_average_follows_the_formula_and_starts_as_the_weights_themselves() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = averaged(model, 0.9)
    values, expected = [1.0, 2.0, 4.0, 8.0, 16.0], 0.0
    for update, value in enumerate(values):
        nn.init.constant_(model[0].weight, value)
        average.update_parameters(model)
        keep = min(0.9, (1 + update) / (10 + update)) if update else 0.0
        expected = keep * expected + (1 - keep) * value
        assert average.module[0].weight.item() == pytest.approx(expected)
    model(torch.randn(4, 1))
    average.update_parameters(model)
    assert average.module[1].num_batches_tracked == model[1].num_batches_tracked == 1
