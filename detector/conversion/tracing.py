"""Networks made ready for tracing: alone in what they do, and without what depends on how they came to be."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def for_tracing(net: Network) -> Network:
    """A copy of a network on the CPU, in float32 and evaluation mode, without gradients."""
    ready = copy.deepcopy(net).cpu().float().eval().requires_grad_(False)
    return ready
