"""The table of deployments as a person gets it to fill in."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backbones.errors import DataError
from detector.base.files import write_bytes
from detector.base.tables.formulas import guard
from detector.base.tables.text import WORKBOOK
from detector.deployments.matching import Folder, match_deployments
from detector.deployments.table import AGREE, COLUMNS, Deployment, read_deployment_cells
from detector.footage.heads import capture_of_head
from detector.store.reader import FactsReader
from detector.types import MediaItem

FILL_IN = (*COLUMNS[:4], "locationID", *COLUMNS[4:12], "captureMethod", *COLUMNS[12:])
OF_PLACE = (*AGREE, "locationID", "timeZone", "prior")  # what visits to one place have in common


@dataclass(frozen=True)
class CameraFile:
    """A media item: when and by which camera it was taken.

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

    def add(self, file: CameraFile) -> None:
        self.files += 1
        if file.camera_model:
            self.models[file.camera_model] += 1
        if file.captured_at:
            self.first = min(self.first or file.captured_at, file.captured_at)
            self.last = max(self.last or file.captured_at, file.captured_at)

    def join(self, other: _Tally) -> None:
        self.files += other.files
        self.models += other.models
        firsts = [moment for moment in (self.first, other.first) if moment]
        lasts = [moment for moment in (self.last, other.last) if moment]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)


def deployment_rows(
    media: Iterable[CameraFile], camera_from: str | None = None, known: Sequence[Deployment] = ()
) -> list[dict[str, str]]:
    """A row a camera, by their folders; see `folders.group_cameras`.

    `firstFile` and `lastFile` are as the camera wrote them, for a person to see whether its clock was right; the
    columns deploymentStart and deploymentEnd are blank, which means the first and the last file after correction.

    Args:
        media: All items.
        camera_from: Regular expression of the camera's name.
        known: Rows of a table that is there already; their cameras get no other row.
    """
    folders: dict[Folder, _Tally] = {}
    for file in media:
        folders.setdefault((file.card, file.path.rpartition("/")[0]), _Tally()).add(file)
    matching = match_deployments(list(folders), known, camera_from)
    cameras: dict[int, _Tally] = {}
    for place, tally in folders.items():
        cameras.setdefault(matching.of_folder[place][0], _Tally()).join(tally)
    rows = []
    for index, row in enumerate(matching.rows):
        if row.listed:
            continue
        tally = cameras[index]
        filled = {
            "deploymentID": row.deployment_id,
            "card": row.card or "",
            "folder": row.folder,
            "cameraModel": tally.models.most_common(1)[0][0] if tally.models else "",
            "firstFile": tally.first.isoformat(" ", "seconds") if tally.first else "",
            "lastFile": tally.last.isoformat(" ", "seconds") if tally.last else "",
            "files": str(tally.files),
        }
        rows.append(filled)
    return rows


def write_deployments(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table, UTF-8 with BOM so that Excel shows every script.

    Raises:
        HoopoeError: It cannot be written.
    """
    _write(path, FILL_IN, rows, ",")


def add_deployments(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Add rows to a table that people filled in; what stands there stays, notes of their own among it.

    A new row of a deployment that is there is another visit to its place, which is filled in from there.

    Raises:
        DataError: The table cannot be read, or is a workbook.
    """
    table = read_deployment_cells(path)
    if table.encoding == WORKBOOK:
        raise DataError("rows cannot be added to a workbook", where=path, hint="save it as CSV UTF-8, and give that")
    there = [row.cells for row in table.rows]
    first = {cells["deploymentID"]: cells for cells in reversed(there)}
    added = []
    for row in rows:
        place = first.get(row["deploymentID"], {})
        added.append({**{name: place[name] for name in OF_PLACE if place.get(name)}, **row})
    columns = [*table.columns, *(name for name in FILL_IN if name not in table.columns)]
    _write(path, columns, [*there, *added], table.delimiter)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]], delimiter: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([guard(row.get(name, "")) for name in columns] for row in rows)
    write_bytes(path, text.getvalue().encode("utf-8-sig", errors="surrogateescape"))


def camera_file(item: MediaItem) -> CameraFile:
    """What the head of a file says."""
    capture = capture_of_head(item)
    return CameraFile(item.card, item.path, capture.captured_at, capture.camera_model)


def stored_camera_files(folder: Path) -> Iterable[CameraFile]:
    """What a store knows of its media: nothing is read from the cards."""
    reader = FactsReader(folder)
    names = ["media_id", "card", "path", "captured_at", "camera_model"]
    for part in reader.parts():
        seen: str | None = None
        for batch in reader.batches(part, names):
            for item, *cells in zip(*(batch[name].to_pylist() for name in names), strict=True):
                if item != seen:  # the first of a video's frames
                    yield CameraFile(*cells)
                seen = item
