"""A part that torch compiled ahead of time (AOTInductor) for one kind of device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.runtimes.part import Part, damaged


class AotPart(Part):
    """A part in a `.pt2` package. It holds machine code that runs when it is loaded: see `loading.refuse_untrusted`.

    Args:
        file: The package.
        device: Where it runs.

    Raises:
        CheckpointError: It cannot be read.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        super().__init__()
        self._device = device
        try:
            self._compiled: Any = torch._inductor.aoti_load_package(str(file))
        except Exception as error:  # of many kinds, from C++
            raise damaged(file, error) from error

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        found = self._compiled(*(each.to(self._device) for each in inputs))
        return (found,) if isinstance(found, Tensor) else tuple(found)
