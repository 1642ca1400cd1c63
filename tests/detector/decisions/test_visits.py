"""Deployments of several visits, files outside stated periods, and tables whose names are not the store's."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backbones.errors import DataError
from detector.cli.main import main
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.decisions.summary import DecisionSummary
from detector.exports.export import export
from detector.store.records_reader import read_effort, read_events, read_media, read_visits

Maker = SimpleNamespace
HEADER = "deploymentID,card,folder,latitude,longitude,timeZone,deploymentStart,deploymentEnd,cameraID\n"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class Survey:
    """A store of photos with a bird each, and its table."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        self.folder, self.maker = folder, maker

    def photos(self, place: str, days: Sequence[float], start: datetime = datetime(2024, 5, 1, 6)) -> None:
        moments = [start + timedelta(days=day) for day in days]
        items = [
            [self.maker.row(f"{place}/{n:03}.jpg", boxes=[self.maker.box()], captured_at=moment)]
            for n, moment in enumerate(moments)
        ]
        self.maker.write(self.folder / "out", items)

    def decide(self, *rows: str, header: str = HEADER, **options: Any) -> DecisionSummary:
        table = self.folder / "deployments.csv"
        table.write_text(header + "".join(f"{row}\n" for row in rows))
        return decide(self.folder / "out", DecideOptions(deployments=str(table), **options))

    @property
    def out(self) -> Path:
        return self.folder / "out"


@pytest.fixture
def survey(tmp_path: Path, facts_maker: Maker) -> Survey:
    return Survey(tmp_path, facts_maker)


def told(summary: DecisionSummary) -> str:
    return "; ".join(each.problem for each in summary.clock_problems)


def check_package(out: Path) -> None:
    """What the standard asks of a package: unique deployments, and all that was seen within their periods."""
    export(out, ["camtrap-dp"])
    deployments = {row["deploymentID"]: row for row in rows_of(out / "camtrap-dp/deployments.csv")}
    assert len(deployments) == len(rows_of(out / "camtrap-dp/deployments.csv"))
    for row in rows_of(out / "camtrap-dp/media.csv"):
        period = deployments[row["deploymentID"]]
        start, end = (datetime.fromisoformat(period[name]) for name in ("deploymentStart", "deploymentEnd"))
        assert start <= datetime.fromisoformat(row["timestamp"]) <= end
    for row in rows_of(out / "camtrap-dp/observations.csv"):
        period = deployments[row["deploymentID"]]
        assert datetime.fromisoformat(period["deploymentStart"]) <= datetime.fromisoformat(row["eventStart"])
        assert datetime.fromisoformat(row["eventEnd"]) <= datetime.fromisoformat(period["deploymentEnd"])


def test_visits_are_deployments_of_their_own_in_camtrap_dp(survey: Survey) -> None:
    survey.photos("v1", range(0, 30, 5), datetime(2024, 1, 2, 6))
    survey.photos("v2", range(0, 30, 5), datetime(2024, 6, 2, 6))
    survey.decide(
        "X,card,v1,31.5,34.9,Asia/Jerusalem,2024-01-01 10:00,2024-02-01,",
        "X,card,v2,31.5,34.9,Europe/Paris,,,",
        "X-2,card,v3,1,2,,,,",  # a name that is taken, though nothing is there
    )
    first, second = read_visits(survey.out)
    assert [(each.visit_id, each.deployment_id) for each in (first, second)] == [("X", "X"), ("X-3", "X")]
    assert (second.start, second.end) == (datetime(2024, 6, 2, 6), datetime(2024, 6, 27, 6))
    assert (first.end_offset_min, second.end_offset_min) == (120, 120)
    [effort] = read_effort(survey.out)
    assert (effort.start, effort.days) == (datetime(2024, 1, 1, 10), 32 + 26)
    check_package(survey.out)
    counts = Counter(row["deploymentID"] for row in rows_of(survey.out / "camtrap-dp/media.csv"))
    assert counts == {"X": 6, "X-3": 6}
    assert {row["locationID"] for row in rows_of(survey.out / "camtrap-dp/deployments.csv")} == {"X"}


def test_files_outside_the_period_are_told_and_in_no_event(survey: Survey) -> None:
    survey.photos("b", range(0, 30, 5))
    rows = ["B,card,b,31.5,34.9,+03:00,2024-05-01,2024-05-20,"]
    summary = survey.decide(*rows)
    assert (summary.events, summary.outside) == (4, 2)
    assert "2 of 6 files with a time lie outside the period that row 2 states (2 after 2024-05-20 23:59)" in told(
        summary
    )
    [effort] = read_effort(survey.out)
    assert (effort.days, effort.outside, effort.media) == (20, 2, 6)
    check_package(survey.out)
    export(survey.out, ["csv"])
    outside = {row["file"]: row["outside_period"] for row in rows_of(survey.out / "files.csv")}
    assert [file for file, value in outside.items() if value == "TRUE"] == ["b/004.jpg", "b/005.jpg"]
    left_out = rows_of(survey.out / "camtrap-dp/left-out.csv")
    assert [row["file"] for row in left_out] == ["b/004.jpg", "b/005.jpg"]
    assert all("outside the period" in row["reason"] for row in left_out)

    summary = survey.decide(*rows, outside_period="count")
    assert (summary.events, summary.outside) == (6, 0)
    assert "they count" in told(summary)
    [effort] = read_effort(survey.out)
    assert (effort.days, effort.end) == (26, datetime(2024, 5, 26, 6))
    check_package(survey.out)


def test_few_pictures_of_setting_up_are_only_counted(survey: Survey) -> None:
    survey.photos("b", [0, *range(2, 30)])
    summary = survey.decide("B,card,b,31.5,34.9,+03:00,2024-05-02,2024-06-20,")
    assert (summary.outside, told(summary)) == (1, "")
    assert "1 before 2024-05-02" in told(survey.decide(*["B,card,b,1,2,+03:00,2024-05-02,,"], outside_period="count"))


@pytest.mark.parametrize(
    ("start", "shift"),
    [
        (datetime(2024, 4, 3, 6), "2024-04-03 06:00=2024-05-03 06:00"),
        (datetime(2023, 5, 3, 6), "2023-05-03 06:00=2024-05-03 06:00"),
        (datetime(2024, 7, 5, 6), "2024-07-05 06:00=2024-05-07 06:00"),
        (datetime(2016, 1, 1, 0), None),
    ],
)
def test_a_whole_camera_outside_its_period_has_a_wrong_clock(
    survey: Survey, start: datetime, shift: str | None
) -> None:
    survey.photos("a", range(3), start)
    summary = survey.decide("A,card,a,31.5,34.9,+03:00,2024-05-01,2024-05-31,")
    assert summary.events == 0
    assert "its clock was probably wrong" in told(summary)
    assert (shift or "such as") in told(summary) if shift else "such as" not in told(summary).partition("clockShift")[2]
    [effort] = read_effort(survey.out)
    assert (effort.days, effort.active_days) == (31, 0)  # no absence is made of pictures that were left out
    if shift:
        row = f"A,card,a,31.5,34.9,+03:00,2024-05-01,2024-05-31,,{shift}"
        summary = survey.decide(row, header=HEADER.strip() + ",clockShift\n")
        assert (summary.events, told(summary)) == (3, "")


def test_start_after_all_files_is_no_negative_time(survey: Survey) -> None:
    survey.photos("a", range(3))
    summary = survey.decide("A,card,a,31.5,34.9,+03:00,2024-06-01 10:00,,")
    [effort] = read_effort(survey.out)
    assert (effort.days, effort.active_days, effort.end, summary.events) == (0, 0, None, 0)
    assert "none of its files lies in its period" in told(summary)
    assert survey.decide("A,card,a,31.5,34.9,+03:00,,2024-04-01,").events == 0
    export(survey.out, ["camtrap-dp", "events"])
    assert rows_of(survey.out / "camtrap-dp/deployments.csv") == rows_of(survey.out / "effort.csv") == []


def test_last_video_ends_within_its_deployment(survey: Survey) -> None:
    maker = survey.maker
    frames = [
        maker.row("v/a.mp4", boxes=[maker.box()] if seconds else [], media_type="video", frame_number=number,
                  time_s=seconds, duration_s=62.5)
        for number, seconds in ((0, 0.0), (1500, 60.0))
    ]  # fmt: skip
    maker.write(survey.out, [frames])
    survey.decide("V,card,v,31.5,34.9,+03:00,,,")
    [effort] = read_effort(survey.out)
    assert effort.end == datetime(2024, 5, 1, 6, 31, 2, 500_000)
    check_package(survey.out)


def test_one_folder_may_have_rows_one_after_the_other(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    survey.photos("a", range(0, 10))
    survey.photos("b", range(0, 3))
    rows = [
        "A2,card,a,31.6,34.9,+03:00,2024-05-05,2024-05-08,",
        "A1,card,a,31.5,34.9,+03:00,2024-05-01,2024-05-03,",
        "AB,card,b,31.5,34.9,+03:00,,,",
    ]
    survey.decide(*rows)
    places = Counter((item.deployment_id, item.outside) for item in read_media(survey.out))
    assert places == {("A1", False): 3, ("A1", True): 1, ("A2", False): 4, ("A2", True): 2, ("AB", False): 3}
    check_package(survey.out)
    whole = sorted(map(repr, read_events(survey.out)))
    monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 1)
    survey.decide(*rows)
    assert sorted(map(repr, read_events(survey.out))) == whole, "deployments that share a folder stay together"


def test_time_zones_of_the_table_make_utc_local(survey: Survey) -> None:
    survey.photos("a", range(3))
    survey.decide("A,card,a,31.5,34.9,Asia/Jerusalem,2024-05-01T02:00:00Z,2024-05-03T08:00:00+02:00,")
    [deployment] = read_visits(survey.out)
    assert (deployment.start, deployment.end) == (datetime(2024, 5, 1, 5), datetime(2024, 5, 3, 9))


def test_regular_photos_are_a_time_lapse(survey: Survey) -> None:
    survey.photos("lapse", [day + hour / 24 for day in range(3) for hour in range(12)])
    survey.photos("motion", [0.013 * n * n for n in range(36)])
    survey.photos("said", range(36))
    header = HEADER.strip() + ",captureMethod\n"
    rows = [f"{name},card,{name},31.5,34.9,+03:00,,,,{method}" for name, method in
            (("lapse", ""), ("motion", ""), ("said", "motion detection"))]  # fmt: skip
    survey.decide(*rows, header=header)
    methods = {each.deployment_id: dict(each.details).get("captureMethod") for each in read_visits(survey.out)}
    assert methods == {"lapse": "timeLapse", "motion": None, "said": "activityDetection"}


@pytest.mark.parametrize(
    ("card", "folder", "hint"),
    [
        ("1", "2024-05-01", "did you mean card/2024-05-01"),
        ("card", "01/05/2024", "did you mean card/2024-05-01"),
        ("card", "2024-5-01", "did you mean card/2024-05-01"),
    ],
)
def test_half_matched_table_is_an_error_unless_told(
    survey: Survey, capsys: pytest.CaptureFixture[str], card: str, folder: str, hint: str
) -> None:
    survey.photos("2024-05-01", range(2))
    survey.photos("2024-06-01", range(2))
    rows = [f"card/2024-05-01,{card},{folder},31.5,34.9,,,,", "second,card,2024-06-01,31.5,34.9,,,,"]
    with pytest.raises(DataError, match=hint) as caught:
        survey.decide(*rows)
    assert "row 2" in caught.value.problem
    command = ["decide", str(survey.out), "--deployments", str(survey.folder / "deployments.csv")]
    assert main(command) == 2
    assert main([*command, "--unmatched", "allow"]) == 0
    assert "row 2" in capsys.readouterr().out


def test_rows_of_cards_that_are_not_here_yet_are_told(survey: Survey) -> None:
    survey.photos("a", range(2))
    summary = survey.decide("A,card,a,31.5,34.9,,,,", "B,later,b,31.5,34.9,,,,")
    assert summary.notes == ["deployments.csv row 3 (card 'later', folder 'b') matches no file; did you mean card/a?"]


def test_another_case_is_the_same_folder_where_there_is_only_one(survey: Survey) -> None:
    survey.photos("A", range(2))
    survey.decide("hide,Card,a,31.5,34.9,,,,")
    assert {item.deployment_id for item in read_media(survey.out)} == {"hide"}
    survey.photos("a", range(2))
    survey.decide("hide,card,a,31.5,34.9,,,,")
    assert {item.path[0]: item.deployment_id for item in read_media(survey.out)} == {"a": "hide", "A": "card/A"}
