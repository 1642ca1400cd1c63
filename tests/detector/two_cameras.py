"""A decided store of two cameras, with a case of all that readers of stores must know."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from detector.store.records import (
    DeploymentRecord,
    DetectionRecord,
    EffortRecord,
    EventRecord,
    Gap,
    MediaRecord,
    RepeatRecord,
)
from detector.types import media_id
from tests.detector.small_stores import make_detection, make_media, write_decided_store

START = datetime(2024, 5, 1, 6, 30)
FIRST, SECOND = "DCIM/100RECNX/IMG_0001.JPG", "DCIM/100RECNX/IMG_0002.JPG"
BURST = media_id("north", FIRST)
UNSURE: dict[str, Any] = {
    "name": "Oenanthe",
    "rank": "genus",
    "english_name": None,
    "hebrew_name": None,
    "ebird_code": None,
    "display_name": "unidentified wheatear (Oenanthe sp.)",
    "confidence": 0.75,
    "species_score": None,
    "reasons": ("classes disagree",),
    "needs_review": True,
}
NAMELESS: dict[str, Any] = {
    **dict.fromkeys(("name", "rank", "english_name", "hebrew_name", "ebird_code", "confidence", "species_score")),
    "candidates": (),
}


def write_two_cameras(folder: Path) -> Path:
    """Write it: a burst of two hoopoes, a video with two frames, a person, a blank, a failure, no time, a repeat."""
    repeats = [RepeatRecord("r1", "south/water", 0.25, 0.5, 0.125, 0.25, "bird", 40, 40, START, START, True, None)]
    return write_decided_store(folder, [*_north(), *_south()], _events(), repeats, _effort(), _deployments())


def _found(path: str, card: str = "north", **changes: Any) -> DetectionRecord:
    return make_detection(media_id(card, path), **changes)


def _north() -> list[MediaRecord]:
    clip, person = "DCIM/100RECNX/IMG_0003.MP4", "DCIM/101RECNX/IMG_0001.JPG"
    bird: dict[str, Any] = {"event_id": "e1", "individual_id": "i1"}
    unsure = {"event_id": "e2", "individual_id": "i2", **UNSURE}
    faint = _found(FIRST, box=1, x=0.6, event_id="e1", score=0.1)
    confirmed = _found(SECOND, event_id="e1", box=1, x=0.625, score=0.5, reviewed_by="Noa")
    return [
        make_media(FIRST, "north", [_found(FIRST, **bird), faint], sequence_id=BURST),
        make_media(
            SECOND,
            "north",
            [_found(SECOND, **bird), confirmed],
            sequence_id=BURST,
            timestamp=datetime(2024, 5, 1, 6, 30, 2),
        ),
        make_media(
            clip,
            "north",
            [_found(clip, **unsure), _found(clip, frame_number=30, time_s=1.0, **unsure)],
            media_type="video",
            width=1280,
            height=720,
            frame_rate=30.0,
            duration_s=2.5,
            frames=(0, 30, 60),
            timestamp=datetime(2024, 5, 1, 9, 0),
        ),
        make_media(
            person,
            "north",
            [_found(person, label="person", kind="person", display_name="person", event_id="e3", **NAMELESS)],
            timestamp=datetime(2024, 5, 2, 12, 0),
        ),
        make_media("DCIM/101RECNX/ריק.JPG", "north", night=True, timestamp=datetime(2024, 5, 2, 23, 0)),
        make_media(
            "DCIM/101RECNX/broken.JPG",
            "north",
            width=None,
            height=None,
            failure="image access failure",
            blank=False,
            frames=(),
            night=None,
        ),
    ]


def _south() -> list[MediaRecord]:
    untimed, stone = "water/no_time.png", "water/stone.JPG"
    water: dict[str, Any] = {"utc_offset_min": None, "deployment_id": "south/water"}
    repeat = _found(stone, "south", repeat_group="r1", suppressed=True, needs_review=True)
    return [
        make_media(untimed, "south", [_found(untimed, "south")], captured_at=None, timestamp=None, **water),
        make_media(stone, "south", [repeat], blank=True, duplicate_of=BURST, **water),
    ]


def _events() -> list[EventRecord]:
    hoopoe = ("bird", "Upupa epops", "species", "Eurasian Hoopoe")
    wheatear = ("bird", "Oenanthe", "genus", "unidentified wheatear (Oenanthe sp.)")
    nine, noon = datetime(2024, 5, 1, 9), datetime(2024, 5, 2, 12)
    return [
        EventRecord("e1", "north", "north", *hoopoe, START, datetime(2024, 5, 1, 6, 30, 2), 180, 180, 2, 3, 2, 0.9375),
        EventRecord("e2", "north", "north", *wheatear, nine, datetime(2024, 5, 1, 9, 0, 1), 180, 180, 1, 2, 1, 0.75),
        EventRecord("e3", "north", "north", "person", None, None, "person", noon, noon, 180, 180, 1, 1, 1, None),
    ]


def _effort() -> list[EffortRecord]:
    gap = Gap(date(2024, 5, 3), date(2024, 5, 12))
    return [
        EffortRecord("north", START, datetime(2024, 5, 12, 23), 12, 2, 2, (gap,), 6, 5, 1, 1, 1, 0, 0),
        EffortRecord("south/water", START, START, 1, 1, 1, (), 2, 2, 0, 1, 0, 1, 0),
    ]


def _deployments() -> list[DeploymentRecord]:
    return [
        DeploymentRecord(
            "north", "north", True, "North hide", 31.5, 34.75, START, 180, datetime(2024, 5, 12, 23), 180,
            "RECONYX HF2", "feeder", "Asia/Jerusalem", (("cameraID", "C1"), ("baitUse", "true")),
        ),
        DeploymentRecord(
            "south/water", "south/water", False, None, None, None, START, None, START, None, None, None, None, ()
        ),
    ]  # fmt: skip
