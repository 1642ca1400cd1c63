"""Where each person was when they stopped, beside what they said: only a convenience, which may be lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backbones.errors import HoopoeError
from detector.base.files import read_text, write_bytes
from detector.review.asked import AskedError, Where, checked
from detector.store.layout import reviews_folder

FILE = "where.json"


class Remembered:
    """Reads and writes where people are.

    Args:
        folder: The store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = reviews_folder(folder) / FILE
        self._known: dict[str, Where] = {}
        self.last: str | None = None
        try:
            content = json.loads(read_text(self._path, what="where people were"))
        except (OSError, ValueError, HoopoeError):
            return
        for each in content if isinstance(content, list) else ():
            try:
                where = checked(Where, json.dumps(each).encode())
            except AskedError:
                continue
            self._known[where.reviewer] = where
            self.last = where.reviewer

    def of(self, reviewer: str) -> dict[str, Any] | None:
        """Where a person was; None: they were never here."""
        return self._known[reviewer].model_dump() if reviewer in self._known else None

    def keep(self, where: Where) -> None:
        """Remember where a person is, who was here last."""
        if self.last == where.reviewer and self._known.get(where.reviewer) == where:
            return
        self._known.pop(where.reviewer, None)
        self._known[where.reviewer] = where
        self.last = where.reviewer
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([each.model_dump() for each in self._known.values()], ensure_ascii=False, indent=1)
        write_bytes(self._path, text.encode(), durable=False)
