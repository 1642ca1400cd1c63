"""Which BatchNorms take their statistics over all processes."""

import copy

import pytest
import torch
from torch import nn

from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.training.config import TrainConfig
from detector.training.devices import with_shared_statistics


def detector(backbone: str = "biformer_nano", batch_norm: str = "train") -> nn.Module:
    return build_detector(ModelConfig(backbone=backbone, batch_norm=batch_norm, fpn_channels=64, box_head_width=32))


def count(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(each, kind) for each in model.modules())


def test_no_process_shares_by_default() -> None:
    assert not TrainConfig().sync_batch_norm


@pytest.mark.parametrize(("model", "device", "processes"), [
    (detector("davit_nano"), "cuda", 2),
    (detector(batch_norm="frozen"), "cuda", 2),
    (detector(), "cuda", 1),
])  # fmt: skip
def test_without_other_processes_or_a_trained_batch_norm_nothing_changes(model, device, processes, capsys) -> None:
    assert with_shared_statistics(model, device, processes) is model
    assert count(model, nn.SyncBatchNorm) == 0
    assert capsys.readouterr().err == ""


def test_processes_on_cpus_keep_their_own_and_it_is_said_once(capsys) -> None:
    model = detector()
    norms = count(model, nn.BatchNorm2d)
    assert norms > 1
    for rank in range(2):
        assert count(with_shared_statistics(model, "cpu", 2, rank), nn.BatchNorm2d) == norms
    assert capsys.readouterr().err.count("train.sync_batch_norm needs CUDA devices") == 1


def test_on_cuda_all_are_shared_and_the_detector_is_the_same() -> None:
    model = detector()
    before, plain, parameters = count(model, nn.BatchNorm2d), copy.deepcopy(model), list(model.parameters())
    shared = with_shared_statistics(model, "cuda", 2)
    assert count(shared, nn.BatchNorm2d) == 0
    assert count(shared, nn.SyncBatchNorm) == before
    assert all(first is second for first, second in zip(parameters, shared.parameters(), strict=True))
    assert shared.state_dict().keys() == plain.state_dict().keys()
    x = torch.rand(2, 3, 64, 96)
    outputs = [each.eval().backbone(x) for each in (plain, shared)]
    assert all(torch.equal(outputs[0][level], outputs[1][level]) for level in outputs[0])
