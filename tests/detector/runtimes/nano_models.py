"""Small models with random weights, to export."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import backbones
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD
from detector.species.classifier import SpeciesClassifier

SMALL: dict[str, dict[str, Any]] = {
    "davit_nano": {"dims": [16, 32, 64, 128]},
    "biformer_nano": {"embed_dims": [32, 32, 64, 64], "depths": [1, 1, 1, 1]},
}
SIZES_HW = ((96, 130), (130, 96), (64, 64), (64, 64))


def nano_detector(backbone: str, **changes: Any) -> Detector:
    """A small detector with random weights that finds much."""
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=backbone,
        backbone_config=SMALL[backbone],
        backbone_size=(64, 64),
        min_size=96,
        max_size=130,
        fpn_channels=64,
        box_head_width=32,
        proposals=20,
        categories=("bird", "fox"),
        score_threshold=0.0,
        max_detections=30,
        **changes,
    )
    net: Any = build_detector(config).eval()
    for name, parameter in net.named_parameters():
        if name.endswith(("cls_logits.weight", "cls_score.weight", "bbox_reg.weight")):
            torch.nn.init.normal_(parameter, std=0.2)  # scores that differ: equal ones may come in any order
    return Detector.of(net)


def nano_classifier() -> SpeciesClassifier:
    torch.manual_seed(0)
    net = backbones.create_model("davit_nano", num_classes=5, input_size=(64, 64), config=SMALL["davit_nano"]).eval()
    names = tuple("abcde")
    return SpeciesClassifier("five", "0" * 64, names, (64, 64), IMAGENET_MEAN, IMAGENET_STD, "fp32", net)


def pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), np.uint8) for size in SIZES_HW]
