"""Progress for people: bars on a terminal, a plain line now and then elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from detector.base.reporting.tasks import Task

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0  # between plain lines of a task
BAR_COLUMNS = 20  # characters of a bar, so that words beside it fit on a line of 80


class QuietLog:
    """Shows warnings and errors alone."""

    def started(self, task: Task) -> None:
        """Nothing is shown."""

    def progress(self, task: Task, stated: bool = False) -> None:
        """Nothing is shown."""

    def finished(self, task: Task) -> None:
        """Nothing is shown."""

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def warn(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    def error(self, problem: str, where: str | None, hint: str | None) -> None:
        """Print what is wrong, where, and what to do, each on a line of its own; parts not known are left out."""
        for label, text in (("error:", problem), ("where:", where), ("hint:", hint)):
            if text:
                self.warn(f"{label:<7}{text}")


class TextLog(QuietLog):
    """Shows all, above bars where there are any."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._shown: dict[Task, TaskID] = {}
        self._last_lines: dict[Task, float] = {}

    def started(self, task: Task) -> None:
        """Open a bar, below those of tasks around it."""
        self._last_lines[task] = time.monotonic()
        if sys.stderr.isatty():
            if self._bars is None:
                self._bars = _new_bars()
                self._bars.start()
            self._shown[task] = self._bars.add_task(task.verb, total=task.total, counts="", pace="")

    def progress(self, task: Task, stated: bool = False) -> None:
        """Move the bar; or print a line, if the last one is long ago."""
        if self._bars is not None and task in self._shown:
            number, counts, pace = self._shown[task], task.counts(), task.pace()
            self._bars.update(number, completed=task.done, total=task.total, counts=counts, pace=pace)
        elif stated or (task.text is None and time.monotonic() - self._last_lines.get(task, 0.0) >= LINE_SECONDS):
            self._last_lines[task] = time.monotonic()
            self.say(", ".join(filter(None, (f"{task.verb}: {task.counts()} {task.unit}".strip(), task.pace()))))

    def finished(self, task: Task) -> None:
        """Take the bar away."""
        self._last_lines.pop(task, None)
        number = self._shown.pop(task, None)
        if self._bars is not None and number is not None:
            self._bars.remove_task(number)
            if not self._shown:
                self._bars.stop()
                self._bars = None

    def say(self, text: str) -> None:
        """Print a line, above the bars."""
        self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line, above the bars."""
        if self._bars is None:
            super().warn(text)
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _new_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(BAR_COLUMNS),
        TextColumn("{task.fields[counts]}", markup=False),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stderr=False)
