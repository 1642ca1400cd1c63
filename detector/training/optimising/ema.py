"""Averaged weights: torch's `AveragedModel` with a decay that starts low."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of parameters and buffers; `update_parameters(model)` after each step.

    The decay is min(decay, (1 + n) / (10 + n)) at update n (Tensorflow's), so that a short run is not dragged down by
    its initial weights.

    Args:
        model: The detector, on its device; copied.
        decay: The share of the average that an update keeps, in the long run.
    """

    @torch.no_grad()
    def update(average: Tensors, current: Tensors, updates: Tensor | int) -> None:
        if not average[0].is_floating_point():  # BatchNorm's counters
            torch._foreach_copy_(list(average), list(current))
            return
        count = int(updates)
        keep = min(decay, (1 + count) / (10 + count))
        torch._foreach_lerp_(list(average), list(current), 1 - keep)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    for parameter in average.parameters():
        parameter.requires_grad_(False)
    return average
