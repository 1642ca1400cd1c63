"""Which device and which precision: one answer for everything that runs a network, so that figures agree."""

from __future__ import annotations

from typing import Literal

import torch

from backbones.errors import ConfigError
from detector.base.checks import described, expect

Precision = Literal["fp32", "bf16"]


def chosen_device(device: torch.device | str | None = None) -> torch.device:
    """The device of this name (cpu, cuda, cuda:1 ...), or by default a GPU where there is one.

    Raises:
        ConfigError: There is no such device here.
    """
    expect(device, (str, torch.device, type(None)), "a device", where="device", hint="such as cpu or cuda")
    name = str(device) if device is not None else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        problem = f"'{name}' cannot be used ({str(error).splitlines()[0][:120]})"
        raise ConfigError(problem, where="device", hint="use cpu") from error
    if device.type not in ("cpu", "cuda", "mps", "xpu"):
        raise ConfigError(f"'{name}' computes nothing", where="device", hint="use cpu")
    return device


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a network runs."""
    return next(net.parameters()).device


def chosen_precision(asked: Literal["auto", "fp32", "bf16"], device: torch.device | str) -> Precision:
    """The precision that was asked for; auto: bf16 where the device computes in it, and does not merely emulate it.

    Args:
        asked: `bf16` runs convolutions and matrix products in bfloat16; boxes, scores and logits stay float32.
        device: Where the network runs.

    Raises:
        ConfigError: There is no such precision.
    """
    expect(asked, str, "auto, fp32 or bf16", where="precision", hint="leave it out")
    if asked == "fp32" or asked == "bf16":
        return asked
    if str(asked) != "auto":
        problem = f"auto, fp32 or bf16 is expected, not {described(asked)}"
        raise ConfigError(problem, where="precision", hint="leave it out")
    kind = torch.device(device).type
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    able = torch.cpu.get_capabilities() if kind == "cpu" else {}
    return "bf16" if able.get("amx_bf16") or able.get("avx512_bf16") else "fp32"
