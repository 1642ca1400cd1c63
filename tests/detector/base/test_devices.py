"""One device and one precision for everything that runs a network."""

import pytest
import torch

from backbones.errors import ConfigError
from detector.base.devices import chosen_device, chosen_precision


def test_what_is_asked_for_is_taken() -> None:
    assert chosen_device("cpu") == torch.device("cpu")
    assert [chosen_precision(asked, "cpu") for asked in ("fp32", "bf16")] == ["fp32", "bf16"]


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "meta", "cpu:x"])
def test_a_device_that_is_not_here_is_an_error_with_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        chosen_device(name)


@pytest.mark.parametrize(("able", "chosen"), [({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": 1}, "bf16")])
def test_auto_is_bf16_where_the_processor_computes_in_it(monkeypatch, able, chosen) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert chosen_precision("auto", torch.device("cpu")) == chosen
