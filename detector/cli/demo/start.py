"""The weights that ship with Hoopoe for its demo: a nano detector of the drawn species, trained on other scenes.

Its backbone becomes the backbone of a species classifier, and that one the backbone of a detector again.
"""

from __future__ import annotations

from pathlib import Path

import backbones
from backbones.base import Backbone
from detector.config import shipped_folder
from detector.models.pyramid import BODY_PREFIX
from detector.models.saving import load_detector, read_detector, save_detector


def shipped_start() -> Path:
    """The detector's file; `configs/demo_pretraining.yaml` says how it was made."""
    return shipped_folder() / "demo_start.safetensors"


def classifier_from_detector(source: Path, num_classes: int) -> tuple[Backbone, dict[str, tuple[float, ...]]]:
    """A classifier on a detector's backbone; its last layers, which a detector does without, are at random.

    Args:
        source: The detector's file.
        num_classes: Outputs of the classifier.

    Returns:
        The classifier, and the mean and standard deviation of the channels that it is used to.

    Raises:
        CheckpointError: The file cannot be used.
    """
    state, meta = read_detector(source)
    config = meta.config
    assert config.backbone_size is not None  # a file's configuration is resolved
    net = backbones.create_model(
        config.backbone, num_classes=num_classes, input_size=config.backbone_size, config=config.backbone_config
    )
    body = {name.removeprefix(BODY_PREFIX): tensor for name, tensor in state.items() if name.startswith(BODY_PREFIX)}
    net.load_state_dict(body, strict=False)
    return net, meta.rgb_stats


def detector_from_classifier(source: Path, classifier: Path, output: Path) -> None:
    """Write a detector whose backbone is a classifier's, and whose pyramid and heads are another detector's.

    Args:
        source: The other detector's file.
        classifier: A classifier made by `classifier_from_detector` from that file.
        output: The file to write.

    Raises:
        CheckpointError: A file cannot be used.
    """
    detector = load_detector(source, device="cpu")
    state = backbones.load_pretrained_model(classifier).net.state_dict()
    whole = detector.net.state_dict()
    body = {name: state[name.removeprefix(BODY_PREFIX)] for name in whole if name.startswith(BODY_PREFIX)}
    detector.net.load_state_dict(whole | body)
    save_detector(output, detector.with_training(detector.meta.training_data, metrics={}))
