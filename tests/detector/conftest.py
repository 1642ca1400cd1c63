"""A tiny drawn data set, and a small decided store for whoever reads one: exports, pages, the store's own tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def _plain(value: Any) -> Any:
    """Dataclasses in a tuple as dictionaries."""
    return [asdict(item) if is_dataclass(item) else item for item in value] if isinstance(value, tuple) else value


def make_detection(media_id: str, **changes: Any) -> Any:
    """A DetectionRecord: a hoopoe, sure, unless said otherwise."""
    from detector.store.records import Candidate, DetectionRecord

    values: dict[str, Any] = {
        "media_id": media_id,
        "frame_number": 0,
        "time_s": 0.0,
        "box": 0,
        "x": 0.25,
        "y": 0.5,
        "w": 0.125,
        "h": 0.25,
        "score": 0.875,
        "label": "bird",
        "kind": "bird",
        "individual_id": None,
        "event_id": None,
        "repeat_group": None,
        "suppressed": False,
        "name": "Upupa epops",
        "rank": "species",
        "english_name": "Eurasian Hoopoe",
        "hebrew_name": "דוכיפת",
        "ebird_code": "hoopoe",
        "display_name": "Eurasian Hoopoe",
        "confidence": 0.9375,
        "species_score": 0.90625,
        "candidates": (Candidate("Upupa epops", 0.9375), Candidate("Merops apiaster", 0.03125)),
        "reasons": (),
        "needs_review": False,
        "reviewed_by": None,
    }
    return DetectionRecord(**{**values, **changes})


def make_media(path: str, card: str = "card", detections: Sequence[Any] = (), **changes: Any) -> Any:
    """A MediaRecord: a photo of 4000 x 3000 pixels, taken on 1 May 2024, unless said otherwise."""
    from detector.store.records import MediaRecord
    from detector.types import media_id

    identity = media_id(card, path)
    values: dict[str, Any] = {
        "media_id": identity,
        "card": card,
        "path": path,
        "media_type": "photo",
        "width": 4000,
        "height": 3000,
        "frame_rate": None,
        "duration_s": None,
        "frames": (0,),
        "failure": None,
        "warning": None,
        "night": False,
        "captured_at": datetime(2024, 5, 1, 6, 30),
        "captured_from": "exif",
        "timestamp": datetime(2024, 5, 1, 6, 30),
        "utc_offset_min": 180,
        "deployment_id": card,
        "visit_id": changes.get("deployment_id", card),
        "outside": False,
        "sequence_id": identity,
        "blank": not detections,
        "duplicate_of": None,
    }
    return MediaRecord(**{**values, **changes}, detections=tuple(detections))


def write_decided_store(
    folder: Path,
    media: Sequence[Any],
    events: Sequence[Any] = (),
    repeats: Sequence[Any] = (),
    effort: Sequence[Any] = (),
    deployments: Sequence[Any] = (),
    root: Path | None = None,
) -> Path:
    """Write records as the tables of a store, with a run.json whose cards lie in `root`."""
    import pyarrow as pa

    from detector.store import schema
    from detector.store.files import write_table
    from detector.store.layout import decisions_folder
    from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
    from detector.store.run_json import write_run

    def write(name: str, table: pa.Schema, records: Sequence[Any]) -> None:
        columns = {key: [_plain(getattr(record, key)) for record in records] for key in table.names}
        write_table(decisions_folder(folder) / f"{name}.parquet", pa.table(columns, schema=table))

    media = sorted(media, key=lambda record: (record.card, record.path))
    write("media", schema.MEDIA, media)
    write("detections", schema.DETECTIONS, [found for record in media for found in record.detections])
    write("events", schema.EVENTS, events)
    write("repeats", schema.REPEATS, repeats)
    write("effort", schema.EFFORT, effort)
    write("deployments", schema.DEPLOYMENTS, deployments)
    cards = sorted({record.card for record in media})
    base = root or folder.parent / "cards"
    write_run(
        folder,
        RunFile(
            cards={card: CardEntry(root=str(base / card)) for card in cards},
            detector=DetectorEntry(name="detector.safetensors", sha256="0" * 64, categories=["bird", "person"]),
            species=SpeciesEntry(name="davit_tiny_il-all", classes=["Hoopoe", "European bee-eater"]),
            decisions={"score_threshold": 0.2},
            versions={"hoopoe": "0.1.0"},
        ),
    )
    return folder


def make_box(**changes: Any) -> Any:
    """A FoundBox: a bird, 0.875, unless said otherwise."""
    from detector.store.facts import FoundBox

    values: dict[str, Any] = {"x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25, "label_scores": (0.875,)}
    return FoundBox(**{**values, **changes})


def make_row(path: str, card: str = "card", boxes: Sequence[Any] | None = (), **changes: Any) -> Any:
    """A FactRow: a photo of 4000 x 3000 pixels, taken on 1 May 2024, unless said otherwise; boxes None: a failure."""
    from detector.store.facts import FactRow
    from detector.types import media_id

    values: dict[str, Any] = {
        "media_id": media_id(card, path),
        "card": card,
        "path": path,
        "size_bytes": 1000,
        "content_hash": f"hash of {card} {path}",
        "media_type": "photo",
        "width": 4000,
        "height": 3000,
        "captured_at": datetime(2024, 5, 1, 6, 30),
        "captured_from": "exif",
        "failure": "image access failure" if boxes is None else None,
        "detections": None if boxes is None else tuple(boxes),
    }
    return FactRow(**{**values, **changes})


def write_facts(folder: Path, items: Sequence[Sequence[Any]], **run: Any) -> Path:
    """Write media items, each all its rows, into a store whose detector knows only birds unless said otherwise."""
    from detector.store.run_file import CardEntry, DetectorEntry, RunFile
    from detector.store.run_json import merge_run
    from detector.store.writer import FactsWriter

    values: dict[str, Any] = {
        "cards": {rows[0].card: CardEntry(root=f"/cards/{rows[0].card}") for rows in items},
        "detector": DetectorEntry(name="detector.safetensors", categories=["bird"]),
    }
    with FactsWriter(folder) as writer:
        merge_run(folder, RunFile(**{**values, **run}))
        for rows in items:
            writer.add(rows)
    return folder


@pytest.fixture
def facts_maker() -> SimpleNamespace:
    """`.box(...)`, `.row(path, ...)` and `.write(folder, items, ...)`."""
    return SimpleNamespace(box=make_box, row=make_row, write=write_facts)


@pytest.fixture
def store_maker() -> SimpleNamespace:
    """`.detection(media_id, ...)`, `.media(path, ...)` and `.write(folder, media, events=..., ...)`."""
    return SimpleNamespace(detection=make_detection, media=make_media, write=write_decided_store)


@pytest.fixture
def decided_store(tmp_path: Path) -> Path:
    """Two cameras: a burst of two hoopoes, a video with two frames, a person, a blank, a failure, no time, a repeat."""
    from detector.store.records import DeploymentRecord, EffortRecord, EventRecord, Gap, RepeatRecord
    from detector.types import media_id

    def found(path: str, card: str = "north", **changes: Any) -> Any:
        return make_detection(media_id(card, path), **changes)

    start = datetime(2024, 5, 1, 6, 30)
    burst = media_id("north", "DCIM/100RECNX/IMG_0001.JPG")
    first, second, clip = "DCIM/100RECNX/IMG_0001.JPG", "DCIM/100RECNX/IMG_0002.JPG", "DCIM/100RECNX/IMG_0003.MP4"
    person, blank, broken = "DCIM/101RECNX/IMG_0001.JPG", "DCIM/101RECNX/ריק.JPG", "DCIM/101RECNX/broken.JPG"
    untimed, stone = "water/no_time.png", "water/stone.JPG"
    unsure = {
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
    nameless = {
        **dict.fromkeys(("name", "rank", "english_name", "hebrew_name", "ebird_code", "confidence", "species_score")),
        "candidates": (),
    }
    media = [
        make_media(
            first,
            "north",
            [found(first, event_id="e1", individual_id="i1"), found(first, box=1, x=0.6, event_id="e1", score=0.1)],
            sequence_id=burst,
        ),
        make_media(
            second,
            "north",
            [
                found(second, event_id="e1", individual_id="i1"),
                found(second, event_id="e1", box=1, x=0.625, score=0.5, reviewed_by="Noa"),
            ],
            sequence_id=burst,
            timestamp=datetime(2024, 5, 1, 6, 30, 2),
        ),
        make_media(
            clip,
            "north",
            [
                found(clip, frame_number=0, event_id="e2", individual_id="i2", **unsure),
                found(clip, frame_number=30, time_s=1.0, event_id="e2", individual_id="i2", **unsure),
            ],
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
            [found(person, label="person", kind="person", display_name="person", event_id="e3", **nameless)],
            timestamp=datetime(2024, 5, 2, 12, 0),
        ),
        make_media(blank, "north", night=True, timestamp=datetime(2024, 5, 2, 23, 0)),
        make_media(
            broken, "north", width=None, height=None, failure="image access failure", blank=False, frames=(), night=None
        ),
        make_media(
            untimed,
            "south",
            [found(untimed, "south")],
            captured_at=None,
            timestamp=None,
            utc_offset_min=None,
            deployment_id="south/water",
        ),
        make_media(
            stone,
            "south",
            [found(stone, "south", repeat_group="r1", suppressed=True, needs_review=True)],
            utc_offset_min=None,
            deployment_id="south/water",
            blank=True,
            duplicate_of=burst,
        ),
    ]
    hoopoe = ("bird", "Upupa epops", "species", "Eurasian Hoopoe")
    wheatear = ("bird", "Oenanthe", "genus", "unidentified wheatear (Oenanthe sp.)")
    nine, noon = datetime(2024, 5, 1, 9), datetime(2024, 5, 2, 12)
    events = [
        EventRecord("e1", "north", "north", *hoopoe, start, datetime(2024, 5, 1, 6, 30, 2), 180, 180, 2, 3, 2, 0.9375),
        EventRecord("e2", "north", "north", *wheatear, nine, datetime(2024, 5, 1, 9, 0, 1), 180, 180, 1, 2, 1, 0.75),
        EventRecord("e3", "north", "north", "person", None, None, "person", noon, noon, 180, 180, 1, 1, 1, None),
    ]
    gap = Gap(date(2024, 5, 3), date(2024, 5, 12))
    effort = [
        EffortRecord("north", start, datetime(2024, 5, 12, 23), 12, 2, 2, (gap,), 6, 5, 1, 1, 1, 0, 0),
        EffortRecord("south/water", start, start, 1, 1, 1, (), 2, 2, 0, 1, 0, 1, 0),
    ]
    deployments = [
        DeploymentRecord(
            "north", "north", True, "North hide", 31.5, 34.75, start, 180, datetime(2024, 5, 12, 23), 180,
            "RECONYX HF2", "feeder", "Asia/Jerusalem", (("cameraID", "C1"), ("baitUse", "true")),
        ),
        DeploymentRecord(
            "south/water", "south/water", False, None, None, None, start, None, start, None, None, None, None, ()
        ),
    ]  # fmt: skip
    repeats = [
        RepeatRecord("r1", "south/water", 0.25, 0.5, 0.125, 0.25, "bird", 40, 40, start, start, True, None),
    ]
    return write_decided_store(tmp_path / "store", media, events, repeats, effort, deployments)


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 scenes of 128 x 128 to train on and 5 to evaluate on: images/, train.json, val.json."""
    from detector.synthetic.dataset import SceneSet, write_synthetic_dataset

    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_dataset(folder, 12, 5, SceneSet(size_wh=(128, 128)))
    return folder
