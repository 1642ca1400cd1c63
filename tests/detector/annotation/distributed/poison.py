"""Models that end the process that runs them, or its machine, when they see a picture three times as wide as high."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from detector.annotation.distributed.model_files import ModelFiles
from detector.annotation.request import Models

WIDTH, HEIGHT = 360, 90  # of a photo that kills


def _at_wide_ones(kill: Callable[[], None]) -> Callable[[Any, tuple[Any, ...]], None]:
    def look(net: Any, inputs: tuple[Any, ...]) -> None:
        if any(picture.shape[-1] > 2.5 * picture.shape[-2] for picture in inputs[0]):
            kill()

    return look


def _end_process() -> None:
    os._exit(1)


def _end_machine() -> None:
    """The parent of Ray's workers is their node."""
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)


@dataclass(frozen=True)
class PoisonedFiles(ModelFiles):
    """Loads models that may be killed."""

    kill = staticmethod(_end_process)

    def load(self) -> Models:
        models = super().load()
        models.detector.net.register_forward_pre_hook(_at_wide_ones(self.kill))
        return models


@dataclass(frozen=True)
class FellingFiles(PoisonedFiles):
    """Loads models that take their machine down."""

    kill = staticmethod(_end_machine)
