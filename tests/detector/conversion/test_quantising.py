"""The ranges of 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.conversion.quantising import quantise
from detector.runtimes.openvino_part import openvino_core


def test_what_one_photo_of_many_shows_is_not_cut_off() -> None:
    pytest.importorskip("nncf")
    openvino: Any = pytest.importorskip("openvino")
    ops: Any = pytest.importorskip("openvino.opset13")
    rng = np.random.default_rng(0)
    x, weight = ops.parameter([1, 16, 8], np.float32), rng.normal(size=(8, 8)).astype(np.float32)
    photos = [rng.uniform(-1, 1, (1, 16, 8)).astype(np.float32) for _ in range(16)]
    photos[3] *= 8
    model = openvino.Model([ops.matmul(x, ops.constant(weight), False, True)], [x])
    found = openvino_core().compile_model(quantise(model, photos, (), len(photos)), "CPU")(photos[3])[0]
    exact = photos[3] @ weight.T
    np.testing.assert_allclose(found, exact, atol=0.02 * np.abs(exact).max())
