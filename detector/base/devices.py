"""Which device and which precision: one answer for everything that runs a network, so that figures agree."""

from __future__ import annotations

from typing import Literal

import torch

from backbones.errors import ConfigError
from detector.base.checks import described, expect
from detector.base.reporting import warn

Precision = Literal["fp32", "bf16", "fp16"]
Asked = Literal["auto", "fp32", "bf16", "fp16"]
GPUS = ("cuda", "xpu", "mps")  # the best first; OpenVINO's NPU is none: it gets attention in windows wrong, silently


def chosen_device(device: torch.device | str | None = None) -> torch.device:
    """The device of this name (cpu, cuda, cuda:1, xpu, mps ...); None or `auto`: a GPU where there is one that works.

    Raises:
        ConfigError: There is no such device here.
    """
    expect(device, (str, torch.device, type(None)), "a device", where="device", hint="such as cpu or cuda")
    if device is None or device == "auto":
        return _best_device()
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        problem = f"'{device}' cannot be used ({str(error).splitlines()[0][:120]})"
        raise ConfigError(problem, where="device", hint="use cpu") from error
    if place.type not in ("cpu", *GPUS):
        raise ConfigError(f"'{device}' computes nothing", where="device", hint="use cpu")
    return place


def _best_device() -> torch.device:
    """The first GPU that computes rightly, else the CPU; a GPU that is there and does not is told of."""
    for kind in GPUS:
        if not getattr(torch, kind).is_available():
            continue
        try:
            product = torch.ones(2, 3, device=kind) @ torch.ones(3, 2, device=kind)
            if bool((product.cpu() == 3).all()):
                return torch.device(kind)
            said = "it computes wrongly"
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            said = str(error).splitlines()[0][:120]
        warn(f"{kind} is there, but cannot be used ({said}): the next best device is taken")
    return torch.device("cpu")


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a network runs; one whose parts another runtime has takes its images on the CPU."""
    parameter = next(net.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def computing(device: torch.device, precision: Precision) -> torch.autocast:
    """A context in which networks compute in a precision."""
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, half, enabled=precision != "fp32")


def chosen_precision(asked: Asked, device: torch.device | str) -> Precision:
    """The precision that was asked for; auto: bf16 where the device computes in it, and does not merely emulate it.

    Args:
        asked: `bf16` runs convolutions and matrix products in bfloat16, `fp16` in float16, for GPUs without bfloat16;
            boxes, scores and logits stay float32.
        device: Where the network runs.

    Raises:
        ConfigError: There is no such precision, or not there.
    """
    expect(asked, str, "auto, fp32, bf16 or fp16", where="precision", hint="leave it out")
    if asked == "fp32" or asked == "bf16":
        return asked
    if asked == "fp16":
        if torch.device(device).type == "cpu":
            raise ConfigError("fp16 is for GPUs: CPUs emulate it", where="precision", hint="leave it out")
        return asked
    if str(asked) != "auto":
        problem = f"auto, fp32, bf16 or fp16 is expected, not {described(asked)}"
        raise ConfigError(problem, where="precision", hint="leave it out")
    kind = torch.device(device).type
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if kind == "xpu":
        return "bf16" if torch.xpu.is_bf16_supported() else "fp32"
    able = torch.cpu.get_capabilities() if kind == "cpu" else {}
    return "bf16" if able.get("amx_bf16") or able.get("avx512_bf16") else "fp32"
