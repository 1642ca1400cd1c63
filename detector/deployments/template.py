"""The table of deployments as a person gets it to fill in."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backbones.errors import ConfigError
from detector.base.files import write_bytes
from detector.base.folders import group_cameras
from detector.deployments.table import COLUMNS
from detector.footage.heads import capture_of_head
from detector.store.reader import FactsReader
from detector.types import MediaItem


@dataclass(frozen=True)
class Taken:
    """When and by what a media item was taken.

    Attributes:
        card: Its card.
        path: Under the card's root.
        captured_at: As the camera wrote it; None: unknown.
        camera_model: None: unknown.
    """

    card: str
    path: str
    captured_at: datetime | None
    camera_model: str | None


@dataclass
class _Tally:
    first: datetime | None = None
    last: datetime | None = None
    files: int = 0
    models: Counter[str] = field(default_factory=Counter)

    def add(self, taken: Taken) -> None:
        self.files += 1
        if taken.camera_model:
            self.models[taken.camera_model] += 1
        if taken.captured_at:
            self.first = min(self.first or taken.captured_at, taken.captured_at)
            self.last = max(self.last or taken.captured_at, taken.captured_at)

    def join(self, other: _Tally) -> None:
        self.files += other.files
        self.models += other.models
        firsts = [moment for moment in (self.first, other.first) if moment]
        lasts = [moment for moment in (self.last, other.last) if moment]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)


def deployment_rows(media: Iterable[Taken], camera: re.Pattern[str] | None = None) -> list[dict[str, str]]:
    """A row a camera, told from folders; see `folders.group_cameras`.

    `firstFile` and `lastFile` are as the camera wrote them, for a person to see whether its clock was right; the
    columns deploymentStart and deploymentEnd are blank, which means the first and the last file after correction.
    """
    folders: dict[tuple[str, str], _Tally] = {}
    for taken in media:
        folders.setdefault((taken.card, taken.path.rpartition("/")[0]), _Tally()).add(taken)
    cameras: dict[tuple[str, str, str], _Tally] = {}
    for place, tally in folders.items():
        [((card, folder), name)] = group_cameras([place], camera).items()
        cameras.setdefault((card, folder, name), _Tally()).join(tally)
    rows = []
    for (card, folder, name), tally in sorted(cameras.items()):
        filled = {
            "deploymentID": name,
            "card": card,
            "folder": folder,
            "cameraModel": tally.models.most_common(1)[0][0] if tally.models else "",
            "firstFile": tally.first.isoformat(" ", "seconds") if tally.first else "",
            "lastFile": tally.last.isoformat(" ", "seconds") if tally.last else "",
            "files": str(tally.files),
        }
        rows.append({column: filled.get(column, "") for column in COLUMNS})
    return rows


def write_deployments(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write the table, UTF-8 with BOM so that Excel shows every script.

    Raises:
        ConfigError: A file is there: somebody may have filled it in.
    """
    if path.exists():
        raise ConfigError("there is a table already", where=path, mend="choose another --output, or remove the file")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode("utf-8-sig"))


def taken_of_file(item: MediaItem) -> Taken:
    """What the head of a file says."""
    capture = capture_of_head(item)
    return Taken(item.card, item.path, capture.captured_at, capture.camera_model)


def taken_of_store(folder: Path) -> Iterable[Taken]:
    """What a store knows of its media: nothing is read from the cards."""
    reader = FactsReader(folder)
    names = ["media_id", "card", "path", "captured_at", "camera_model"]
    for part in reader.parts():
        seen: str | None = None
        for batch in reader.batches(part, names):
            for item, *taken in zip(*(batch[name].to_pylist() for name in names), strict=True):
                if item != seen:  # the first of a video's frames
                    yield Taken(*taken)
                seen = item
