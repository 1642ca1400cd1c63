"""Progress for programs: one event a line on stderr, as JSON."""

from __future__ import annotations

import json
import math
import sys
import time
from datetime import UTC, datetime
from typing import TextIO

from detector.base.reporting.tasks import Task

EVENT_SECONDS = 1.0  # between two events of a task's progress


class JsonLog:
    """Writes `started`, `progress`, `finished`, `message`, `warning` and `error`: objects with their time (UTC)."""

    def __init__(self) -> None:
        self.out: TextIO | None = None  # instead of stderr, where others write too
        self._last_events: dict[Task, float] = {}

    def event(self, name: str, **fields: object) -> None:
        """Write an event; fields that are None are left out."""
        known = {key: value for key, value in fields.items() if value is not None}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"event": name, "time": now, **known}, ensure_ascii=False)
        out = self.out or sys.stderr
        out.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")  # one write a line
        out.flush()

    def started(self, task: Task) -> None:
        """What is to be done, and how much of it."""
        self._last_events[task] = time.monotonic()
        self.event("started", task=task.verb, total=task.total, unit=task.unit or None, done=task.first or None)

    def progress(self, task: Task, stated: bool = False) -> None:
        """How much is done, not more often than people can read."""
        if stated or time.monotonic() - self._last_events.get(task, 0.0) >= EVENT_SECONDS:
            self._last_events[task] = time.monotonic()
            left = task.seconds_left
            self.event("progress", **_counts(task), seconds_left=None if left is None else round(left, 1))

    def finished(self, task: Task) -> None:
        """How much was done."""
        self._last_events.pop(task, None)
        self.event("finished", **_counts(task), seconds=round(task.seconds, 3))

    def say(self, text: str) -> None:
        """A line about the work."""
        self.event("message", message=text)

    def warn(self, text: str) -> None:
        """A line that nobody should miss."""
        self.event("warning", message=text)

    def error(self, problem: str, where: str | None, hint: str | None) -> None:
        """What is wrong, where, and what to do."""
        self.event("error", problem=problem, where=where, hint=hint)


def _counts(task: Task) -> dict[str, object]:
    figures = {name: value if math.isfinite(value) else None for name, value in task.figures.items()}
    return {
        "task": task.verb,
        "done": task.done,
        "total": task.total,
        "unit": task.unit or None,
        "failed": task.failed,
        "per_second": round(task.per_second, 3),
        **figures,
    }
