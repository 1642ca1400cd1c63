"""How far an annotation is: a bar with speed and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

LINE_SECONDS = 10.0  # between plain lines


class FilesProgress:
    """Shows files done of all, files a second and the time left; a context manager.

    Args:
        total: Files to do; None while that is not known.
        verb: What happens to them, such as "annotating".
        quiet: Show nothing.
    """

    def __init__(self, total: int | None, verb: str, quiet: bool = False) -> None:
        self.total, self.verb = total, verb
        self.console = Console(stderr=True, quiet=quiet)
        self.live = self.console.is_terminal and not quiet
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.live, transient=True)
        self.task = self.bar.add_task(verb, total=total, text="")
        self.started = self.last_line = time.monotonic()
        self.done = self.failed = 0

    def __enter__(self) -> FilesProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    def skip(self) -> None:
        """A file need not be done."""
        if self.total is not None:
            self.total -= 1
            self.bar.update(self.task, total=self.total)

    def advance(self, failed: bool = False) -> None:
        """A file is done."""
        self.done += 1
        self.failed += failed
        text = f"{self.done / max(self.seconds, 1e-9):.1f} files/s"
        if self.total:
            left = self.seconds / self.done * (self.total - self.done)
            text += f", {timedelta(seconds=round(left))} left"
        if self.failed:
            text += f", {self.failed} failed"
        if self.live:
            self.bar.update(self.task, completed=self.done, text=text)
        elif time.monotonic() - self.last_line >= LINE_SECONDS:
            self.last_line = time.monotonic()
            of = f" of {self.total}" if self.total else ""
            self.console.print(f"{self.verb}: {self.done}{of} files, {text}", highlight=False, soft_wrap=True)
