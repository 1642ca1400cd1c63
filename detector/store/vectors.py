"""Packed vectors of many boxes as one matrix, without a copy a box."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backbones.errors import DataError


def binary_matrix(packed: pa.Array, dtype: str) -> NDArray:
    """Vectors of one length, such as logits ("<f2") or appearances ("u1").

    Args:
        packed: Binary (N,), without nulls.
        dtype: Of the vectors' elements.

    Returns:
        (N, W), a view of Arrow's memory; (0, 0) of nothing.

    Raises:
        DataError: The vectors differ in length.
    """
    if not len(packed):
        return np.zeros((0, 0), dtype)
    _, offset_buffer, data = packed.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[packed.offset : packed.offset + len(packed) + 1]
    lengths = np.diff(offsets)
    if (lengths != lengths[0]).any() or lengths[0] % np.dtype(dtype).itemsize:
        raise DataError(
            f"vectors of one kind have {lengths.min()} to {lengths.max()} bytes",
            where="facts",
            hint="the facts are of several models: begin a new store",
        )
    if not lengths[0]:
        return np.zeros((len(packed), 0), dtype)
    content = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return content.reshape(len(packed), -1).view(dtype)
