"""What was looked at: files, what became of them, and what a person should know before the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from detector.exports.names import FileNames
from detector.store.records import DetectionRecord, MediaRecord
from detector.types import Kind

MOST_FAILURES = 1_000  # listed; files.csv has all
MOST_WARNINGS = 200

NOTES = {  # of one file, and of several
    "failed": ("could not be read; no bird in it is counted", "could not be read; no bird in them is counted"),
    "without_time": ("has no time and is in no event", "have no time and are in no event"),
    "time_of_disk": (
        "has no time of its own and counts by when it was last changed",
        "have no time of their own and count by when they were last changed",
    ),
    "without_zone": (
        "has no time zone: its events follow the camera's clock, and the sun is not known",
        "have no time zone: their events follow the camera's clock, and the sun is not known",
    ),
    "outside": (
        "lies outside the stated period of its deployment and is in no event",
        "lie outside the stated periods of their deployments and are in no event",
    ),
    "copies": ("is a copy of another and is in no event", "are copies of others and are in no event"),
    "passed_over": (
        "was passed over: the detector did not look at it, and it is called blank",
        "were passed over: the detector did not look at them, and they are called blank",
    ),
    "warned": ("could be read only in part", "could be read only in part"),
}


class Totals:
    """Counts over all files of a store.

    Args:
        names: Of files.
    """

    def __init__(self, names: FileNames) -> None:
        self._names = names
        self._counts: Counter[str] = Counter()
        self._cards: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._failures: list[list[str]] = []
        self._warnings: list[list[str]] = []

    def add(self, record: MediaRecord, shown: Sequence[DetectionRecord]) -> None:
        """Count a file, and its boxes that count."""
        name = self._names.of(record)
        self._cards[record.card] += 1
        answers = {
            "files": True,
            "photos": record.media_type == "photo",
            "videos": record.media_type == "video",
            "blank": record.blank,
            "failed": record.failure is not None,
            "with_birds": any(found.kind == Kind.BIRD for found in shown),
            "with_people": any(found.kind in (Kind.PERSON, Kind.VEHICLE) for found in shown),
            "night": bool(record.night),
            "copies": record.duplicate_of is not None,
            "without_time": record.timestamp is None and record.failure is None,
            "time_of_disk": record.captured_from == "mtime",
            "without_zone": record.timestamp is not None and record.utc_offset_min is None,
            "outside": record.outside,
            "warned": record.warning is not None,
            "passed_over": record.passed_over is not None,
        }
        self._counts.update(key for key, answer in answers.items() if answer)
        self._counts["detections"] += len(shown)
        self._counts["review"] += sum(found.needs_review for found in shown)
        self._counts["left_out"] += sum(found.suppressed for found in record.detections)
        self._counts["reviewed"] += sum(found.reviewed_by is not None for found in record.detections)
        if record.failure is not None:
            self._reasons[record.failure] += 1
            if len(self._failures) < MOST_FAILURES:
                self._failures.append([name, record.deployment_id, record.failure])
        if record.warning is not None and len(self._warnings) < MOST_WARNINGS:
            self._warnings.append([name, record.warning])

    def as_json(self) -> dict[str, Any]:
        """As the page takes it."""
        return {
            "counts": dict(self._counts),
            "cards": sorted(self._cards.items()),
            "reasons": self._reasons.most_common(),
            "failures": self._failures,
            "warnings": self._warnings,
            "notes": list(_notes(self._counts)),
        }


def _notes(counts: Mapping[str, int]) -> Iterator[str]:
    """What is odd about files, in sentences."""
    for key, (one, many) in NOTES.items():
        if count := counts.get(key, 0):
            yield f"{count:,} file {one}" if count == 1 else f"{count:,} files {many}"
