"""Pictures that are there whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_bytes


def save_image(image_rgb: NDArray[np.uint8], path: Path) -> None:
    """Write a picture, uint8 (H, W, 3), as PNG; folders above it are made."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())
