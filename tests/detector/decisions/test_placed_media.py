"""The table of deployments places and times the media."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from detector.decisions.decide import decide
from detector.store.records_reader import read_visits
from tests.detector.decisions.small_facts import Maker, Photo, decided, options


def test_deployments_place_and_time_the_media(tmp_path: Path, facts_maker: Maker) -> None:
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,folder,latitude,longitude,timeZone,clockShift,kind,cameraID\n"
        "hide,north,31.5,34.75,Asia/Jerusalem,2024-05-01 00:00=2024-10-26 18:00,feeder,C1\n"
    )
    rows = [
        facts_maker.row("north/DCIM/100RECNX/a.jpg", captured_at=datetime(2024, 5, 1, 6), camera_model="HF2"),
        facts_maker.row("north/DCIM/100RECNX/b.jpg", captured_at=datetime(2024, 5, 1, 9)),
        facts_maker.row("south/DCIM/100RECNX/a.jpg", captured_at=datetime(2024, 5, 1, 9)),
    ]
    facts_maker.write(tmp_path / "out", [[row] for row in rows])
    summary = decide(tmp_path / "out", options(deployments=str(table)))
    first, second, other = decided(tmp_path / "out").values()
    assert (first.deployment_id, first.timestamp, first.utc_offset_min) == ("hide", datetime(2024, 10, 27), 180)
    assert (second.timestamp, second.utc_offset_min) == (datetime(2024, 10, 27, 3), 120)  # clocks went back at two
    assert (other.deployment_id, other.utc_offset_min) == ("card/south", None)
    assert summary.unlisted == ["card/south"]
    told, listed = read_visits(tmp_path / "out")
    assert (listed.latitude, listed.camera_model, listed.kind, listed.details) == (
        31.5,
        "HF2",
        "feeder",
        (("cameraID", "C1"),),
    )
    assert (listed.start, listed.start_offset_min, listed.end_offset_min) == (datetime(2024, 10, 27), 180, 120)
    assert (told.listed, told.latitude) == (False, None)


def test_hour_that_occurs_twice_does_not_join_events(tmp_path: Path, facts_maker: Maker) -> None:
    """00:50 summer time and 02:10 winter time are 2 h 20 min apart, though clocks show 1 h 20 min."""
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,timeZone\nhide,Asia/Jerusalem\n")
    moments = [datetime(2024, 10, 27, 0, 50), datetime(2024, 10, 27, 2, 10)]
    rows = [
        [facts_maker.row(f"{n}.jpg", boxes=[facts_maker.box()], captured_at=moment)] for n, moment in enumerate(moments)
    ]
    facts_maker.write(tmp_path / "out", rows)
    assert decide(tmp_path / "out", options(deployments=str(table), independence_min=100)).events == 2
    assert decide(tmp_path / "out", options(independence_min=100)).events == 1


def test_independence_follows_the_kind_of_camera(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,folder,kind\na,a,feeder\nb,b,water\n")
    items = [photo(f"{place}/{minutes}.jpg", 60 * minutes, packed=[None]) for place in "ab" for minutes in (0, 20)]
    facts_maker.write(tmp_path / "out", items)
    summary = decide(tmp_path / "out", options(deployments=str(table), independence_by_kind={"feeder": 10}))
    assert {each.deployment_id: each.events for each in summary.deployments} == {"a": 2, "b": 1}
