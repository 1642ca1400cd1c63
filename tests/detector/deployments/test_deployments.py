"""The table of deployments: told from folders, filled in by people, and read back row by row."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import ConfigError, DataError
from detector.cli.main import main
from detector.deployments.folders import camera_folder, compile_camera, group_cameras
from detector.deployments.matching import Matching, match_deployments, match_folders
from detector.deployments.places import Axis, parse_degrees
from detector.deployments.table import Deployment, read_deployments
from detector.deployments.template import CameraFile, deployment_rows, stored_camera_files, write_deployments


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "deployments.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_media_no_rows(tmp_path: Path) -> None:
    assert deployment_rows([]) == []
    write_deployments(tmp_path / "d.csv", [])
    assert read_deployments(tmp_path / "d.csv") == []


@pytest.mark.parametrize(
    ("folder", "camera"),
    [
        ("", ""),
        ("DCIM/100RECNX", ""),
        ("hide/DCIM/100RECNX", "hide"),
        ("hide/dcim/101_BTCF/more", "hide"),
        ("a/b/100MEDIA", "a/b"),
        ("hide/20240501", "hide/20240501"),
        ("hide/100", "hide/100"),
    ],
)
def test_levels_that_cameras_make_are_not_cameras(folder: str, camera: str) -> None:
    assert camera_folder(folder) == camera


def test_expression_names_cameras() -> None:
    folders = [("card", "site1/CAM07 visit 2/DCIM/100RECNX"), ("card", "site1/other"), ("CAM9", "")]
    found = group_cameras(folders, compile_camera(r"(CAM\d+)"))
    assert found == {
        ("CAM9", ""): "CAM9",
        ("card", "site1/CAM07 visit 2"): "CAM07",
        ("card", "site1/other"): "card/site1/other",
    }
    with pytest.raises(ConfigError, match="regular expression"):
        compile_camera("(")


def test_table_has_a_row_a_camera_with_its_first_and_last_file() -> None:
    media = [
        CameraFile("card", "hide/DCIM/100RECNX/b.jpg", datetime(2024, 5, 2), "HF2"),
        CameraFile("card", "hide/DCIM/101RECNX/a.jpg", datetime(2024, 5, 1), "HF2"),
        CameraFile("card", "hide/DCIM/101RECNX/c.jpg", None, None),
        CameraFile("card", "pond/a.jpg", None, None),
    ]
    first, second = deployment_rows(media)
    assert (first["deploymentID"], first["folder"], first["files"]) == ("card/hide", "hide", "3")
    assert (first["firstFile"], first["lastFile"]) == ("2024-05-01 00:00:00", "2024-05-02 00:00:00")
    assert first["cameraModel"] == "HF2"
    assert (second["firstFile"], "latitude" in second) == ("", False)


def test_filled_table_is_read(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "\ufeffdeploymentID;card;folder;latitude;longitude;timeZone;kind;clockShift;deploymentStart;baitUse\r\n"
        "צפון;card;hide\\left;31,5;34,75;Asia/Jerusalem;Feeder;2016-01-01 00:00=2024-05-01 00:00;2024-05-01;true\r\n"
        ";;;;;;;;;\r\n",
    )
    [row] = read_deployments(path)
    assert (row.deployment_id, row.folder, row.kind) == ("צפון", "hide/left", "feeder")
    assert (row.latitude, row.longitude) == (31.5, 34.75)
    assert str(row.zone) == "Asia/Jerusalem"
    assert row.clock_shift[0].right == row.start == datetime(2024, 5, 1)
    assert row.line == 2
    assert row.details == (("baitUse", "true"),)


def test_every_wrong_row_is_named(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "deploymentID,folder,latitude,longitude,timeZone,clockShift\n"
        "a,x,91,3,,\nb,y,12,,,\nc,z,,,Mars/Base,\nd,v,,,,soon\n,u,,,,\ne,x,1,2,,\n",
    )
    with pytest.raises(DataError) as caught:
        read_deployments(path)
    rows = re.findall(r"row (\d+): (\w+)", caught.value.problem)
    faults = ["latitude", "latitude", "timeZone", "clockShift", "deploymentID", "the"]
    assert rows == [(str(number), fault) for number, fault in enumerate(faults, 2)]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("deploymentID,lattitude\na,1\n", "unknown column 'lattitude'"),
        ("folder\na\n", "no column deploymentID"),
        (
            "deploymentID,folder,latitude,longitude\na,x,1,2\na,y,1,3\n",
            "rows 2 and 3 of deployment 'a' disagree in longi",
        ),
        ("deploymentID,folder,latitude,longitude\na,x,1,2\na,y,,\n", "disagree in latitude"),
        ("deploymentID,latitude,longitude\na,1,\n", "row 2: latitude and longitude come together"),
        ("deploymentID,latitude,longitude\na,131.5,34.9\n", "perhaps latitude and longitude are swapped"),
        ("deploymentID,latitude,longitude\na,34.9E,31.5N\n", "perhaps latitude and longitude are swapped"),
        ("deploymentID,deploymentStart,deploymentEnd\na,2024-05-02,2024-05-01\n", "row 2: deploymentEnd is before"),
        ("deploymentID,deploymentStart\na,2024-05-02T06:00Z\n", "row 2: deploymentStart: it is in UTC"),
        ("deploymentID,folder\na,x\ntotal,\n", "row 3: card and folder are empty"),
        ("deploymentID,captureMethod\na,sometimes\n", "none of activityDetection, timeLapse"),
        ("deploymentID,folder\na,x\nb,x\n", "row 3: the folder has a row already: row 2"),
        ("deploymentID,folder\na,x\na,x\n", "row 3: the folder has a row already: row 2"),
        (
            "deploymentID,folder,deploymentStart,deploymentEnd\na,x,2024-05-01,2024-05-03\nb,x,2024-05-03,2024-05-09\n",
            "row 3: the folder has a row already",
        ),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_deployments(table(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "axis", "degrees"),
    [
        ("31.25", "latitude", 31.25),
        ("31,25", "latitude", 31.25),
        ("-31.25", "latitude", -31.25),
        ("\u221231.25", "longitude", -31.25),
        ("31.25°N", "latitude", 31.25),
        ("31.25 º S", "latitude", -31.25),
        ("W 104.5°", "longitude", -104.5),
        ("31°15'N", "latitude", 31.25),
        ("31° 15′ 36″ S", "latitude", -31.26),
        ("0", "longitude", 0.0),
        ("-180", "longitude", -180.0),
    ],
)
def test_degrees_are_read_as_people_write_them(text: str, axis: Axis, degrees: float) -> None:
    assert parse_degrees(text, axis) == pytest.approx(degrees)


@pytest.mark.parametrize(
    "text", ["", "north", "90.1", "31.25°E", "-31 S", "N31N", "31°61'", "1e1", "nan", "inf", "31.2.5"]
)
def test_what_is_no_latitude_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"latitude|degrees|below 60"):
        parse_degrees(text, "latitude")


def test_odd_places_are_told(tmp_path: Path) -> None:
    header, said = "deploymentID,folder,latitude,longitude\n", []
    rows = [f"{n},{n},{31 + n / 10},{34.75 + n / 10}" for n in range(5)]
    read_deployments(table(tmp_path, header + "\n".join(rows)), said.append)
    assert said == []
    rows[3] = "3,3,35.05,31.3"
    read_deployments(table(tmp_path, header + "\n".join([*rows, "z,z,0,0"])), said.append)
    assert [note.partition(",")[0].partition(";")[0] for note in said] == [
        "deployments.csv row 7: 0",
        "deployments.csv row 5: its place lies far from the others",
    ]


def test_dates_of_files_tell_how_a_table_writes_dates(tmp_path: Path) -> None:
    header = "deploymentID,deploymentStart,firstFile,lastFile\n"
    [row] = read_deployments(table(tmp_path, f"{header}a,05/06/2024,06/06/2024 10:00,23/06/2024 11:00\n"))
    assert row.start == datetime(2024, 6, 5)
    with pytest.raises(DataError, match="may begin with the day or with the month"):
        read_deployments(table(tmp_path, f"{header}a,05/06/2024,06/06/2024 10:00,\n"))


def test_date_without_a_clock_ends_with_its_day(tmp_path: Path) -> None:
    [row] = read_deployments(table(tmp_path, "deploymentID,deploymentStart,deploymentEnd\na,2024-05-01,2024-05-01\n"))
    assert (row.start, row.end) == (datetime(2024, 5, 1), datetime(2024, 5, 1, 23, 59, 59, 999_000))


def test_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes("deploymentID\nצפון\n".encode("cp1255"))
    with pytest.raises(DataError, match="not in UTF-8"):
        read_deployments(path)


def row_of(card: str, folder: str) -> Deployment:
    return Deployment(f"{card}/{folder}" if folder else card, card, camera_folder(folder))


def names(found: Matching) -> dict[str, list[str]]:
    return {
        "/".join(folder): [found.rows[row].deployment_id for row in rows] for folder, rows in found.of_folder.items()
    }


def test_longest_folder_and_own_card_win() -> None:
    rows = [
        Deployment("any", None, "", line=2),
        Deployment("hide", None, "hide", line=3),
        Deployment("mine", "card", "hide", line=4),
    ]
    folders = [("card", "hide/DCIM"), ("other", "hide"), ("other", "hideout"), ("card", "")]
    found = names(match_folders(folders, rows, row_of))
    assert list(found.values()) == [["mine"], ["hide"], ["any"], ["any"]]


LEVELS = st.sampled_from(["a", "A", "b", "b/DCIM", "b/c", "", "a/é"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["X", "Y", "X-2", "X-3"]), st.sampled_from(["k", "K", None]), LEVELS), max_size=6
    ),
    st.lists(st.tuples(st.sampled_from(["k", "K", "l"]), LEVELS), max_size=8, unique=True),
    st.randoms(use_true_random=False),
)
def test_rules_of_matching(drawn: list, folders: list, random: Random) -> None:
    """Against a search of every row for every folder; names of visits are unique; the order of folders is no matter."""
    places = {(card, folder): name for name, card, folder in drawn}
    rows = [Deployment(name, card, folder, line=n) for n, ((card, folder), name) in enumerate(places.items(), 2)]
    found = match_deployments(folders, rows, None)
    assert set(found.of_folder) == set(folders)
    assert len(set(found.visit_ids)) == len(found.rows)
    assert {row.deployment_id for row in found.rows} <= set(found.visit_ids)
    for card, folder in folders:
        above = [
            row for row in rows if row.card in (card, None) and f"{folder}/".startswith(f"{row.folder}/".lstrip("/"))
        ]
        best = max(above, key=lambda row: (len(row.folder), row.card is not None), default=None)
        [index] = found.of_folder[card, folder]
        if best is not None and len(found.rows[index].folder) == len(best.folder):
            assert found.rows[index] == best
        else:  # a row of its own, or that of a folder that differs only in case
            row = found.rows[index]
            same = f"{folder}/".casefold().startswith(f"{row.folder}/".lstrip("/").casefold())
            assert same
            assert row.card is None or row.card.casefold() == card.casefold()
    shuffled = random.sample(folders, len(folders))
    again = match_deployments(shuffled, rows, None)
    assert (again.of_folder, again.visit_ids) == (found.of_folder, found.visit_ids)


def test_what_no_row_is_above_has_one_row() -> None:
    found = match_deployments([("a", "DCIM/100RECNX"), ("a", "DCIM/101RECNX")], [], None)
    assert list(found.of_folder.values()) == [(0,), (0,)]
    assert found.rows == found.unlisted == [Deployment("a", "a", "")]


def test_command_writes_the_table_from_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card"
    (card / "DCIM" / "100RECNX").mkdir(parents=True)
    exif = Image.Exif()
    exif[306], exif[272] = "2024:05:01 06:30:15", "HF2"
    Image.new("RGB", (8, 8)).save(card / "DCIM" / "100RECNX" / "IMG_0001.JPG", exif=exif)
    (card / "DCIM" / "100RECNX" / "20240503_101112.mp4").write_bytes(b"no video")
    output = tmp_path / "deployments.csv"
    assert main(["deployments", str(card), "--output", str(output)]) == 0
    with output.open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["deploymentID"], row["cameraModel"], row["files"]) == ("card", "HF2", "2")
    assert (row["firstFile"], row["lastFile"]) == ("2024-05-01 06:30:15", "2024-05-03 10:11:12")
    assert [each.deployment_id for each in read_deployments(output)] == ["card"]
    before = output.read_bytes()
    assert main(["deployments", str(card), "--output", str(output)]) == 0
    assert "nothing is changed" in capsys.readouterr().out
    assert output.read_bytes() == before


def test_new_cards_are_added_to_a_filled_table(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    """What people filled in, columns of their own, delimiter and all, stays; a new visit has its deployment's place."""
    out, output = tmp_path / "out", tmp_path / "deployments.csv"
    facts_maker.write(out, [[facts_maker.row("hide/a.jpg", "one")]])
    filled = (
        "card;folder;deploymentID;latitude;longitude;timeZone;my notes;kind\r\n"
        "one;hide;North;31,5;34,75;Asia/Jerusalem;'=by the well;feeder\r\n"
    )
    output.write_text(filled, encoding="cp1252")
    assert main(["deployments", str(out), "--output", str(output)]) == 0
    assert output.read_text(encoding="cp1252") == filled.replace("\r\n", "\n"), "there is nothing to add"

    facts_maker.write(out, [[facts_maker.row("DCIM/100RECNX/a.jpg", "two")], [facts_maker.row("North/b.jpg", "three")]])
    assert main(["deployments", str(out), "--output", str(output), "--camera-from", "North"]) == 0
    with output.open(encoding="utf-8-sig", newline="") as file:
        first, visit, new = csv.DictReader(file, delimiter=";")
    assert dict(list(first.items())[:8]) == dict(
        zip(filled.splitlines()[0].split(";"), filled.splitlines()[1].split(";"), strict=True)
    )
    assert (new["deploymentID"], new["card"], new["latitude"], new["files"]) == ("two", "two", "", "1")
    assert (visit["card"], visit["folder"], visit["latitude"], visit["kind"]) == ("three", "North", "31,5", "feeder")
    assert [row.deployment_id for row in read_deployments(output)] == ["North", "North", "two"]
    assert main(["deployments", str(out), "--output", str(output), "--camera-from", "North"]) == 0
    assert len(read_deployments(output)) == 3


def test_wrong_table_is_not_added_to(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    facts_maker.write(tmp_path / "out", [[facts_maker.row("a.jpg")]])
    path = table(tmp_path, "deploymentID,card,folder,latitude\nA,x,,95\n")
    before = path.read_bytes()
    assert main(["deployments", str(tmp_path / "out"), "--output", str(path)]) == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize("folder", ["-left", "=1+1", "'=quoted", "ä\u0308", "a;b", 'with "quotes"'])
def test_any_folder_name_survives_the_table(tmp_path: Path, facts_maker: SimpleNamespace, folder: str) -> None:
    facts_maker.write(tmp_path / "out", [[facts_maker.row(f"{folder}/a.jpg")]])
    output = tmp_path / "d.csv"
    assert main(["deployments", str(tmp_path / "out"), "--output", str(output)]) == 0
    found = match_deployments([("card", folder)], read_deployments(output), None)
    assert not found.unlisted


def test_store_tells_the_same_as_its_cards(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    frames = [facts_maker.row("hide/a.mp4", media_type="video", frame_number=frame) for frame in range(3)]
    facts_maker.write(tmp_path, [frames, [facts_maker.row("hide/b.jpg", captured_at=None)]])
    [row] = deployment_rows(stored_camera_files(tmp_path))
    assert (row["deploymentID"], row["files"], row["firstFile"]) == ("card/hide", "2", "2024-05-01 06:30:00")


def test_minutes_stand_apart_from_degrees() -> None:
    assert parse_degrees("31 15'N", "latitude") == parse_degrees("31°15'", "latitude") == 31.25
    with pytest.raises(ValueError, match="not a number of degrees"):
        parse_degrees("13.'", "longitude")


def test_a_deployment_of_decades_is_told(
    tmp_path: Path, facts_maker: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    facts_maker.write(tmp_path / "out", [[facts_maker.row("hide/a.jpg")]])
    path = table(tmp_path, "deploymentID,folder,deploymentStart,deploymentEnd\nhide,hide,1974-05-01,2024-06-01\n")
    assert main(["decide", str(tmp_path / "out"), "--deployments", str(path)]) == 0
    assert (
        "hide: it watched for 18,295 days: are the dates of its table and its clock right?" in capsys.readouterr().out
    )
