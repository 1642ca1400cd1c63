"""The memory that training takes: an estimate without training, and the largest batch that a GPU holds."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detector.models.building import config_of
from detector.training.config import TrainConfig
from detector.training.optimising.optimiser import parameter_counts

ROI_CELLS = 7 * 7  # of a proposal, in Faster R-CNN's box head
PROBE_SIDE = 256  # pixels of the image that is tried

MOST_IMAGES = 64  # on one device at once; more does not make a step more efficient
LEAST_STEPS = 20  # an epoch; a small set needs steps more than large batches
MEMORY_SHARE = 0.85  # of the device, so that fragments and other sizes of images have room
BOXES = 20  # drawn into each image


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on one device.

    Args:
        weights: Parameters, gradients, the two moments of AdamW and the average.
        activations: What the backward pass needs of the images that are in the network at once.
        images_at_once: How many these are.
    """

    weights: int
    activations: int
    images_at_once: int

    def __str__(self) -> str:
        parts = f"{self.weights / 2**30:.1f} for weights and optimiser, {self.activations / 2**30:.1f} for activations"
        total = (self.weights + self.activations) / 2**30
        return f"about {total:.1f} GB on each device ({parts} of {self.images_at_once} images at once)"


def estimate_memory(detector: Any, train: TrainConfig, size_wh: tuple[int, int], images_at_once: int) -> MemoryEstimate:
    """Estimate from what autograd keeps of one small image on the CPU, which grows with an image's area.

    Args:
        detector: On the CPU; left as it was but for BatchNorm's statistics.
        train: Precision and averaging.
        size_wh: Size of the images in the network.
        images_at_once: Images on a device at once.
    """
    config = config_of(detector)
    copies = 3 if train.ema_decay is None else 4  # the parameters, two moments, and the average
    parameters, trained = parameter_counts(detector)
    with torch.autocast("cpu", torch.bfloat16, enabled=train.precision in ("bf16", "fp16")):
        kept = _kept_bytes(detector, torch.rand(1, 3, PROBE_SIDE, PROBE_SIDE))
    kept = round(kept * size_wh[0] * size_wh[1] / PROBE_SIDE**2)
    if config.detector == "faster_rcnn":  # pooled proposals, once more for the layer that reads them, their gradients
        kept += 3 * config.roi_samples * config.fpn_channels * ROI_CELLS * 4
    return MemoryEstimate(4 * (copies * parameters + trained), kept * images_at_once, images_at_once)


def _kept_bytes(detector: Any, images: Tensor) -> int:
    """Bytes of the different tensors that autograd keeps of backbone, pyramid and dense head."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    head: nn.Module = detector.rpn.head if hasattr(detector, "rpn") else detector.head
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = head(list(detector.backbone(images).values()))
    del outputs
    weights = {each.untyped_storage().data_ptr() for each in detector.parameters()}
    return sum(each.untyped_storage().nbytes() for place, each in kept.items() if place not in weights)


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
