"""Turning stored pixels upright, by the eight orientations that EXIF numbers and that a display matrix can describe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TURNS = (5, 6, 7, 8)  # the ones that swap width and height
UNDOING = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}


def orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation, 1 to 8 (JEITA CP-3451, table 6), to pixels (H, W, C)."""
    if orientation in _TURNS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def orient_boxes(boxes_xywh: NDArray[np.floating], orientation: int) -> NDArray[np.floating]:
    """Apply an EXIF orientation to boxes (N, 4): left, top, width and height as shares of the stored picture."""
    x, y, w, h = boxes_xywh.T
    if orientation in _TURNS:
        x, y, w, h = y, x, h, w
    if orientation in (2, 3, 6, 7):
        x = 1 - x - w
    if orientation in (3, 4, 7, 8):
        y = 1 - y - h
    return np.stack([x, y, w, h], axis=1)


def upright_size(stored_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height once the orientation is applied."""
    return (stored_wh[1], stored_wh[0]) if orientation in _TURNS else stored_wh


def orientation_of_matrix(matrix: NDArray[np.integer]) -> int:
    """The orientation that a video's display matrix (3, 3) asks for: the nearest of the eight.

    A stored point (x, y) is shown at (a x + c y, b x + d y), where the matrix begins a, b, -, c, d (ISO/IEC 14496-12).
    """
    a, b, c, d = (float(value) for value in (matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return {(True, True): 1, (False, True): 2, (False, False): 3, (True, False): 4}[a >= 0, d >= 0]
    return {(True, True): 5, (True, False): 6, (False, False): 7, (False, True): 8}[b >= 0, c >= 0]
