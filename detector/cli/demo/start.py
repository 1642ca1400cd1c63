"""The weights that ship with Hoopoe for its demo: a nano detector of the drawn species, trained on other scenes.

Its backbone becomes the backbone of a species classifier, and that one the backbone of a detector again.
"""

from __future__ import annotations

from pathlib import Path

import backbones
from detector.config import shipped_folder
from detector.models.pyramid import BODY_PREFIX
from detector.models.saving import load_detector, save_detector


def shipped_start() -> Path:
    """The detector's file; `configs/demo_pretraining.yaml` says how it was made."""
    return shipped_folder() / "demo_start.safetensors"


def detector_from_classifier(source: Path, classifier: Path, output: Path) -> None:
    """Write a detector whose backbone is a classifier's, and whose pyramid and heads are another detector's.

    Args:
        source: The other detector's file.
        classifier: A classifier on the backbone of that file (`train-species --init`).
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
