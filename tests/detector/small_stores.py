"""Rows of facts, records of decisions, and stores made of them: each value what is usual, unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from detector.store import schema
from detector.store.facts import FactRow, FoundBox
from detector.store.files import write_table
from detector.store.layout import decisions_folder
from detector.store.records import Candidate, DetectionRecord, MediaRecord
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import merge_run, write_run
from detector.store.writer import FactsWriter
from detector.types import media_id


def _plain(value: Any) -> Any:
    """Dataclasses in a tuple as dictionaries."""
    return [asdict(item) if is_dataclass(item) else item for item in value] if isinstance(value, tuple) else value


def make_detection(media_id: str, **changes: Any) -> DetectionRecord:
    """A hoopoe, sure, unless said otherwise."""
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


def make_media(
    path: str, card: str = "card", detections: Sequence[DetectionRecord] = (), **changes: Any
) -> MediaRecord:
    """A photo of 4000 x 3000 pixels, taken on 1 May 2024, unless said otherwise."""
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
    media: Sequence[MediaRecord],
    events: Sequence[Any] = (),
    repeats: Sequence[Any] = (),
    effort: Sequence[Any] = (),
    deployments: Sequence[Any] = (),
    root: Path | None = None,
) -> Path:
    """Write records as the tables of a store, with a run.json whose cards lie in `root`."""

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


def make_box(**changes: Any) -> FoundBox:
    """A bird, 0.875, unless said otherwise."""
    values: dict[str, Any] = {"x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25, "label_scores": (0.875,)}
    return FoundBox(**{**values, **changes})


def make_row(path: str, card: str = "card", boxes: Sequence[FoundBox] | None = (), **changes: Any) -> FactRow:
    """A photo of 4000 x 3000 pixels, taken on 1 May 2024, unless said otherwise; boxes None: a failure."""
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


def write_facts(folder: Path, items: Sequence[Sequence[FactRow]], **run: Any) -> Path:
    """Write media items, each all its rows, into a store whose detector knows only birds unless said otherwise."""
    values: dict[str, Any] = {
        "cards": {rows[0].card: CardEntry(root=f"/cards/{rows[0].card}") for rows in items},
        "detector": DetectorEntry(name="detector.safetensors", categories=["bird"]),
    }
    with FactsWriter(folder) as writer:
        merge_run(folder, RunFile(**{**values, **run}))
        for rows in items:
            writer.add(rows)
    return folder
