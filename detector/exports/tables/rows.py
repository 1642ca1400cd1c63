"""The rows of results (one a detection) and files (one a media item), as CSV and Excel hold them.

Boxes are shares of the upright picture, scores and confidences 0..1, times the camera's local time after its clock's
correction. `timestamp` carries the UTC offset where the deployment's zone is known; of a detection in a video it is
the moment of the frame. `as_exported` repeats kind and names: who edits those cells in a spreadsheet and gives the
table to `hoopoe decide --reviews` is understood by what differs from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from detector.base.times import safe_add
from detector.exports.names import FileNames
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.tables.cells import Cell, rounded, with_offset
from detector.exports.taxa import candidates_of
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.reviews.table import AS_EXPORTED, as_exported
from detector.types import Kind

CONFIDENCE_DIGITS, SHARE_DIGITS, SECOND_DIGITS = 4, 5, 3
CANDIDATES = 3
LIST_SEPARATOR = "; "


def _moment(record: MediaRecord, time_s: float = 0.0) -> datetime | None:
    return safe_add(record.timestamp, time_s)


def _second(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def _candidate(found: DetectionRecord, place: int) -> tuple[str | None, float | None]:
    candidates = candidates_of(found)
    if place >= len(candidates):
        return None, None
    return candidates[place].name, rounded(candidates[place].confidence, CONFIDENCE_DIGITS)


def _times(record: MediaRecord, time_s: float = 0.0) -> tuple[Cell, Cell, Cell]:
    moment = _moment(record, time_s)
    if moment is None:
        return None, None, None
    return with_offset(moment, record.utc_offset_min), moment.date(), moment.time().replace(microsecond=0)


RESULT_COLUMNS = (
    "file", "deployment", "timestamp", "date", "time", "kind", "display_name", "scientific_name", "rank",
    "english_name", "hebrew_name", "ebird_code", "confidence", "needs_review", "reasons", "reviewed_by",
    "reviewed_utc", "count", "sex", "life_stage", "box_by",
    *(f"candidate_{place}{what}" for place in range(1, CANDIDATES + 1) for what in ("", "_confidence")),
    "detection_score", "species_score", "detector_label", "event", "sequence", "individual", "repeat_group",
    "media_type", "frame_number", "time_s", "x", "y", "w", "h", "night", "card", "path", "media_id", "box", AS_EXPORTED,
)  # fmt: skip

FILE_COLUMNS = (
    "file", "deployment", "timestamp", "date", "time", "captured_at", "captured_from", "media_type", "blank",
    "detections", "birds", "species", "english_names", "hebrew_names", "people", "vehicles", "highest_score",
    "needs_review", "sequence", "night", "width", "height", "duration_s", "frame_rate", "frames_looked_at",
    "passed_over", "failure", "warning", "duplicate_of", "outside_period", "blank_by", "card", "path", "media_id",
)  # fmt: skip


REPEAT_COLUMNS = (
    "repeat_group", "verdict", "example", "deployment", "detector_label", "n_detections", "seen_in_files", "left_out",
    "first", "last", "x", "y", "w", "h", "reviewed_by",
)  # fmt: skip


def repeat_rows(source: ExportSource, options: ExportOptions) -> Iterator[tuple[Cell, ...]]:
    """A row a thing that stands still in many pictures, under REPEAT_COLUMNS: a table of reviews to fill in."""
    names = FileNames(source.run.cards)
    for thing in source.repeats():
        yield (
            thing.repeat_group,
            None,
            names.of(thing),
            thing.deployment_id,
            thing.label,
            thing.boxes,
            thing.media,
            thing.left_out,
            thing.first,
            thing.last,
            *(rounded(side, SHARE_DIGITS) for side in (thing.x, thing.y, thing.w, thing.h)),
            thing.reviewed_by,
        )


def result_rows(source: ExportSource, options: ExportOptions) -> Iterator[tuple[Cell, ...]]:
    """A row a detection that is shown, under RESULT_COLUMNS."""
    names = FileNames(source.run.cards)
    for record in source.media():
        for found in record.shown(options.score_threshold):
            yield result_row(record, found, names)


def result_row(record: MediaRecord, found: DetectionRecord, names: FileNames) -> tuple[Cell, ...]:
    """A detection's."""
    return (
        names.of(record),
        record.deployment_id,
        *_times(record, found.time_s),
        found.kind,
        found.display_name,
        found.name,
        found.rank,
        found.english_name,
        found.hebrew_name,
        found.ebird_code,
        rounded(found.confidence, CONFIDENCE_DIGITS),
        found.needs_review,
        LIST_SEPARATOR.join(found.reasons) or None,
        found.reviewed_by,
        _second(found.reviewed_at),
        found.count,
        found.sex,
        found.life_stage,
        found.box_by,
        *(cell for place in range(CANDIDATES) for cell in _candidate(found, place)),
        rounded(found.score, CONFIDENCE_DIGITS),
        rounded(found.species_score, CONFIDENCE_DIGITS),
        found.label,
        found.event_id,
        record.sequence_id,
        found.individual_id,
        found.repeat_group,
        record.media_type,
        found.frame_number,
        rounded(found.time_s, SECOND_DIGITS),
        *(rounded(side, SHARE_DIGITS) for side in (found.x, found.y, found.w, found.h)),
        record.night,
        record.card,
        record.path,
        record.media_id,
        found.box,
        as_exported(_cells(found)),
    )


def _cells(found: DetectionRecord) -> tuple[str | None, ...]:
    """What people may change, in the order of `EDITED`."""
    names = (found.kind, found.display_name, found.name, found.english_name, found.hebrew_name)
    return *names, found.sex, found.life_stage, str(found.count)


def file_rows(source: ExportSource, options: ExportOptions) -> Iterator[tuple[Cell, ...]]:
    """A row a media item, also blanks and failures, under FILE_COLUMNS."""
    names = FileNames(source.run.cards)
    for record in source.media():
        yield file_row(record, record.shown(options.score_threshold), names)


def file_row(record: MediaRecord, shown: tuple[DetectionRecord, ...], names: FileNames) -> tuple[Cell, ...]:
    """A media item's, of which these detections are shown."""
    birds = [found for found in shown if found.kind == Kind.BIRD]
    return (
        names.of(record),
        record.deployment_id,
        *_times(record),
        _second(record.captured_at),
        record.captured_from,
        record.media_type,
        None if record.failure is not None else not shown,
        len(shown),
        at_once(shown, Kind.BIRD),
        _distinct(birds, lambda found: found.name or found.display_name),
        _distinct(birds, lambda found: found.english_name),
        _distinct(birds, lambda found: found.hebrew_name),
        at_once(shown, Kind.PERSON),
        at_once(shown, Kind.VEHICLE),
        rounded(max((found.score for found in shown), default=None), CONFIDENCE_DIGITS),
        any(found.needs_review for found in shown),
        record.sequence_id,
        record.night,
        record.width,
        record.height,
        rounded(record.duration_s, SECOND_DIGITS),
        rounded(record.frame_rate, SECOND_DIGITS),
        len(record.frames),
        record.passed_over,
        record.failure,
        record.warning,
        record.duplicate_of,
        record.outside,
        record.blank_by,
        record.card,
        record.path,
        record.media_id,
    )


def at_once(shown: tuple[DetectionRecord, ...], kind: str) -> int:
    """The most of a kind in one frame: MaxN, never the sum over a video, and each bird once."""
    frames = Counter[int]()
    for found in shown:
        if found.kind == kind:
            frames[found.frame_number] += found.count
    return max(frames.values(), default=0)


def _distinct(shown: list[DetectionRecord], name: Callable[[DetectionRecord], str | None]) -> str | None:
    names = dict.fromkeys(value for found in shown if (value := name(found)))
    return LIST_SEPARATOR.join(names) or None
