"""RetinaNet's light head: the same outputs, of a fraction of the arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.saving import load_detector

SMALL: dict[str, Any] = {
    "detector": "retinanet",
    "backbone": "davit_nano",
    "backbone_size": (64, 64),
    "fpn_channels": 64,
    "min_size": 64,
    "max_size": 64,
}


@pytest.fixture(scope="module", params=["v1", "v2"])
def light(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return build_detector(ModelConfig(**SMALL, version=request.param, light_head=True))


def test_it_has_the_outputs_of_the_plain_head(light: Any) -> None:
    plain = build_detector(ModelConfig(**SMALL, version=light.config.version))
    maps = [torch.rand(1, 64, side, side) for side in (8, 4, 2, 1, 1)]
    shapes = [{name: each.shape for name, each in net.head(maps).items()} for net in (light, plain)]
    assert shapes[0] == shapes[1]


def test_it_costs_a_fraction_of_the_plain_head(light: Any) -> None:
    def flops(net: Any) -> int:
        with FlopCounterMode(display=False) as counter:
            net.head([torch.rand(1, 64, 32, 32)])
        return int(counter.get_total_flops())

    plain = build_detector(ModelConfig(**SMALL, version=light.config.version))
    assert flops(light) < flops(plain) / 3  # with 256 channels a twentieth: the last layers are the same


def test_every_weight_of_it_learns(light: Any) -> None:
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 40.0]]), "labels": torch.tensor([0])}
    sum(light.train()([torch.rand(3, 64, 64)], [target]).values()).backward()
    assert all(parameter.grad is not None for parameter in light.head.parameters())


def test_it_is_saved_and_loaded(light: Any, tmp_path: Path) -> None:
    Detector.of(light).save(tmp_path / "light.safetensors")
    loaded = load_detector(tmp_path / "light.safetensors", "cpu", "fp32")
    assert loaded.meta.config.light_head
    photo = torch.rand(3, 64, 64)
    with torch.inference_mode():
        ours, theirs = (net.eval()([photo])[0]["scores"] for net in (light, loaded.net))
    torch.testing.assert_close(theirs, ours)
