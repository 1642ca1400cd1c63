"""What is seen of a run, and how fast it is."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType

import torch

from detector.base import reporting

GRADIENT_NORM = "gradient_norm"  # among the losses of a step, and none


class Display:
    """Shows how far a run is, and measures its speed.

    Args:
        epochs: Epochs of the whole run.
        done: Epochs done before now, with their fraction.
        device: Where it runs.
        quiet: Show nothing: another process does.
    """

    def __init__(self, epochs: int, done: float, device: torch.device, quiet: bool = False) -> None:
        self.device, self.quiet = device, quiet
        self.task = reporting.task("training", float(epochs), "epochs", first=done, quiet=quiet)
        self.restart_clock()

    def __enter__(self) -> Display:
        self.task.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.task.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """Show a line about the run."""
        self.task.log.say(text)

    def restart_clock(self) -> None:
        """Begin to measure anew, leaving out what has happened since the last step."""
        self.clock = time.perf_counter()
        self.images = 0
        self.waited = 0.0
        self.values: dict[str, list[float]] = defaultdict(list)

    def step(self, epoch: float, losses: Mapping[str, float], images: int, waited: float) -> None:
        """Take note of a step.

        Args:
            epoch: Epochs done, with their fraction.
            losses: Its losses.
            images: Its images, over all processes.
            waited: Seconds that it waited for its data.
        """
        self.images += images
        self.waited += waited
        for name, value in losses.items():
            self.values[name].append(value)
        self.task.reach(epoch)

    @contextmanager
    def evaluating(self, images: int) -> Iterator[Callable[[int], None]]:
        """A second task while so many images are evaluated; yields what is to be told of the images that are done."""
        with reporting.task("evaluating", images, "images", quiet=self.quiet) as task:
            yield task.advance

    def read(self, epoch: float, rate: float) -> dict[str, float]:
        """Losses, learning rate, speed and memory since the last reading, shown and handed back; the clock restarts."""
        seconds = max(time.perf_counter() - self.clock, 1e-9)
        means = {name: sum(values) / len(values) for name, values in self.values.items()}
        losses = {name: value for name, value in means.items() if name != GRADIENT_NORM}
        values = {
            "epoch": round(epoch, 4),
            "loss": sum(losses.values()),
            **means,
            "lr": rate,
            "images_per_second": round(self.images / seconds, 3),
            "waiting_share": round(self.waited / seconds, 4),
            "memory_mb": round(memory_in_use(self.device) / 2**20),
        }
        text = (
            f"loss {values['loss']:.3f}, lr {rate:.1e}, {values['images_per_second']:.1f} images/s, "
            f"{values['memory_mb'] / 1024:.1f} GB, {timedelta(seconds=round(self.task.seconds_left or 0))} left"
        )
        self.task.state(text, values)
        self.restart_clock()
        return values


def memory_in_use(device: torch.device) -> int:
    """Bytes: the most that tensors on a GPU took at once, or the most of this process; 0 where the system tells not."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
