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
    """A part in OpenVINO's form, an `.xml` with its `.bin`; compiled when it is first used, for all sizes.

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
        self._place = DEVICES["cpu" if device is None else device.type]
        self._source, self._hint, self._threads = file, HINTS[precision], torch.get_num_threads()
        try:
            self._network: Any = openvino_core().read_model(str(file))
        except RuntimeError as error:
            raise damaged(file, error) from error
        self._compiled: Any = None
        self._compiling = threading.Lock()
        self._requests = threading.local()  # a request serves one thread at a time

    def spread(self, lanes: int) -> None:
        if self._place == "CPU" and lanes != self.lanes:
            self.lanes, self._compiled, self._requests = lanes, None, threading.local()

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._ready().create_infer_request()
        found = self._requests.own.infer([each.detach().cpu().numpy() for each in inputs], share_inputs=True)
        return tuple(torch.from_numpy(each.copy()) for each in found.values())

    def _ready(self) -> Any:
        with self._compiling:
            if self._compiled is None:
                try:
                    self._compiled = openvino_core().compile_model(self._shaped(), self._place, self._options)
                    self._network = None  # which would hold its file open
                except RuntimeError as error:
                    raise damaged(self._source, error) from error
        return self._compiled

    def _shaped(self) -> Any:
        """The network; for one picture at a time, where all its sizes are known: that is faster by a fifth."""
        if self._network is None:
            self._network = openvino_core().read_model(str(self._source))
        [given] = self._network.inputs
        sizes = list(given.partial_shape)[1:]
        exact = self._hint == HINTS["fp32"]  # of which a fixed shape changes the fourth digit
        if exact or self.lanes == 1 or not self.alone or any(each.is_dynamic for each in sizes):
            return self._network
        self._network.reshape([1, *(each.get_length() for each in sizes)])
        return self._network

    @property
    def _options(self) -> dict[str, object]:
        if self._place != "CPU":
            return {"PERFORMANCE_HINT": "LATENCY"}
        together: dict[str, object] = (
            {"PERFORMANCE_HINT": "LATENCY"} if self.lanes == 1 else {"NUM_STREAMS": str(self.lanes)}
        )
        return {**together, "INFERENCE_PRECISION_HINT": self._hint, "INFERENCE_NUM_THREADS": self._threads}


@cache
def openvino_core() -> Any:
    """OpenVINO, one for the process."""
    return runtime_module("openvino").Core()
