"""A decided store of a few files, and its exports as other programs get them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.decisions.rules import name_check
from detector.exports.export import export
from detector.store.records_reader import read_media
from detector.store.reviews.log import Imported, import_reviews
from detector.store.run_file import DetectorEntry, SpeciesEntry
from detector.store.schema import pack_vector
from tests.detector.small_stores import make_box, make_row, write_facts

Names = dict[tuple[str, int, int], str]
PLACES = "deploymentID,latitude,longitude,timeZone\ncard,31.5,34.75,Asia/Jerusalem\n"


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with a hoopoe and a crow, with a crow, with a person and a crow, and with nothing; a video of a hoopoe."""
    crow = make_box(x=0.1, y=0.1, w=0.2, h=0.3, label_scores=(0.9, 0.0), logits=pack_vector([12.0, 0.0]))
    hoopoe = make_box(x=0.6, y=0.5, w=0.2, h=0.3, label_scores=(0.8, 0.0), logits=pack_vector([0.0, 12.0]))
    person = make_box(x=0.6, y=0.1, w=0.3, h=0.8, label_scores=(0.0, 0.9))
    film = {"media_type": "video", "frame_rate": 25.0, "duration_s": 2.0, "captured_at": datetime(2024, 5, 1, 12)}
    tracked = replace(hoopoe, track_id=0)
    clip = [make_row("DCIM/clip.mp4", frame_number=n, time_s=n / 25, boxes=[tracked], **film) for n in (0, 25)]
    items = [
        [make_row("DCIM/a.jpg", captured_at=datetime(2024, 5, 1, 6), boxes=[crow, hoopoe])],
        [make_row("DCIM/b.jpg", captured_at=datetime(2024, 5, 1, 7), boxes=[crow])],
        [make_row("DCIM/ריק c.jpg", captured_at=datetime(2024, 5, 1, 8), boxes=[crow, person])],
        [make_row("DCIM/blank.jpg", captured_at=datetime(2024, 5, 1, 9))],
        clip,
        [make_row("DCIM/torn.jpg", boxes=None)],
    ]
    folder = tmp_path_factory.mktemp("programs")
    table = folder / "deployments.csv"
    table.write_text(PLACES)
    store = write_facts(
        folder / "store",
        items,
        detector=DetectorEntry(name="d", categories=["bird", "person"]),
        species=SpeciesEntry(name="two", classes=["Hooded crow", "Eurasian hoopoe"]),
    )
    decide(store, DecideOptions(deployments=str(table)))
    export(store, ["megadetector", "camtrap-dp", "label-studio"])
    return store


@pytest.fixture
def store(made_store: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    return shutil.copytree(made_store, tmp_path / "store")


@pytest.fixture
def say(store: Path) -> Callable[[Path], Imported]:
    """Give a file to the store, as `hoopoe decide --reviews` does."""

    def give(path: Path) -> Imported:
        options = DecideOptions()
        return import_reviews(store, path, name_problem=name_check(store, options).problem)

    return give


@pytest.fixture
def names(store: Path) -> Callable[..., Names]:
    """What each box is called once the reviews are decided on: a name, a kind, or `nothing`."""

    def decided(**options: Any) -> Names:
        decide(store, DecideOptions(**options))
        return {
            (record.path.removeprefix("DCIM/"), found.frame_number, found.box): (
                "nothing" if found.suppressed else found.name or found.kind
            )
            for record in read_media(store)
            for found in record.detections
        }

    return decided
