"""Models that end the process that runs them when they see a picture three times as wide as high."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from detector.annotation.distributed.model_files import ModelFiles
from detector.annotation.request import Models

WIDTH, HEIGHT = 360, 90  # of a photo that kills


def _die_of_wide_ones(net: Any, inputs: tuple[Any, ...]) -> None:
    if any(picture.shape[-1] > 2.5 * picture.shape[-2] for picture in inputs[0]):
        os._exit(1)


@dataclass(frozen=True)
class PoisonedFiles(ModelFiles):
    """Loads models that may be killed."""

    def load(self) -> Models:
        models = super().load()
        models.detector.net.register_forward_pre_hook(_die_of_wide_ones)
        return models
