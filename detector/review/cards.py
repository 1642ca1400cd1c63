"""Boxes and files as the page takes them: plain values, of which nothing is markup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from detector.exports.names import FileNames
from detector.exports.tables.cells import rounded
from detector.exports.taxa import candidates_of
from detector.review.blanks import Blanks
from detector.review.boxes import NO_TIME, Boxes
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.records_reader import records_of

EPOCH = datetime(1970, 1, 1)


class Cards:
    """Makes cards of boxes and files.

    Args:
        boxes: Of the store.
        names: Of files.
    """

    def __init__(self, boxes: Boxes, names: FileNames) -> None:
        self._boxes, self._names = boxes, names

    def of(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """A card a box."""
        boxes = self._boxes
        found = records_of(boxes.found.take(pa.array(rows, pa.int64())), DetectionRecord)
        media = np.unique(boxes.media_row[list(rows)]) if len(rows) else np.zeros(0, np.int64)
        files = dict(zip(media.tolist(), records_of(boxes.media.take(pa.array(media)), MediaRecord), strict=True))
        return [
            self._card(row, record, files[int(boxes.media_row[row])]) for row, record in zip(rows, found, strict=True)
        ]

    def _card(self, row: int, found: DetectionRecord, file: MediaRecord) -> dict[str, Any]:
        boxes = self._boxes
        name, group = boxes.name_of(row), int(boxes.group[row])
        return {
            "id": f"{found.media_id}:{found.frame_number}:{found.box}",
            "media": found.media_id,
            "frame": found.frame_number,
            "box": found.box,
            "xywh": [rounded(float(side), 5) for side in boxes.xywh[row]],
            "name": name.as_json(),
            "confidence": rounded(found.confidence, 3),
            "score": rounded(found.score, 3),
            "label": found.label,
            "candidates": [[each.name, rounded(each.confidence, 3)] for each in candidates_of(found)],
            "reasons": list(found.reasons),
            "suppressed": bool(boxes.suppressed[row]),
            "review": bool(boxes.needs_review[row]),
            "reviewer": boxes.reviewer_of(row),
            "faint": not boxes.listed[row],
            "members": int(boxes.members[row]),
            "group": None if group < 0 else {
                "id": boxes.repeats[group].repeat_group, "boxes": boxes.repeats[group].boxes,
                "media": boxes.repeats[group].media, "left_out": boxes.repeats[group].left_out,
            },
            "sex": found.sex,
            "life_stage": found.life_stage,
            "count": found.count,
            "drawn_by": found.box_by,
            "time": None if boxes.moment[row] == NO_TIME else int(boxes.moment[row]),
            "seconds": rounded(found.time_s, 2),
            "place": int(boxes.place[row]),
            "file": self._names.of(file),
            "video": file.media_type == "video",
            "night": bool(file.night),
            "version": boxes.picture_version(int(boxes.media_row[row])),
        }  # fmt: skip

    def of_files(self, rows: Sequence[int], blanks: Blanks) -> list[dict[str, Any]]:
        """A card a file."""
        files = records_of(self._boxes.media.take(pa.array(rows, pa.int64())), MediaRecord)
        return [self._of_file(row, file, blanks) for row, file in zip(rows, files, strict=True)]

    def _of_file(self, row: int, file: MediaRecord, blanks: Blanks) -> dict[str, Any]:
        time = None if file.timestamp is None else int((file.timestamp - EPOCH).total_seconds())
        return {
            "id": file.media_id,
            "media": file.media_id,
            "frame": file.frames[len(file.frames) // 2] if file.frames else 0,
            "frames": list(file.frames),
            "file": self._names.of(file),
            "place": self._boxes.places.index(file.deployment_id),
            "time": time,
            "video": file.media_type == "video",
            "night": bool(file.night),
            "failure": file.failure,
            "warning": file.warning,
            "state": blanks.state(row),
            "reviewer": blanks.blank_by(row),
            "passed_over": file.passed_over,
            "version": self._boxes.picture_version(row),
        }
