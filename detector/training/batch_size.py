"""`train.batch_size: auto`: the largest batch that a GPU holds."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

MOST_IMAGES = 64  # on one device at once; more does not make a step more efficient
LEAST_STEPS = 20  # an epoch; a small set needs steps more than large batches
MEMORY_SHARE = 0.85  # of the device, so that fragments and other sizes of images have room
BOXES = 20  # drawn into each image


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest power of two up to `most` that fits, going up from 1; 0 if not even that does."""
    size, best = 1, 0
    while size <= most and fits(size):
        best, size = size, 2 * size
    return best


def most_useful(images: int, processes: int, accumulate: int) -> int:
    """The most images on a device at once that leave an epoch of so many images `LEAST_STEPS` steps."""
    return max(1, min(MOST_IMAGES, images // (LEAST_STEPS * processes * accumulate)))


def fits_on_gpu(
    model: nn.Module, size_wh: tuple[int, int], autocast: Callable[[], AbstractContextManager[None]]
) -> Callable[[int], bool]:
    """A function that tries a training step with so many images of a size, on a copy of the model.

    Args:
        model: The detector on its CUDA device.
        size_wh: The largest size that images have in the network.
        autocast: Makes the context of the run's precision.
    """
    device = next(model.parameters()).device
    total = torch.cuda.get_device_properties(device).total_memory
    # Adam's two moments in float32, and the averaged weights
    later = sum(3 * 4 * each.numel() for each in model.parameters() if each.requires_grad)

    def fits(images: int) -> bool:
        trial = copy.deepcopy(model).train()
        torch.cuda.reset_peak_memory_stats(device)
        try:
            with autocast():
                losses = trial(*_drawn_batch(images, size_wh, device))
            sum(losses.values()).backward()
            return torch.cuda.max_memory_allocated(device) + later < MEMORY_SHARE * total
        except torch.OutOfMemoryError:
            return False
        finally:
            del trial
            gc.collect()
            torch.cuda.empty_cache()

    return fits


def _drawn_batch(
    images: int, size_wh: tuple[int, int], device: torch.device
) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    width, height = size_wh
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(images, BOXES, 2, generator=generator) * torch.tensor([width, height]) * 0.8
    sides = torch.rand(images, BOXES, 2, generator=generator) * torch.tensor([width, height]) * 0.15 + 2
    boxes = torch.cat([corners, corners + sides], dim=2).to(device)
    labels = torch.zeros(BOXES, dtype=torch.int64, device=device)
    pictures = torch.rand(images, 3, height, width, generator=generator).to(device)
    return list(pictures), [{"boxes": each, "labels": labels} for each in boxes]
