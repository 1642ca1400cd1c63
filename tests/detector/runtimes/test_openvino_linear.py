"""Linear layers in 8 bits as convolutions: the same values, whatever comes before and after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detector.runtimes.openvino_linear import linear_to_convolutions
from detector.runtimes.openvino_part import openvino_core

ops: Any = pytest.importorskip("openvino.opset13")
openvino: Any = pytest.importorskip("openvino")
Layer = Callable[[Any], Any]


def linear(x: Any, inner: int, outer: int, kind: str = "i8") -> Any:
    rng = np.random.default_rng(outer)  # the same numbers in whatever order tests run
    values = rng.integers(-127, 127, (outer, inner)).astype(np.int8 if kind == "i8" else np.float16)
    scale = ops.constant(rng.uniform(0.5, 1, (outer, 1)).astype(np.float32) / 127)
    return ops.matmul(to_8_bits(x), ops.multiply(ops.convert(ops.constant(values), "f32"), scale), False, True)


def to_8_bits(x: Any, levels: int = 256) -> Any:
    low, high = (ops.constant(np.float32(each)) for each in (-4 * 128 / 127, 4))
    return ops.fake_quantize(x, low, high, low, high, levels)


def vector(channels: int) -> Any:
    return ops.constant(np.random.default_rng(channels).normal(size=channels).astype(np.float32))


def mlp(x: Any) -> Any:
    x = ops.gelu(ops.add(linear(x, 4, 8), vector(8)), "erf")
    return ops.add(linear(ops.multiply(x, vector(8)), 8, 4), vector(4))


def used_twice(x: Any) -> Any:
    found = linear(x, 4, 4)
    return ops.add(found, ops.gelu(found, "erf"))


def by_row(x: Any) -> Any:  # one value a row, not a channel
    return ops.multiply(linear(x, 4, 6), ops.constant(np.ones((6, 1), np.float32)))


def windows(x: Any) -> Any:
    x = linear(ops.reshape(x, ops.constant(np.array([6, 3, 4])), False), 4, 12)
    return linear(ops.softmax(ops.reshape(x, ops.constant(np.array([6, 9, 4])), False), -1), 4, 4)


@pytest.mark.parametrize(
    ("layers", "shape", "count"),
    [
        (lambda x: x, (1, 3, 4), 0),
        (lambda x: linear(x, 4, 8, "f16"), (1, 3, 4), 0),
        (lambda x: linear(x, 4, 8), (3, 4), 0),  # two dimensions
        (lambda x: linear(x, 4, 8), (2, 3, 4), 1),
        (mlp, (1, 3, 6, 4), 2),
        (used_twice, (2, 5, 4), 1),
        (by_row, (1, 6, 4), 1),
        (windows, (1, 18, 4), 2),
        (lambda x: to_8_bits(linear(x, 4, 8), 255), (2, 3, 4), 0),
    ],
)
def test_the_values_stay(layers: Layer, shape: tuple[int, ...], count: int) -> None:
    x = ops.parameter(list(shape), np.float32)
    network = openvino.Model([layers(x)], [x])
    picture = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = computed(network, picture)
    linear_to_convolutions(network)
    assert convolutions(network) == count
    np.testing.assert_allclose(computed(network, picture), before, atol=1e-4)


def test_what_has_no_size_yet_is_left_alone() -> None:
    x = ops.parameter([1, -1, 4], np.float32)
    network = openvino.Model([mlp(x)], [x])
    linear_to_convolutions(network)
    assert convolutions(network) == 0


def convolutions(network: Any) -> int:
    return [each.get_type_name() for each in network.get_ops()].count("Convolution")


def computed(network: Any, x: Any) -> Any:
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino_core().compile_model(network, "CPU", exact)(x)[0]
