"""Parts written for a runtime: OpenVINO's form, ONNX, and torch's machine code."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from backbones.errors import HoopoeError
from detector.base.devices import Precision
from detector.conversion.cutting import Cut
from detector.runtimes.part import runtime_module

ONNX_OPSET = 18
PRODUCTS = ("Convolution", "GroupConvolution", "MatMul")
MODULE = "__module"  # how the names begin that tracing gives


def traced(cut: Cut) -> Any:
    """A part as torch records it while its example runs through; what depends on the sizes stays so."""
    with torch.no_grad(), _quiet():
        return torch.jit.trace(cut.module, (cut.example,), check_trace=False)


def openvino_model(cut: Cut) -> Any:
    """A part as OpenVINO has it in memory."""
    openvino = runtime_module("openvino")
    shape = [-1 if dimension in cut.free else size for dimension, size in enumerate(cut.example.shape)]
    with _quiet(), refused("OpenVINO"):
        model = openvino.convert_model(traced(cut), input=[shape], example_input=cut.example)
    for output, name in zip(model.outputs, cut.outputs, strict=True):
        output.get_tensor().set_names({name})
    _name_folded(model)
    return model


def _name_folded(model: Any) -> None:
    """Name products that took in the scale of a BatchNorm after that, as they have lost the names of their modules."""
    for node in model.get_ops():
        if node.get_type_name() in PRODUCTS and not node.get_friendly_name().startswith(MODULE):
            users = (user.get_node().get_friendly_name() for user in node.output(0).get_target_inputs())
            if named := [name for name in users if name.startswith(MODULE)]:
                node.set_friendly_name(f"{min(named)}/{node.get_type_name()}")  # users come in any order


def write_openvino(model: Any, folder: Path, name: str) -> tuple[str, ...]:
    """Write it as `name.xml` and `name.bin`; the names of the files, the one to load first."""
    with refused("OpenVINO"):
        runtime_module("openvino").save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
    return f"{name}.xml", f"{name}.bin"


def write_onnx(cut: Cut, folder: Path, name: str) -> tuple[str, ...]:
    """Write it as one ONNX file, in which batch and sizes are free."""
    runtime_module("onnx"), runtime_module("onnxscript")
    file = folder / f"{name}.onnx"
    # torch's newer exporter takes minutes to reason about free sizes; the one that traces takes seconds
    with torch.no_grad(), _quiet(), refused("ONNX"):
        torch.onnx.export(
            cut.module,
            (cut.example,),
            str(file),
            input_names=[cut.input],
            output_names=list(cut.outputs),
            dynamic_axes={name: dict(free) for name, free in {cut.input: cut.free, **cut.free_outputs}.items()},
            opset_version=ONNX_OPSET,
            dynamo=False,
        )
    return (file.name,)


def write_aot(cut: Cut, folder: Path, name: str, device: torch.device, precision: Precision) -> tuple[str, ...]:
    """Compile it for a device into a package of machine code; needs a C++ compiler."""
    file = folder / f"{name}.pt2"
    dimensions = dict.fromkeys(cut.free, torch.export.Dim.DYNAMIC)
    module = _InPrecision(cut.module, precision).to(device).eval()
    with torch.no_grad(), _quiet(), refused("torch's compiler"):
        program = torch.export.export(module, (cut.example.to(device),), dynamic_shapes=((dimensions,)), strict=False)
        torch._inductor.aoti_compile_and_package(program, package_path=str(file))
    return (file.name,)


class _InPrecision(torch.nn.Module):
    """A part that computes in bfloat16 where autocast says so, or in float32; float32 outside."""

    def __init__(self, module: torch.nn.Module, precision: Precision) -> None:
        super().__init__()
        self.module, self.bf16 = module, precision == "bf16"

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            return tuple(each.float() for each in self.module(images))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say to their developers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def refused(runtime: str) -> Iterator[None]:
    """An exporter's own error in a sentence."""
    try:
        yield
    except HoopoeError:
        raise
    except Exception as error:  # of as many kinds as there are exporters
        problem = f"{runtime} cannot take this model ({' '.join(str(error).split())[:300]})"
        raise HoopoeError(problem, hint="choose another --format, and please report it") from error
