"""One device and one precision for everything that runs a network."""

import pytest
import torch

from backbones.errors import ConfigError
from detector.base.devices import chosen_device, chosen_precision


def test_what_is_asked_for_is_taken() -> None:
    assert chosen_device("cpu") == torch.device("cpu")
    assert [chosen_precision(asked, "cpu") for asked in ("fp32", "bf16")] == ["fp32", "bf16"]


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "meta", "cpu:x", "npu", "xpu", "mps"])
def test_a_device_that_is_not_here_is_an_error_with_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        chosen_device(name)


@pytest.mark.parametrize(("able", "chosen"), [({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": 1}, "bf16")])
def test_auto_is_bf16_where_the_processor_computes_in_it(monkeypatch, able, chosen) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert chosen_precision("auto", torch.device("cpu")) == chosen


@pytest.fixture
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, kind), "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpus")
def test_without_a_gpu_it_is_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen_device() == chosen_device("auto") == torch.device("cpu")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("no_gpus")
@pytest.mark.parametrize("kind", ["xpu", "mps"])
def test_a_gpu_that_does_not_work_is_told_of(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(getattr(torch, kind), "is_available", lambda: True)  # and no such device is here
    assert chosen_device("auto") == torch.device("cpu")
    assert f"{kind} is there, but cannot be used" in capsys.readouterr().err


@pytest.mark.usefixtures("no_gpus")
def test_a_gpu_that_computes_wrongly_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ones = torch.ones
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", lambda *size, **_: 2 * ones(*size))
    assert chosen_device() == torch.device("cpu")
    assert "it computes wrongly" in capsys.readouterr().err
