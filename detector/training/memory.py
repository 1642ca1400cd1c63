"""An estimate of the memory that training takes, without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detector.models.building import config_of
from detector.training.config import TrainConfig
from detector.training.optimiser import parameter_counts

ROI_CELLS = 7 * 7  # of a proposal, in Faster R-CNN's box head
PROBE_SIDE = 256  # pixels of the image that is tried


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
    with torch.autocast("cpu", torch.bfloat16, enabled=train.precision == "bf16"):
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
