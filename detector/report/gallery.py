"""The boxes of the gallery: a few numbers of each to filter by, all at once, and the rest in chunks, when seen."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from typing import Any

from detector.base.times import safe_add
from detector.exports.names import FileNames
from detector.exports.tables.cells import rounded
from detector.exports.taxa import candidates_of
from detector.report.pictures import crop_name
from detector.report.scripts import Scripts
from detector.store.records import DetectionRecord, MediaRecord, reaches

MOST_ROWS = 100_000  # more a browser opens slowly; tables hold all
INDEX_ROWS = 20_000  # of a chunk that is always read
DETAIL_ROWS = 500  # of a chunk that is read when one of its boxes is looked at
THOUSAND = 1000  # scores are whole thousandths
PLACES = 10_000  # boxes are ten-thousandths of the picture
EPOCH = datetime(1970, 1, 1)
COLUMNS = ("name", "place", "time", "confidence", "score", "flags", "individual", "media", "frame", "box", *"xywh")


class Flag(IntFlag):
    """What a box can be filtered by; report/static/app/data.js has the same numbers."""

    REVIEW = 1
    LEFT_OUT = 2
    NIGHT = 4
    REVIEWED = 8
    VIDEO = 16
    LEAD = 32  # the surest box of its individual
    PICTURE = 64  # there is a crop of it
    REPEAT = 128
    CLIP = 256  # there is a clip of its video


@dataclass(frozen=True)
class GalleryRow:
    """A box that may be among the best of its name."""

    number: int
    sureness: float
    picture: str


@dataclass(frozen=True)
class Choice:
    """Which boxes are in the gallery: those that count, and those that were left out; of too many a share of the files.

    Attributes:
        share: Of the files, 0..1; drawn by their ids, so that the same ones come again.
    """

    share: float = 1.0

    @classmethod
    def of(cls, rows: int, most: int = MOST_ROWS) -> Choice:
        """Of so many boxes."""
        return cls(min(1.0, most / max(rows, 1)))

    def __call__(self, record: MediaRecord, threshold: float) -> tuple[DetectionRecord, ...]:
        """The boxes of a file."""
        if self.share < 1 and int(record.media_id[-8:], 16) / 16**8 >= self.share:
            return ()
        return tuple(
            found
            for found in record.detections
            if found.counts(threshold) or (found.suppressed and reaches(found.score, threshold))
        )


class Gallery:
    """Boxes as columns of numbers, and as chunks of details that are written as they come.

    Args:
        scripts: Where the chunks go.
        names: Of files.
        pictures: Names of the pictures that there are.
    """

    def __init__(self, scripts: Scripts, names: FileNames, pictures: set[str]) -> None:
        self.candidates: set[str] = set()
        self._scripts, self._names, self._pictures = scripts, names, pictures
        self._columns = {name: array("q") for name in COLUMNS}
        self._ids: list[str] = []
        self._individuals: dict[str, tuple[int, int, float]] = {}  # id -> number, its surest box, how sure that is
        self._media: dict[int, Any] = {}
        self._details: list[Any] = []

    def __len__(self) -> int:
        return len(self._columns["name"])

    def add_file(self, record: MediaRecord) -> None:
        """Begin a file, whose boxes follow."""
        self._ids.append(record.media_id)

    def add(self, record: MediaRecord, found: DetectionRecord, name: int, place: int) -> GalleryRow:
        """Add a box of the file that was added last."""
        number, media = len(self), len(self._ids) - 1
        crop = crop_name(record.media_id, found.frame_number, found.box)
        sureness = found.score if found.confidence is None else found.confidence
        values = {
            "name": name,
            "place": place,
            "time": _minutes(safe_add(record.timestamp, found.time_s)),
            "confidence": -1 if found.confidence is None else round(found.confidence * THOUSAND),
            "score": round(found.score * THOUSAND),
            "flags": self._flags(record, found) | (Flag.PICTURE if crop in self._pictures else 0),
            "individual": self._individual(found, number, sureness - found.suppressed),
            "media": media,
            "frame": found.frame_number,
            "box": found.box,
            **{side: round(getattr(found, side) * PLACES) for side in "xywh"},
        }
        for key, value in values.items():
            self._columns[key].append(value)
        self._add_details(record, found, media)
        return GalleryRow(number, sureness, crop if crop in self._pictures else "")

    def write(self) -> dict[str, int]:
        """Write what is left; returns how many rows and chunks there are."""
        self._write_details()
        for _, best, _ in self._individuals.values():
            self._columns["flags"][best] |= Flag.LEAD
        self._columns["individual"] = array("q", self._individual_numbers())
        for chunk, first in enumerate(range(0, len(self), INDEX_ROWS)):
            last = min(first + INDEX_ROWS, len(self))
            columns = {name: values[first:last].tolist() for name, values in self._columns.items()}
            media = columns["media"]
            ids = self._ids[media[0] : media[-1] + 1]
            self._scripts.write(f"index-{chunk:04}", columns | {"from": first, "firstMedia": media[0], "ids": ids})
        chunks = {"indexChunks": -(-len(self) // INDEX_ROWS), "detailRows": DETAIL_ROWS}
        return {"rows": len(self), **chunks}

    def _individual_numbers(self) -> Iterator[int]:
        """The individual of each row; of boxes without one a number of their own."""
        free = len(self._individuals)
        for number, individual in enumerate(self._columns["individual"]):
            if individual < 0:
                self._columns["flags"][number] |= Flag.LEAD
                yield free
                free += 1
            else:
                yield individual

    def _individual(self, found: DetectionRecord, row: int, sureness: float) -> int:
        if found.individual_id is None:
            return -1
        number, _, before = self._individuals.get(found.individual_id, (len(self._individuals), row, -2.0))
        if sureness > before:
            self._individuals[found.individual_id] = (number, row, sureness)
        return number

    def _flags(self, record: MediaRecord, found: DetectionRecord) -> int:
        clip = f"{record.media_id[:3]}/{record.media_id}.mp4"
        answers = {
            Flag.REVIEW: found.needs_review and not found.suppressed,
            Flag.LEFT_OUT: found.suppressed,
            Flag.NIGHT: bool(record.night),
            Flag.REVIEWED: found.reviewed_by is not None,
            Flag.VIDEO: record.media_type == "video",
            Flag.REPEAT: found.repeat_group is not None,
            Flag.CLIP: clip in self._pictures,
        }
        return sum(flag for flag, answer in answers.items() if answer)

    def _add_details(self, record: MediaRecord, found: DetectionRecord, media: int) -> None:
        if media not in self._media:
            self._media[media] = {
                "file": self._names.of(record),
                "size": [record.width, record.height],
                "offset": record.utc_offset_min,
                "warning": record.warning,
                "copy": record.duplicate_of is not None,
                "outside": record.outside,
            }
        candidates = candidates_of(found)
        self.candidates.update(each.name for each in candidates)
        self._details.append(
            {
                "media": media,
                "time": rounded(found.time_s, 2),
                "second": None if record.timestamp is None else record.timestamp.second,
                "label": found.label,
                "candidates": [[each.name, rounded(each.confidence, 3)] for each in candidates],
                "reasons": list(found.reasons),
                "reviewer": found.reviewed_by,
                "species_score": rounded(found.species_score, 3),
                "event": found.event_id,
            }
        )
        if len(self._details) == DETAIL_ROWS:
            self._write_details()

    def _write_details(self) -> None:
        if self._details:
            chunk = (len(self) - 1) // DETAIL_ROWS
            self._scripts.write(f"detail-{chunk:05}", {"media": self._media, "rows": self._details})
            self._media, self._details = {}, []


def _minutes(moment: datetime | None) -> int:
    return -1 if moment is None else int((moment - EPOCH).total_seconds() // 60)
