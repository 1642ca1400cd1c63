"""One absurd time costs the file its time, never the store its decisions or exports."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.store.reader import FactsReader
from detector.store.records_reader import read_events, read_media

NOW = datetime(2024, 6, 1)
FORMATS = ("csv", "events", "xlsx", "camtrap-dp", "coco", "coco-camera-traps", "label-studio", "megadetector")


def _decided(folder: Path, maker: SimpleNamespace, rows: list[Any], **options: Any) -> Any:
    sound = [
        maker.row(f"A/{minute}.jpg", boxes=[maker.box()], captured_at=datetime(2024, 5, 3, 6, minute))
        for minute in range(3)
    ]
    maker.write(folder / "store", [[row] for row in sound] + ([rows] if rows else []))
    summary = decide(folder / "store", DecideOptions.model_validate(options), NOW)
    export(folder / "store", FORMATS)
    return summary


def _deployments(tmp_path: Path, **columns: str) -> str:
    row = {"deploymentID": "A", "card": "card", "folder": "A", **columns}
    (tmp_path / "deployments.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    return str(tmp_path / "deployments.csv")


@pytest.mark.parametrize("year", [1, 1904, 1969, 2026, 2036, 9999])
def test_a_photo_of_an_impossible_year_has_no_time(tmp_path: Path, facts_maker: SimpleNamespace, year: int) -> None:
    odd = facts_maker.row("A/odd.jpg", boxes=[facts_maker.box()], captured_at=datetime(year, 12, 31, 23, 59, 59))
    summary = _decided(tmp_path, facts_maker, [odd])
    assert (summary.without_time, summary.events) == ((0, 2) if year == 2026 else (1, 1))
    [item] = [item for item in read_media(tmp_path / "store") if item.path == "A/odd.jpg"]
    if year != 2026:
        assert item.timestamp is None
        assert f"its time {year:04d}-12-31 23:59:59 is not in 1970 to 2027" in (item.warning or "")
        assert any("1 files have a time that cannot be" in each.problem for each in summary.clock_problems)


@pytest.mark.parametrize("seconds", [4e9, 1e300, -5.0, math.inf, math.nan])
def test_a_video_of_impossible_length_has_its_start(
    tmp_path: Path, facts_maker: SimpleNamespace, seconds: float
) -> None:
    rows = [
        facts_maker.row(
            "A/odd.mp4",
            boxes=[facts_maker.box()],
            media_type="video",
            captured_at=datetime(2024, 5, 3, 9),
            frame_number=number,
            time_s=number * seconds,
            duration_s=seconds,
            frame_rate=1 / seconds,
        )
        for number in range(2)
    ]
    assert _decided(tmp_path, facts_maker, rows).events == 2
    *_, last = read_events(tmp_path / "store")
    assert (last.start, last.end) == (datetime(2024, 5, 3, 9), datetime(2024, 5, 3, 9))


@pytest.mark.parametrize("zone", ["", "+14:00", "-12:00", "Asia/Jerusalem"])
@pytest.mark.parametrize("right", ["2100-12-31", "2028-01-01"])
def test_a_clock_shift_into_the_future_leaves_no_time(
    tmp_path: Path, facts_maker: SimpleNamespace, right: str, zone: str
) -> None:
    table = _deployments(tmp_path, clockShift=f"2024-05-03={right}", timeZone=zone)
    summary = _decided(tmp_path, facts_maker, [], deployments=table)
    assert (summary.without_time, summary.events) == (3, 0)


def test_a_clock_that_was_years_ahead_is_corrected(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    """The camera's own time is judged after the correction, so that a wrong clock can be mended."""
    odd = facts_maker.row("B/odd.jpg", boxes=[facts_maker.box()], captured_at=datetime(2036, 2, 7, 6, 28))
    table = _deployments(tmp_path, folder="B", clockShift="2036-02-07=2024-05-03")
    summary = _decided(tmp_path, facts_maker, [odd], deployments=table)
    assert (summary.without_time, summary.events) == (0, 2)


def test_boundless_options_are_taken(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    options = {"gap_days": 10**12, "independence_min": 1e300, "independence_by_kind": {"feeder": 1e308}}
    assert _decided(tmp_path, facts_maker, [], **options).events == 1


def test_files_without_a_time_get_the_disks_only_when_asked(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    bare = {"captured_at": None, "captured_from": None, "modified_at": datetime(2024, 5, 3, 18)}
    rows = [
        facts_maker.row("A/bare.jpg", boxes=[facts_maker.box()], **bare),
        facts_maker.row(
            "A/bare.mp4", boxes=[facts_maker.box()], **{**bare, "media_type": "video", "duration_s": 3600.0}
        ),
        facts_maker.row("A/bare_old.jpg", **{**bare, "modified_at": None}),
        facts_maker.row("A/dated.jpg", modified_at=datetime(2020, 1, 1)),
    ]
    facts_maker.write(tmp_path, [[row] for row in rows])
    summary = decide(tmp_path, DecideOptions.model_validate({}), NOW)
    assert (summary.without_time, summary.by_disk, summary.events) == (3, 0, 0)
    summary = decide(tmp_path, DecideOptions.model_validate({"time_from": "mtime"}), NOW)
    assert (summary.without_time, summary.by_disk, summary.events) == (1, 2, 2)
    assert [
        (item.timestamp and item.timestamp.hour, item.captured_at, item.captured_from) for item in read_media(tmp_path)
    ] == [
        (18, None, "mtime"),
        (17, None, "mtime"),  # a video begins its length before its file is closed
        (None, None, None),
        (6, datetime(2024, 5, 1, 6, 30), "exif"),
    ]


def test_the_disks_time_is_corrected_like_the_cameras(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    """Cameras write both by one clock."""
    bare = {"captured_at": None, "captured_from": None, "modified_at": datetime(2016, 1, 1, 0, 5)}
    facts_maker.write(tmp_path / "store", [[facts_maker.row("A/a.jpg", **bare)]])
    table = _deployments(tmp_path, clockShift="2016-01-01 00:00=2024-05-03 10:00")
    decide(tmp_path / "store", DecideOptions.model_validate({"time_from": "mtime", "deployments": table}), NOW)
    [item] = read_media(tmp_path / "store")
    assert item.timestamp == datetime(2024, 5, 3, 10, 5)


def test_a_part_from_before_disk_times_were_kept_is_read(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    import pyarrow.parquet as pq

    facts_maker.write(tmp_path, [[facts_maker.row("A/a.jpg", captured_at=None, captured_from=None)]])
    [part] = (tmp_path / "facts").glob("*.parquet")
    pq.write_table(pq.read_table(part).drop_columns(["modified_at"]), part)
    assert decide(tmp_path, DecideOptions.model_validate({"time_from": "mtime"}), NOW).without_time == 1
    assert [row.modified_at for item in FactsReader(tmp_path).items() for row in item] == [None]


def test_a_running_number_in_names_is_no_time_of_day(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    rows = [
        facts_maker.row(
            f"A/20240503_{number:06d}.jpg",
            captured_at=datetime(2024, 5, 3, 0, number // 100, number % 100),
            captured_from="filename",
        )
        for number in (1, 2, 59)
    ]
    facts_maker.write(tmp_path, [[row] for row in rows])
    summary = decide(tmp_path, DecideOptions.model_validate({}), NOW)
    assert summary.without_time == 3
    assert "3 files have no time but a running number" in summary.clock_problems[0].problem
    assert all("a running number, and no time of day" in (item.warning or "") for item in read_media(tmp_path))
