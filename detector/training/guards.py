"""What can go wrong in a step: losses that are not finite, memory that runs out, a user who wants to stop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence

import torch

from backbones.errors import ConfigError, DataError
from detector.training.records.progress import GRADIENT_NORM

SHOWN_IMAGES = 16


def non_finite_error(losses: Mapping[str, float], image_names: Sequence[str], step: int) -> DataError:
    """The error that stops a run whose loss, or its gradient, is not finite, naming both and the batch's images."""
    spoilt = [name for name, value in losses.items() if not math.isfinite(value)]
    what = "gradient" if spoilt == [GRADIENT_NORM] else "loss"
    shown = ", ".join(image_names[:SHOWN_IMAGES]) + (", ..." if len(image_names) > SHOWN_IMAGES else "")
    values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
    return DataError(
        f"the {what} is not finite: {values}",
        where=f"step {step + 1}, images {shown}",
        hint="look at these images (hoopoe doctor); or lower train.lr, lengthen train.warmup_steps, or set "
        "train.precision=fp32",
    )


@contextlib.contextmanager
def out_of_memory_explained(images: int) -> Iterator[None]:
    """Turn CUDA's out-of-memory error into one that proposes what to change."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the GPU ran out of memory with {images} images at once",
            where="train.batch_size",
            hint="set train.accumulate=2 (or 4: the same steps in less memory), train.batch_size=auto, "
            "model.grad_checkpointing=true, train.precision=bf16, or a smaller model.min_size and model.max_size",
        ) from error
