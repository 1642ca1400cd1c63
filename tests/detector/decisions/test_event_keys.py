"""Keys of events and of what is exported of them, their instants, and the bursts of two cameras at one place."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.decisions.events import event_id
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.store.records_reader import read_events, read_media
from detector.types import TaxonName

Maker = SimpleNamespace
START = datetime(2024, 5, 1, 6, 30)
PLACE = "deploymentID,folder,latitude,longitude,timeZone\n"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def decided(folder: Path, maker: Maker, items: list, table: str, **changes: Any) -> Path:
    path = folder / "deployments.csv"
    path.write_text(table)
    maker.write(folder / "out", items)
    decide(folder / "out", DecideOptions(deployments=str(path), **changes))
    return folder / "out"


@pytest.fixture
def colliding(facts_maker: Maker) -> list:
    """A video in which a bird comes and goes, and photos of one second at cameras whose files have the same names."""

    def frame(number: int, seconds: float, boxes: list) -> Any:
        return facts_maker.row(
            "a/VID.MP4", boxes=boxes, media_type="video", frame_number=number, time_s=seconds, duration_s=600.0
        )

    video = [frame(n, 60.0 * n, [facts_maker.box()] if n % 2 else []) for n in range(10)]
    photos = [
        facts_maker.row(f"{place}/IMG.JPG", card, boxes=[facts_maker.box(), facts_maker.box(x=0.6)])
        for place in "ab"
        for card in ("card", "other")
    ]
    return [video, *([photo] for photo in photos)]


@pytest.mark.parametrize(("minutes", "count"), [(0, 7), (0.5, 7), (1, 6), (1.5, 6), (30, 2)])
def test_every_key_of_an_export_is_unique(
    tmp_path: Path, facts_maker: Maker, colliding: list, minutes: float, count: int
) -> None:
    table = PLACE + "A,a,31.5,34.9,+02:00\nB,b,31.5,34.9,+02:00\n"
    out = decided(tmp_path, facts_maker, colliding, table, independence_min=minutes)
    export(out, ["camtrap-dp", "events"])
    events = list(read_events(out))
    assert len({event.event_id for event in events}) == len(events) == count
    assert len({row["Event"] for row in rows_of(out / "events.csv")}) == len(events)
    for name, key in (("deployments", "deploymentID"), ("media", "mediaID"), ("observations", "observationID")):
        keys = [row[key] for row in rows_of(out / f"camtrap-dp/{name}.csv")]
        assert len(set(keys)) == len(keys) > 0
    observations = rows_of(out / "camtrap-dp/observations.csv")
    whole = [row["eventID"] for row in observations if row["observationLevel"] == "event"]
    assert len(set(whole)) == len(whole) == len(events)
    assert {row["eventID"] for row in observations if row["eventID"]} == set(whole)


def test_names_that_read_alike_are_two_events() -> None:
    genus = TaxonName("Oenanthe", "genus", None, None, None, "wheatear")
    species = TaxonName("Oenanthe oenanthe", "species", None, None, None, "wheatear")
    assert event_id("A", "bird", genus, "m1", 0) != event_id("A", "bird", species, "m1", 0)


def test_id_stays_while_the_event_begins_with_the_same_sight(tmp_path: Path, facts_maker: Maker) -> None:
    def photo(seconds: int) -> list:
        at = START + timedelta(seconds=seconds)
        return [facts_maker.row(f"{seconds:04}.jpg", boxes=[facts_maker.box()], captured_at=at)]

    facts_maker.write(tmp_path, [photo(0), photo(60)])
    decide(tmp_path, DecideOptions())
    [before] = read_events(tmp_path)
    facts_maker.write(tmp_path, [photo(120), photo(7200)])
    decide(tmp_path, DecideOptions())
    after, later = read_events(tmp_path)
    assert after.event_id == before.event_id != later.event_id
    assert (before.media, after.media) == (2, 3)


def test_durations_are_differences_of_instants(tmp_path: Path, facts_maker: Maker) -> None:
    """Clocks in Jerusalem went from 02:00 to 03:00 on 29 March 2024: 01:50 and 03:05 are a quarter of an hour apart."""
    clocks = [datetime(2024, 3, 29, 1, 50), datetime(2024, 3, 29, 3, 5), datetime(2024, 3, 29, 3, 45)]
    items = [[facts_maker.row(f"{n}.jpg", boxes=[facts_maker.box()], captured_at=at)] for n, at in enumerate(clocks)]
    out = decided(tmp_path, facts_maker, items, PLACE + "A,,31.5,34.9,Asia/Jerusalem\n")
    export(out, ["camtrap-dp", "events"])
    first, second = read_events(out)
    assert (first.ended - first.began, second.began - first.ended) == (timedelta(minutes=15), timedelta(minutes=40))
    assert [row["delta.time.mins"] for row in rows_of(out / "events.csv")] == ["0.0", "40.0"]
    whole = [row for row in rows_of(out / "camtrap-dp/observations.csv") if row["observationLevel"] == "event"]
    assert [(row["eventStart"], row["eventEnd"]) for row in whole] == [
        ("2024-03-29T01:50:00+02:00", "2024-03-29T03:05:00+03:00"),
        ("2024-03-29T03:45:00+03:00", "2024-03-29T03:45:00+03:00"),
    ]


def test_two_cameras_at_one_place_are_not_one_burst(tmp_path: Path, facts_maker: Maker) -> None:
    items = [
        [facts_maker.row(f"{side}/{n}.jpg", boxes=[facts_maker.box()], captured_at=START + timedelta(seconds=at))]
        for side, at in (("left", 0), ("right", 1))
        for n in range(2)
    ]
    out = decided(tmp_path, facts_maker, items, PLACE + "S,left,31.5,34.9,+02:00\nS,right,31.5,34.9,+02:00\n")
    burst = {item.path: item.sequence_id for item in read_media(out)}
    assert burst["left/0.jpg"] == burst["left/1.jpg"] != burst["right/0.jpg"] == burst["right/1.jpg"]
    [event] = read_events(out)  # one station: camtrapR's camerasIndependent = FALSE
    assert (event.deployment_id, event.media) == ("S", 4)
