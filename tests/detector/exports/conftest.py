"""Records as the store hands them out, in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from detector.exports.source import ExportSource
from detector.store.records import (
    Candidate,
    DeploymentRecord,
    DetectionRecord,
    EffortRecord,
    EventRecord,
    Gap,
    MediaRecord,
)
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.types import media_id
from tests.detector.small_stores import make_detection as any_detection
from tests.detector.small_stores import make_media as any_media

MORNING = datetime(2024, 3, 1, 6, 30)


def make_detection(**changes: Any) -> DetectionRecord:
    """A wheatear, named by the classifier."""
    wheatear: dict[str, Any] = {
        "score": 0.8999999761581421,  # 0.9 in float32
        "event_id": "e1",
        "name": "Oenanthe lugens",
        "english_name": "Mourning wheatear",
        "hebrew_name": "סלעית לבנת-כנף",
        "ebird_code": "mouwhe1",
        "display_name": "Mourning wheatear",
        "confidence": 0.75,
        "species_score": 0.8,
        "candidates": (Candidate("Oenanthe lugens", 0.75), Candidate("Oenanthe finschii", 0.125)),
    }
    return any_detection(**({"media_id": ""} | wheatear | changes))


def make_person(**changes: Any) -> DetectionRecord:
    """A person, without a name."""
    nameless: dict[str, Any] = dict.fromkeys(
        ("name", "rank", "english_name", "hebrew_name", "ebird_code", "confidence", "species_score")
    )
    person = {"label": "person", "kind": "person", "display_name": "person", "candidates": ()}
    return make_detection(**(nameless | person | changes))


def make_media(path: str = "DCIM/100RECNX/IMG_0001.JPG", *detections: DetectionRecord, **changes: Any) -> MediaRecord:
    """A photo of card A at camera CAM1, taken at 6:30 in winter time of Israel."""
    card = changes.get("card", "A")
    key = media_id(card, path)
    values: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "captured_at": MORNING,
        "timestamp": MORNING,
        "utc_offset_min": 120,
        "deployment_id": "CAM1",
        "visit_id": changes.get("deployment_id", "CAM1"),
        "sequence_id": f"s-{key}",
    }
    found = [replace(each, media_id=key) for each in detections]
    return any_media(path, **({"card": card, "detections": found} | values | changes))


def make_video(path: str = "DCIM/100RECNX/VID_0001.MP4", *detections: DetectionRecord, **changes: Any) -> MediaRecord:
    """A video of 3 seconds, looked at once a second."""
    values = {"media_type": "video", "frame_rate": 30.0, "duration_s": 3.0, "frames": (0, 30, 60)}
    return make_media(path, *detections, **(values | changes))


def make_failure(path: str = "DCIM/100RECNX/broken.jpg", **changes: Any) -> MediaRecord:
    """A file that could not be read."""
    values = {
        "failure": "the file is empty",
        "frames": (),
        "width": None,
        "height": None,
        "captured_at": None,
        "captured_from": None,
        "timestamp": None,
        "blank": False,
        "night": None,
    }
    return make_media(path, **(values | changes))


def make_event(**changes: Any) -> EventRecord:
    """Two wheatears at CAM1."""
    values: dict[str, Any] = {
        "event_id": "e1",
        "deployment_id": "CAM1",
        "kind": "bird",
        "name": "Oenanthe lugens",
        "rank": "species",
        "display_name": "Mourning wheatear",
        "start": MORNING,
        "end": MORNING + timedelta(seconds=40),
        "utc_offset_min": 120,
        "end_offset_min": 120,
        "visit_id": changes.get("deployment_id", "CAM1"),
        "count": 2,
        "detections": 5,
        "media": 3,
        "confidence": 0.75,
    }
    return EventRecord(**(values | changes))


def make_deployment(deployment: str = "CAM1", **changes: Any) -> DeploymentRecord:
    """A camera in the Negev, up to the first days of summer time."""
    values: dict[str, Any] = {
        "deployment_id": deployment,
        "visit_id": deployment,
        "listed": True,
        "location_name": "Sde Boker, spring",
        "latitude": 30.8736,
        "longitude": 34.793,
        "start": datetime(2024, 2, 28, 12),
        "start_offset_min": 120,
        "end": datetime(2024, 4, 2, 8),
        "end_offset_min": 180,
        "camera_model": "RECONYX HF2",
        "kind": "water",
        "time_zone": "Asia/Jerusalem",
        "details": (("cameraID", "C1"), ("baitUse", "false"), ("ownNotes", "north side")),
    }
    return DeploymentRecord(**(values | changes))


def make_effort(**changes: Any) -> EffortRecord:
    """Eleven days with a gap of three."""
    values: dict[str, Any] = {
        "deployment_id": "CAM1",
        "start": datetime(2024, 2, 28, 12),
        "end": datetime(2024, 3, 9, 8),
        "days": 11,
        "active_days": 8,
        "days_with_files": 7,
        "gaps": (Gap(date(2024, 3, 3), date(2024, 3, 5)),),
        "media": 40,
        "photos": 36,
        "videos": 4,
        "blank": 20,
        "failed": 1,
        "without_time": 0,
        "outside": 0,
    }
    return EffortRecord(**(values | changes))


def make_run(**roots: str) -> RunFile:
    """A run on card A (by default), with a detector of four categories and a classifier."""
    return RunFile(
        cards={card: CardEntry(root=root) for card, root in (roots or {"A": "/cards/A"}).items()},
        detector=DetectorEntry(name="coco", categories=["bird", "animal", "person", "vehicle"]),
        species=SpeciesEntry(name="davit_tiny_il-all", classes=["Oenanthe lugens", "Oenanthe finschii"]),
    )


def make_source(
    media: Sequence[MediaRecord] = (),
    events: Sequence[EventRecord] = (),
    deployments: Sequence[DeploymentRecord] = (),
    effort: Sequence[EffortRecord] = (),
    run: RunFile | None = None,
) -> ExportSource:
    """A store of these records."""
    return ExportSource(
        run=make_run() if run is None else run,
        media=lambda: iter(media),
        events=lambda: iter(events),
        deployments=lambda: iter(deployments),
        effort=lambda: iter(effort),
    )


HARD_NAMES = (
    "DCIM/a,b.jpg",
    "DCIM/new\nline.jpg",
    'DCIM/quote".jpg',
    "DCIM/semi;colon.jpg",
    "DCIM/סלעית.jpg",
    "=cmd|' /C calc'!A0.jpg",
    "@SUM(1).jpg",
    "+1.jpg",
    "-1.jpg",
)


@pytest.fixture
def hard_media() -> list[MediaRecord]:
    """Photos with names that break careless writers."""
    return [make_media(path, make_detection()) for path in HARD_NAMES]


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The functions above: make.media(...), make.detection(...)."""
    return SimpleNamespace(
        detection=make_detection,
        person=make_person,
        media=make_media,
        video=make_video,
        failure=make_failure,
        event=make_event,
        deployment=make_deployment,
        effort=make_effort,
        run=make_run,
        source=make_source,
    )
