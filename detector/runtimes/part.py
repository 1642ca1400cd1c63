"""A part of a network that another runtime runs, as a module; and what is said where that runtime is not installed."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from backbones.errors import CheckpointError, ConfigError, HoopoeError
from detector.base.failures import ran_out_of_memory, said_by

EXTRA = "fast"  # of setup.cfg: what installs the runtimes


class Part(nn.Module):
    """A part: tensors in, tensors out, by position; sizes and batch are free where the part's are.

    Attributes:
        widths: Channels of each output, as the model that it belongs to has them; None: not checked.
        file: The part's, for errors.
        lanes: How many pictures may be in it at once, each on its share of the cores.
        alone: Whether it is given one picture at a time, as by a detector; a runtime may prepare for its size.
        batched: Whether all pictures of a batch go into it together, on their device.
    """

    widths: tuple[int, ...] | None = None
    file: Path | None = None
    lanes: int = 1
    alone: bool = False
    batched: bool = False

    @property
    def by_size(self) -> bool:
        """Whether it is prepared for one picture of a size, and should get no more than one."""
        return False

    def spread(self, lanes: int) -> None:
        """Prepare for so many pictures at once; a runtime that cannot takes one after the other."""

    @abstractmethod
    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs, contiguous and float32, to outputs of the same kind; on the CPU unless torch runs the part."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs for these inputs.

        Raises:
            CheckpointError: They are another model's.
            HoopoeError: The runtime fails, has no memory left, or computes what is no number.
        """
        try:
            with torch.autocast(inputs[0].device.type, enabled=False):
                found = self.run(*(each.float().contiguous() for each in inputs))
        except (HoopoeError, torch.cuda.OutOfMemoryError):  # who calls may try fewer pictures
            raise
        except Exception as error:  # of many kinds, from C++
            raise failed(error, self.file) from error
        if self.widths is not None and [each.shape[1:2] for each in found] != [(width,) for width in self.widths]:
            problem = "a part of this export gives other outputs than its categories or classes need"
            raise CheckpointError(problem, hint="export the model again")
        if self.widths is not None and not all(bool(each.sum().isfinite()) for each in found):
            problem = "the runtime gives what is no number for this picture"  # of which nothing would be found
            hint = "use the model that the export was made from, or export it with --precision fp32"
            raise HoopoeError(problem, where=self.file, hint=hint)
        return found

    def __deepcopy__(self, memo: dict[int, object]) -> Part:
        return self  # it has no weights that could be changed, and a runtime's network cannot be copied


def runtime_module(name: str) -> ModuleType:
    """A runtime's module.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        problem = f"{name} is not installed, or does not work here ({str(error)[:120]})"
        raise ConfigError(problem, hint=f"install it: pip install 'hoopoe[{EXTRA}]'") from error


def failed(error: Exception, file: Path | None) -> HoopoeError:
    """The error for a runtime that could not compute."""
    if ran_out_of_memory(error):
        hint = "close other programs, and run it again to go on; large pictures take more"
        return HoopoeError("the runtime has no memory left for this picture", where=file, hint=hint)
    hint = "run it again to go on; if it ends here again, use the model that the export was made from"
    return HoopoeError(f"the runtime failed ({' '.join(said_by(error).split())[:200]})", where=file, hint=hint)


def damaged(file: Path, error: Exception) -> CheckpointError:
    """The error for a part that its runtime cannot read."""
    said = " ".join(str(error).split())[:200]
    return CheckpointError(f"the runtime cannot read this part ({said})", where=file, hint="export the model again")
