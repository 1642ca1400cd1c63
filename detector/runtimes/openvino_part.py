"""A part run by OpenVINO: on CPUs of any maker, and on Intel's GPUs. Never on its NPU, which gets windows wrong."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.base.devices import Precision
from detector.runtimes.part import Part, damaged, runtime_module

HINTS = {"fp32": "f32", "bf16": "bf16"}  # OpenVINO's names of what is not in 8 bits
DEVICES = {"cpu": "CPU", "xpu": "GPU"}


class OpenVINOPart(Part):
    """A part in OpenVINO's form, an `.xml` with its `.bin`; compiled once, for all sizes.

    Args:
        file: The part's file.
        precision: What it computes in where it is not in 8 bits.
        device: Where it runs: the CPU, or Intel's GPU.

    Raises:
        ConfigError: OpenVINO is not installed.
        CheckpointError: The file cannot be read.
    """

    def __init__(self, file: Path, precision: Precision, device: torch.device | None = None) -> None:
        super().__init__()
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        place = DEVICES["cpu" if device is None else device.type]
        if place != "CPU":
            options = {"PERFORMANCE_HINT": "LATENCY"}
        try:
            self._compiled: Any = openvino_core().compile_model(str(file), place, options)
        except RuntimeError as error:
            raise damaged(file, error) from error
        self._requests = threading.local()  # a request serves one thread at a time

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        found = self._requests.own.infer([each.detach().cpu().numpy() for each in inputs], share_inputs=True)
        return tuple(torch.from_numpy(each.copy()) for each in found.values())


@cache
def openvino_core() -> Any:
    """OpenVINO, one for the process."""
    return runtime_module("openvino").Core()
