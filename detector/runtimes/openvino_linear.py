"""Linear layers in 8 bits as convolutions of one pixel: of these OpenVINO has fast kernels for every CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.runtimes.part import runtime_module

BY_ELEMENT = ("Add", "FakeQuantize", "Gelu", "Multiply")  # what a convolution computes along with itself
LEVELS = 256  # of 8 bits as NNCF has them; with others OpenVINO's convolutions compute something else


def linear_to_convolutions(network: Any) -> None:
    """Replace linear layers in 8 bits whose sizes are known, with what follows them element by element.

    For AVX2 without VNNI OpenVINO has its linear layers by a general product alone, which is half as fast
    (`benchmarks/results/runtimes.md`). What is computed stays the same.

    Args:
        network: OpenVINO's model; changed in place.
    """
    ops: Any = runtime_module("openvino.opset13")
    columns: dict[str, Any] = {}  # outputs (1, channels, rows), by the name of the node that gives them as rows
    nodes = network.get_ordered_ops()
    steps = [node for node in nodes if node.get_type_name() == "FakeQuantize"]
    if any(step.get_attributes()["levels"] != LEVELS for step in steps):
        return
    for layer in (node for node in nodes if node.get_type_name() == "MatMul"):
        rows, weight = layer.input_value(0), _weight(ops, layer)
        shape = rows.get_partial_shape()
        if weight is None or shape.is_dynamic or len(shape) < 3:  # two dimensions: a few rows, of an embedding
            continue
        *places, channels = shape.to_shape()
        x = columns.get(rows.get_node().get_name())
        if x is None:
            x = _transposed(ops, ops.reshape(rows, _ints(ops, 1, math.prod(places), channels), False))
        convolution = ops.convolution(x, weight, [1], [0], [0], [1])
        convolution.set_friendly_name(layer.get_friendly_name())
        last, users = _moved(ops, layer.output(0), convolution.output(0))
        back = ops.reshape(_transposed(ops, last), _ints(ops, *places, weight.get_shape()[0]), False)
        columns[back.get_name()] = last
        for user in users:
            user.replace_source_output(back.output(0))
    network.validate_nodes_and_infer_types()


def _weight(ops: Any, layer: Any) -> Any:
    """The weight of a linear layer in 8 bits as a convolution's, (out, in, 1); None: it is something else."""
    scaled = layer.input_value(1).get_node()
    if scaled.get_type_name() != "Multiply" or not layer.get_attributes()["transpose_b"]:
        return None
    converted, scale = (each.get_node() for each in scaled.input_values())
    if converted.get_type_name() != "Convert" or scale.get_type_name() != "Constant":
        return None
    weight = converted.input_value(0).get_node()
    if weight.get_type_name() != "Constant" or weight.get_element_type().get_type_name() != "i8":
        return None
    values = ops.convert(ops.constant(weight.data[..., None]), "f32")
    return ops.multiply(values, ops.constant(scale.data[..., None])).output(0)


def _moved(ops: Any, rows: Any, columns: Any) -> tuple[Any, list[Any]]:
    """Let what follows rows element by element take columns (1, channels, rows); its last output, and who uses that."""
    channels = columns.get_shape()[1]
    while True:
        users = list(rows.get_target_inputs())
        node = users[0].get_node() if len(users) == 1 else None
        if node is None or node.get_type_name() not in BY_ELEMENT:
            return columns, users
        others = [each for each in node.inputs() if each.get_index() != users[0].get_index()]
        values = [_by_channel(each.get_source_output().get_node(), channels) for each in others]
        if any(value is None for value in values):
            return columns, users
        users[0].replace_source_output(columns)
        for each, value in zip(others, values, strict=True):
            each.replace_source_output(ops.constant(value).output(0))
        node.validate_and_infer_types()
        rows = columns = node.output(0)


def _by_channel(node: Any, channels: int) -> NDArray[np.float32] | None:
    """A constant for all elements, or one for each channel, as columns (1, channels, rows) take it; None: neither."""
    if node.get_type_name() != "Constant":
        return None
    data: NDArray[np.float32] = node.data
    if data.size == 1:
        return data.reshape(())
    return data.reshape(1, channels, 1) if data.size == channels == data.shape[-1] else None


def _transposed(ops: Any, x: Any) -> Any:
    return ops.transpose(x, _ints(ops, 0, 2, 1)).output(0)


def _ints(ops: Any, *values: int) -> Any:
    return ops.constant(np.array(values, np.int64))
