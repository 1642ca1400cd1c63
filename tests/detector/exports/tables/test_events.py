"""events.csv and effort.csv, by the rules that camtrapR's recordTable and cameraOperation state."""

import csv
import re
from datetime import date, datetime, timedelta

from detector.exports.source import ExportOptions
from detector.exports.tables.events import write_events
from detector.store.records import Gap

MORNING = datetime(2024, 3, 1, 6, 30)


def export(tmp_path, source, **options):
    tables = []
    for path in write_events(source, tmp_path, ExportOptions(**options)):
        assert path.read_bytes()[:1].isalpha()  # R would take a byte order mark for a part of the first name
        with path.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return tables


def test_no_events_give_headers(tmp_path, make):
    assert export(tmp_path, make.source()) == [[], []]


def test_an_event_is_a_record_of_camtrapr(tmp_path, make):
    [row], _ = export(tmp_path, make.source(events=[make.event()]))
    assert row["Station"] == "CAM1"
    assert row["Species"] == "Oenanthe lugens"
    assert row["DateTimeOriginal"] == "2024-03-01 06:30:00"
    assert (row["Date"], row["Time"]) == ("2024-03-01", "06:30:00")
    assert row["Timestamp"] == "2024-03-01T06:30:00+02:00"
    assert (row["n"], row["n_detections"], row["n_files"]) == ("2", "5", "3")
    assert not any(" " in name for name in row)  # camtrapR refuses spaces in names of columns


def test_unnamed_events_are_called_by_their_kind(tmp_path, make):
    events = [make.event(name=None, rank=None, kind=kind) for kind in ("bird", "person")]
    rows, _ = export(tmp_path, make.source(events=events))
    assert [row["Species"] for row in rows] == ["bird", "person"]


def test_time_differences_are_to_the_last_record_of_the_species_at_the_station(tmp_path, make):
    hour = timedelta(hours=1)
    events = [
        make.event(start=MORNING, end=MORNING + hour / 2),
        make.event(start=MORNING + hour, end=MORNING + hour, name="Passer domesticus"),
        make.event(start=MORNING + 2 * hour, end=MORNING + 2 * hour),
        make.event(start=MORNING + 3 * hour, end=MORNING + 3 * hour, deployment_id="CAM2"),
    ]
    rows, _ = export(tmp_path, make.source(events=events))
    assert [row["delta.time.secs"] for row in rows] == ["0", "0", "5400", "0"]
    assert rows[2]["delta.time.hours"] == "1.5"


def test_a_station_has_its_gaps_as_problems(tmp_path, make):
    other = make.effort(deployment_id="CAM2", gaps=())
    _, rows = export(tmp_path, make.source(effort=[make.effort(), other], deployments=[make.deployment()]))
    assert [row["Station"] for row in rows] == ["CAM1", "CAM2"]
    assert rows[0]["Setup_date"] == "2024-02-28 12:00:00"
    assert rows[0]["Retrieval_date"] == "2024-03-09 08:00:00"
    assert (rows[0]["Problem1_from"], rows[0]["Problem1_to"]) == ("2024-03-03 00:00:00", "2024-03-06 00:00:00")
    assert (rows[1]["Problem1_from"], rows[1]["Problem1_to"]) == ("", "")
    assert (rows[0]["Latitude"], rows[1]["Latitude"]) == ("30.8736", "")


def test_no_gap_gives_no_problem_columns(tmp_path, make):
    _, [row] = export(tmp_path, make.source(effort=[make.effort(gaps=())]))
    assert not any(name.startswith("Problem") for name in row)


def test_camtrapr_would_accept_every_station(tmp_path, make):
    """The checks of cameraOperation: they stop the whole analysis."""
    first, last = date(2024, 2, 28), date(2024, 3, 9)
    many = tuple(Gap(date(2024, 3, 1) + timedelta(2 * n), date(2024, 3, 1) + timedelta(2 * n)) for n in range(12))
    effort = [
        make.effort(gaps=(Gap(first, first), Gap(last, last))),  # on the days of setup and retrieval
        make.effort(deployment_id="CAM2", start=MORNING, end=MORNING, gaps=()),
        make.effort(deployment_id="CAM3", start=None, end=None, gaps=()),
        make.effort(deployment_id="CAM4", end=datetime(2024, 5, 1), gaps=many),
    ]
    said = []
    _, rows = export(tmp_path, make.source(effort=effort), notify=said.append)
    assert [row["Station"] for row in rows] == ["CAM1", "CAM2", "CAM4"]
    assert len(said) == 1
    problems = [name for name in rows[0] if name.startswith("Problem")]
    assert len(problems) == 18
    assert all(re.fullmatch(r"Problem\d_(from|to)", name) for name in problems)
    for row in rows:
        assert row["Setup_date"] < row["Retrieval_date"]
        moments = [row[name] for name in problems if row[name]]
        assert moments == sorted(moments)
        assert all(row["Setup_date"] <= moment <= row["Retrieval_date"] for moment in moments)
    assert rows[2]["Further_gap_days"] == "3"
