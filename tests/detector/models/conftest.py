from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from detector.models.building import build_detector
from detector.models.config import ModelConfig

SMALL = {"fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128, "train_proposals": 100}


@pytest.fixture
def make_detector() -> Callable[..., nn.Module]:
    """A small detector with random weights: DaViT unless said otherwise."""

    def make(**changes: object) -> nn.Module:
        torch.manual_seed(0)
        return build_detector(ModelConfig.model_validate({"backbone": "davit_nano", **SMALL, **changes}))

    return make


@pytest.fixture
def pictures() -> list[NDArray[np.uint8]]:
    """Noise of four sizes, two of which are one in the network."""
    rng = np.random.default_rng(0)
    sizes = [(96, 128), (240, 200), (192, 256), (50, 300)]
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
