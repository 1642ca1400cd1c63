"""The table of deployments: told from folders, filled in by people, and read back row by row."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from backbones.errors import ConfigError, DataError
from detector.base.folders import camera_folder, compile_camera, group_cameras
from detector.cli.main import main
from detector.deployments.matching import Matching, match_deployments, match_folders
from detector.deployments.table import Deployment, read_deployments
from detector.deployments.template import Taken, deployment_rows, taken_of_store, write_deployments


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
        Taken("card", "hide/DCIM/100RECNX/b.jpg", datetime(2024, 5, 2), "HF2"),
        Taken("card", "hide/DCIM/101RECNX/a.jpg", datetime(2024, 5, 1), "HF2"),
        Taken("card", "hide/DCIM/101RECNX/c.jpg", None, None),
        Taken("card", "pond/a.jpg", None, None),
    ]
    first, second = deployment_rows(media)
    assert (first["deploymentID"], first["folder"], first["files"]) == ("card/hide", "hide", "3")
    assert (first["firstFile"], first["lastFile"]) == ("2024-05-01 00:00:00", "2024-05-02 00:00:00")
    assert first["cameraModel"] == "HF2"
    assert second["firstFile"] == second["latitude"] == ""


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
        ("deploymentID,folder,latitude,longitude\na,x,1,2\na,y,1,3\n", "disagree in longitude"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_deployments(table(tmp_path, text))


def test_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes("deploymentID\nצפון\n".encode("cp1255"))
    with pytest.raises(DataError, match="not in UTF-8"):
        read_deployments(path)


def told(card: str, folder: str) -> Deployment:
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
    found = names(match_folders(folders, rows, told))
    assert list(found.values()) == [["mine"], ["hide"], ["any"], ["any"]]


def test_what_no_row_is_above_is_told_once() -> None:
    found = match_deployments([("a", "DCIM/100RECNX"), ("a", "DCIM/101RECNX")], [], None)
    assert list(found.of_folder.values()) == [(0,), (0,)]
    assert found.rows == found.told == [Deployment("a", "a", "")]


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
    assert main(["deployments", str(card), "--output", str(output)]) == 2
    assert "there is a table already" in capsys.readouterr().err


def test_store_tells_the_same_as_its_cards(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    frames = [facts_maker.row("hide/a.mp4", media_type="video", frame_number=frame) for frame in range(3)]
    facts_maker.write(tmp_path, [frames, [facts_maker.row("hide/b.jpg", captured_at=None)]])
    [row] = deployment_rows(taken_of_store(tmp_path))
    assert (row["deploymentID"], row["files"], row["firstFile"]) == ("card/hide", "2", "2024-05-01 06:30:00")
