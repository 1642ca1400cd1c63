"""A part of a network of ours that torch compiles while the program runs: on a GPU it becomes one CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from detector.base.devices import Precision, computing
from detector.base.reporting import warn
from detector.runtimes.part import Part

MOST_SIZES = 8  # each takes long to compile, and a graph's memory
RECOMPILE_LIMIT = 64  # torch's own counts all models of a kind together


class CompiledPart(Part):
    """A part compiled once for each size of its input, in channels-last; all rows of a batch run together.

    A batch that is not full is filled up with zeros, so that it needs no graph of its own: rows do not see each other.

    Args:
        module: Tensor (N, ...) -> tuple of tensors (N, ...); on its device, in evaluation mode.
        precision: What is computed in; the outputs are float32.
        rows: A new size is made for a multiple of so many rows.
    """

    batched = True

    def __init__(self, module: nn.Module, precision: Precision, rows: int = 1) -> None:
        super().__init__()
        self.module = module.to(memory_format=torch.channels_last)
        self.precision, self.rows = precision, rows
        self._sizes: set[tuple[int, ...]] = set()  # that are compiled
        self._most = MOST_SIZES
        on_cuda = next(module.parameters()).is_cuda
        self._compiled = torch.compile(module, dynamic=False, mode="reduce-overhead" if on_cuda else None)

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        (images,) = inputs
        full = self._filled_up(images).to(memory_format=torch.channels_last)
        with computing(full.device, self.precision):
            found = self._found(full)
        # a graph's next run writes where its last one did
        return tuple(each[: len(images)].to(torch.float32, copy=True) for each in found)

    def _filled_up(self, images: Tensor) -> Tensor:
        """As many rows as the smallest size that is compiled and takes them has."""
        each = tuple(images.shape[1:])
        taking = [rows for rows, *rest in self._sizes if tuple(rest) == each and rows >= len(images)]
        missing = min(taking, default=-(-len(images) // self.rows) * self.rows) - len(images)
        return torch.cat([images, images.new_zeros(missing, *each)]) if missing else images

    def _found(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compiled, or as it is: where there are too many sizes, or no compiler that works."""
        size, known = tuple(images.shape), tuple(images.shape) in self._sizes
        if not known and len(self._sizes) >= self._most:
            return tuple(self.module(images))
        try:
            with torch._dynamo.config.patch(recompile_limit=RECOMPILE_LIMIT):
                torch.compiler.cudagraph_mark_step_begin()
                found = tuple(self._compiled(images))
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # of as many kinds as there are compilers
            if known:
                raise
            said = " ".join(str(error).split())[:200]
            warn(f"torch's compiler does not work here ({said}): networks run as they are")
            self._most = 0
            return tuple(self.module(images))
        self._sizes.add(size)
        if len(self._sizes) == self._most and not known:
            warn(f"pictures have {self._most} sizes or more: those of further ones are not compiled for")
        return found
