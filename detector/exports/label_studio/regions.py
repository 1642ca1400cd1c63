"""Predicted boxes as Label Studio's regions: of photos one a box, of videos one an individual.

Coordinates are percent of the upright picture. A region of a video has a key frame at each sampled frame that shows the
individual; Label Studio moves the box between them, and hides it after one that is not `enabled`. It counts frames by
the frame rate of the project, whatever the rate of the video, so that key frames follow from times.

Sources: labelstud.io/tags/rectanglelabels, labelstud.io/tags/videorectangle.
"""

from __future__ import annotations

from detector.exports.pictures.frames import box_inside
from detector.store.records import DetectionRecord, MediaRecord
from detector.types import Kind

FRAME_RATE = 25.0  # of a project for videos, frames a second
ROUNDING = 1e-3  # of a frame: 1.16 s times 25 is a little less than 29, and yet frame 29
DIGITS = 4
LABELLED_KINDS = (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE)

Region = dict[str, object]


class Labels:
    """The labels that were given, with a hint each."""

    def __init__(self) -> None:
        self.hints: dict[str, str] = dict.fromkeys(map(str, LABELLED_KINDS), "")

    def of(self, found: DetectionRecord) -> str:
        """The label of a detection: its taxon, else its kind; where nobody knows that, the detector's word."""
        if found.name is None:
            words: dict[str, str] = {Kind.UNCERTAIN: str(Kind.ANIMAL), Kind.UNDECIDED: found.label}
            return self._known(words.get(found.kind, found.kind), "")
        return self._known(found.name, " / ".join(name for name in (found.english_name, found.hebrew_name) if name))

    def _known(self, label: str, hint: str) -> str:
        self.hints[label] = hint or self.hints.get(label, "")
        return label


def sureness(found: DetectionRecord) -> float:
    """Of the weaker of box and name, so that Label Studio can sort by doubt."""
    value = found.score if found.confidence is None else min(found.score, found.confidence)
    return round(float(value), DIGITS)


def photo_regions(record: MediaRecord, shown: tuple[DetectionRecord, ...], labels: Labels) -> list[Region]:
    """A region a box."""
    return [
        {
            "id": f"{record.media_id}_{found.box}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": record.width,
            "original_height": record.height,
            "image_rotation": 0,
            "score": sureness(found),
            "value": {**_percent_box(found), "rotation": 0, "rectanglelabels": [labels.of(found)]},
            "meta": {"text": [found.display_name, *found.reasons]},
        }
        for found in shown
    ]


def video_regions(record: MediaRecord, shown: tuple[DetectionRecord, ...], labels: Labels) -> list[Region]:
    """A region an individual; a box that belongs to none has its own."""
    individuals: dict[str, list[DetectionRecord]] = {}
    for found in shown:
        key = found.individual_id or f"{found.frame_number}_{found.box}"
        individuals.setdefault(key, []).append(found)
    last = max((found.time_s for found in shown), default=0.0)
    duration = max(record.duration_s or 0.0, last)
    return [
        {
            "id": f"{record.media_id}_{number}",
            "type": "videorectangle",
            "from_name": "box",
            "to_name": "video",
            "score": min(sureness(found) for found in boxes),
            "value": {
                "framesCount": max(round(duration * FRAME_RATE), 1),
                "duration": round(duration, DIGITS),
                "sequence": _key_frames(record, boxes),
                "labels": [labels.of(boxes[-1])],
            },
            "meta": {"text": [boxes[-1].display_name, *boxes[-1].reasons]},
        }
        for number, boxes in enumerate(individuals.values())
    ]


def _key_frames(record: MediaRecord, boxes: list[DetectionRecord]) -> list[Region]:
    follower = dict(zip(record.frames, record.frames[1:], strict=False))
    seen = {found.frame_number for found in boxes}
    return [
        {
            **_percent_box(found),
            "rotation": 0,
            "frame": int(found.time_s * FRAME_RATE + ROUNDING) + 1,  # counted from 1
            "time": round(float(found.time_s), DIGITS),
            "enabled": follower.get(found.frame_number) in seen,
        }
        for found in boxes
    ]


def _percent_box(found: DetectionRecord) -> dict[str, float]:
    sides = zip(("x", "y", "width", "height"), box_inside(found), strict=True)
    return {name: round(100 * side, DIGITS) for name, side in sides}
