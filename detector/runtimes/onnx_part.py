"""A part run by ONNX Runtime, as any other program may run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backbones.errors import CheckpointError
from detector.runtimes.onnx_file import EXTERNAL, parsed, tensors
from detector.runtimes.part import Part, damaged, runtime_module


class OnnxPart(Part):
    """A part in an ONNX file, in one file with its weights; float32, on the CPU.

    Args:
        file: The part's file.

    Raises:
        ConfigError: ONNX Runtime is not installed.
        CheckpointError: The file cannot be read, or names other files.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        runtime = runtime_module("onnxruntime")
        if any(tensor.data_location == EXTERNAL for tensor in tensors(parsed(file))):
            raise CheckpointError(
                "its weights are said to lie in other files", where=file, hint="export the model again"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors are raised; warnings are of no use to who runs it
        try:
            self._session: Any = runtime.InferenceSession(file.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # its classes of errors share no base but this
            raise damaged(file, error) from error
        self._names = [each.name for each in self._session.get_inputs()]

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        fed = {name: each.detach().cpu().numpy() for name, each in zip(self._names, inputs, strict=True)}
        return tuple(torch.from_numpy(each) for each in self._session.run(None, fed))
