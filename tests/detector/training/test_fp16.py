"""Training in fp16, for GPUs that have no bf16: the loss is scaled, and a step that overflows is left out."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch.optim import AdamW

from backbones.errors import DataError
from detector.data.loader import to_device
from detector.training import loop
from detector.training.batches import seed_step
from detector.training.checkpoints import load_checkpoint
from detector.training.config import Config
from detector.training.devices import training_precision
from detector.training.optimising.optimiser import set_learning_rate
from detector.training.run import train_detector

# processors are slow in fp16
TINY = ("model.min_size=32", "model.max_size=32", "model.train_proposals=8", "model.roi_samples=8")
FP16 = ("train.precision=fp16", *TINY, "model.proposals=4", "data.augmentation.scale=[1, 1]")


@pytest.fixture
def first_scale(monkeypatch):
    """Make loss scalers that begin with another scale than torch's 65,536."""

    def change(scale: float) -> None:
        monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=scale))

    return change


@pytest.mark.parametrize(
    ("bf16", "capability", "chosen"), [(True, (8, 0), "bf16"), (False, (7, 5), "fp16"), (False, (6, 1), "fp32")]
)
def test_auto_is_fp16_on_gpus_that_have_units_for_it_and_no_bf16(monkeypatch, bf16, capability, chosen) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *device: capability)
    assert training_precision("auto", "cuda") == chosen
    for asked in ("fp32", "fp16", "bf16"):
        assert training_precision(asked, "cuda") == asked


def test_a_processor_without_bf16_stays_in_fp32(monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert training_precision("auto", "cpu") == "fp32"


def test_weights_are_those_of_torchs_own_recipe(make_request, metrics_of, monkeypatch, first_scale) -> None:
    """With a first scale of 2**24: steps are left out until it has come down."""
    first_scale(2.0**24)
    batches, rates, start = [], [], []

    def seen(run, batch, accumulate=loop.accumulate_gradients):
        if not start:
            start.append((copy.deepcopy(run.learner.model), copy.deepcopy(run.learner.optimiser.param_groups)))
        batches.append(batch)
        return accumulate(run, batch)

    monkeypatch.setattr(loop, "accumulate_gradients", seen)
    monkeypatch.setattr(loop, "set_learning_rate", lambda o, rate: (rates.append(rate), set_learning_rate(o, rate)))
    run = train_detector(make_request("run", *FP16, "train.ema_decay=null", "train.clip_norm=1.0", validation=[]))

    [(model, groups)] = start
    names = {each: name for name, each in model.named_parameters()}
    assert len(names) == sum(len(group["params"]) for group in groups)
    ours = {tuple(each.shape): group for group in groups for each in group["params"]}
    optimiser = AdamW(
        [
            {"params": [each], "weight_decay": ours[tuple(each.shape)]["weight_decay"], "lr_scale": 1.0}
            for each in model.parameters()
        ]
    )
    scaler = torch.amp.GradScaler("cpu")
    scales = []
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
        seed_step(0, step, 0)
        set_learning_rate(optimiser, rate)
        with torch.autocast("cpu", torch.float16):
            losses = model(*to_device(batch, torch.device("cpu")))
        scaler.scale(sum(losses.values())).backward()
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimiser)
        scales.append(scaler.get_scale())
        scaler.update()
        optimiser.zero_grad()
    assert scales[0] == 2.0**24
    assert scales[-1] < 2.0**24, "otherwise no step was left out"

    last = torch.load(run.files.last)
    assert last["scaler"]["scale"] == scaler.get_scale()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(last["model"][name], value, rtol=1e-4, atol=1e-6)
    norms = ["gradient_norm" in record for record in metrics_of(run.folder, "train")]
    skipped = [before != after for before, after in zip(scales, [*scales[1:], scaler.get_scale()], strict=True)]
    assert norms == [not each for each in skipped]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_its_scale(make_request, differing, monkeypatch, first_scale) -> None:
    first_scale(2.0**24)
    settings = (*FP16, "train.epochs=1", "train.checkpoint_steps=1")
    train_detector(make_request("whole", *settings, validation=[]))
    calls = 0

    def stop(optimiser, rate: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("the power went out")
        set_learning_rate(optimiser, rate)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "set_learning_rate", stop)
        with pytest.raises(RuntimeError, match="power"):
            train_detector(make_request("broken", *settings, validation=[]))
    run = train_detector(make_request("broken", *settings, validation=[], resume=True))
    assert differing(run.folder.parent / "whole", run.folder) == []

    content = torch.load(run.files.last)
    assert content.pop("scaler")["scale"] < 2.0**24
    torch.save(content, run.files.last)
    assert load_checkpoint(run.files.last, Config).state["scaler"] is None, "of a Hoopoe that had none"


def test_a_gradient_that_no_scale_mends_stops_the_run(make_request, monkeypatch, first_scale) -> None:
    first_scale(4.0)

    def spoiled(run, batch, accumulate=loop.accumulate_gradients):
        losses = accumulate(run, batch)
        next(each for each in run.model.parameters() if each.grad is not None).grad.view(-1)[0] = float("inf")
        return losses

    monkeypatch.setattr(loop, "accumulate_gradients", spoiled)
    with pytest.raises(DataError, match=r"the gradient is not finite: .*gradient_norm inf") as caught:
        train_detector(make_request("run", *FP16, validation=[]))
    assert caught.value.where.startswith("step 3, "), "at a scale of 1"
