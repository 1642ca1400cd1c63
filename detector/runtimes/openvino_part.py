"""A part run by OpenVINO: on CPUs of any maker, and on Intel's GPUs. Never on its NPU, which gets windows wrong."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.base.devices import Precision
from detector.base.failures import ran_out_of_memory
from detector.runtimes.openvino_linear import linear_to_convolutions
from detector.runtimes.part import Part, damaged, runtime_module

HINTS = {"fp32": "f32", "bf16": "bf16"}  # OpenVINO's names of what is not in 8 bits
DEVICES = {"cpu": "CPU", "xpu": "GPU"}
MOST_SIZES = 4  # of pictures, for which a network is kept: each takes 0.2 to 0.3 GiB


class OpenVINOPart(Part):
    """A part in OpenVINO's form, an `.xml` with its `.bin`.

    Where it gets one picture at a time it is compiled for each size of picture, and for all sizes at once elsewhere:
    for one size OpenVINO leaves out transpositions and joins layers, which saves an eighth (ResNet) to a third of the
    time (`benchmarks/results/runtimes.md`).

    Args:
        file: The part's file.
        precision: What it computes in where it is not in 8 bits.
        device: Where it runs: the CPU, or Intel's GPU.
        exact: Compiled for all sizes, of which none then changes the fourth digit of what is found.

    Raises:
        ConfigError: OpenVINO is not installed.
        CheckpointError: The file cannot be read.
    """

    def __init__(
        self, file: Path, precision: Precision, device: torch.device | None = None, *, exact: bool = True
    ) -> None:
        super().__init__()
        self._place = DEVICES["cpu" if device is None else device.type]
        self._source, self._hint, self._threads, self._exact = file, HINTS[precision], torch.get_num_threads(), exact
        try:
            self._network: Any = openvino_core().read_model(str(file))
        except RuntimeError as error:
            raise damaged(file, error) from error
        self._compiled: OrderedDict[tuple[int, ...] | None, _Compiled] = OrderedDict()  # by size, the last used last
        self._compiling = threading.Lock()

    @property
    def by_size(self) -> bool:
        return self.alone and not self._exact and self._place == "CPU"

    def spread(self, lanes: int) -> None:
        if self._place == "CPU" and lanes != self.lanes:
            self.lanes = lanes
            self._compiled.clear()

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        shape = tuple(inputs[0].shape) if self.by_size else None
        request = self._ready(shape).request()
        found = request.infer([each.detach().cpu().numpy() for each in inputs], share_inputs=True)
        return tuple(torch.from_numpy(each.copy()) for each in found.values())

    def _ready(self, shape: tuple[int, ...] | None) -> _Compiled:
        """The network for inputs of one shape; of any shape without one."""
        with self._compiling:
            if shape not in self._compiled:
                while len(self._compiled) >= MOST_SIZES:
                    self._compiled.popitem(last=False)
                self._compiled[shape] = self._compile(shape)
            self._compiled.move_to_end(shape)
            return self._compiled[shape]

    def _compile(self, shape: tuple[int, ...] | None) -> _Compiled:
        try:
            network = openvino_core().read_model(str(self._source)) if self._network is None else self._network
            self._network = None  # which would hold its file open
            if shape is not None:
                network.reshape(list(shape))
                linear_to_convolutions(network)
            return _Compiled(openvino_core().compile_model(network, self._place, self._options))
        except RuntimeError as error:
            if ran_out_of_memory(error):  # said by `forward`
                raise
            raise damaged(self._source, error) from error

    @property
    def _options(self) -> dict[str, object]:
        if self._place != "CPU":
            return {"PERFORMANCE_HINT": "LATENCY"}
        together: dict[str, object] = (
            {"PERFORMANCE_HINT": "LATENCY"} if self.lanes == 1 else {"NUM_STREAMS": str(self.lanes)}
        )
        return {**together, "INFERENCE_PRECISION_HINT": self._hint, "INFERENCE_NUM_THREADS": self._threads}


class _Compiled:
    """A compiled network, and a request for each thread that uses it."""

    def __init__(self, network: Any) -> None:
        self._network, self._requests = network, threading.local()

    def request(self) -> Any:
        if not hasattr(self._requests, "own"):
            self._requests.own = self._network.create_infer_request()
        return self._requests.own


@cache
def openvino_core() -> Any:
    """OpenVINO, one for the process."""
    return runtime_module("openvino").Core()
