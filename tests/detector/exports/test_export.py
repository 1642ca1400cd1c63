"""Exports of a store on the disk, all formats of it, through the function and the command."""

import csv
import json
import tracemalloc
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
from PIL import Image

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.cli.main import main
from detector.exports.export import export
from detector.exports.formats import DEFAULT_FORMATS, FORMATS, Format, parse_formats
from detector.exports.source import ExportOptions
from detector.store.lock import RUN_LOCK

STREAMED = ("megadetector", "csv", "xlsx", "events", "coco", "coco-camera-traps", "camtrap-dp", "label-studio")


@pytest.fixture
def store(tmp_path, store_maker):
    """Two photos and a clip of a store whose media are not on the disk."""
    media = [store_maker.media(name, detections=()) for name in ("a.jpg", "b.jpg")]
    found = store_maker.detection(media[0].media_id)
    media[0] = store_maker.media("a.jpg", detections=[found])
    return store_maker.write(tmp_path / "store", media)


def test_every_format_writes_an_empty_store(tmp_path, store_maker):
    folder = store_maker.write(tmp_path / "store", [])
    paths = export(folder, list(FORMATS))
    assert all(path.is_file() for path in paths)
    assert [path.name for path in folder.rglob(".*")] == [RUN_LOCK]


def test_the_default_formats_are_those_of_the_ecologist(store):
    names = {path.relative_to(store).as_posix() for path in export(store)}
    assert names == {"results.json", "results.csv", "files.csv", "events.csv", "effort.csv"}


def test_a_format_that_fails_does_not_cost_the_others(store, monkeypatch):
    def refuse(*_):
        raise HoopoeError("the file cannot be replaced")

    real = Format.load
    monkeypatch.setattr(Format, "load", lambda self: refuse if self.module == "megadetector" else real(self))
    with pytest.raises(HoopoeError, match="cannot be replaced"):
        export(store)
    assert (store / "results.csv").exists()
    assert (store / "events.csv").exists()


def test_unknown_formats_and_cards_are_refused_before_anything_is_written(store, tmp_path):
    with pytest.raises(ConfigError, match="did you mean megadetector"):
        export(store, ["megadetecter"])
    with pytest.raises(ConfigError, match="no card 'x'"):
        export(store, options=ExportOptions(roots={"x": tmp_path}))
    assert not (store / "results.json").exists()


def test_a_store_without_decisions_says_what_to_do(store):
    (store / "decisions" / "media.parquet").unlink()
    with pytest.raises(DataError, match="hoopoe decide"):
        export(store)


def test_formats_are_parsed_as_the_command_line_gives_them():
    assert parse_formats("csv, events,csv") == ("csv", "events")
    assert set(DEFAULT_FORMATS) < set(FORMATS)


def test_the_command_writes_and_names_its_files(store, capsys):
    assert main(["export", str(store), "--format", "csv,coco"]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(store / name) for name in ("results.csv", "files.csv", "coco.json")]


def test_boxes_are_shown_from_another_score_than_counts_were_made_from_only_where_nothing_is_counted(store, capsys):
    assert main(["export", str(store), "--format", "csv", "--score-threshold", "0.9"]) == 2
    assert "hoopoe decide OUT --score-threshold 0.9" in capsys.readouterr().err
    assert main(["export", str(store), "--format", "csv", "--score-threshold", "0.2"]) == 0
    assert main(["export", str(store), "--format", "coco", "--score-threshold", "0.9"]) == 0
    assert json.loads((store / "coco.json").read_text())["annotations"] == []  # its score is 0.875
    assert main(["export", str(store), "--format", "coco"]) == 0
    assert len(json.loads((store / "coco.json").read_text())["annotations"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--format", "nothing"),
        ("--root", "card"),
        ("--root", "other=/x"),
        ("--score-threshold", "2"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(store, capsys, words):
    assert main(["export", str(store), *words]) == 2
    assert "error:" in capsys.readouterr().err


def test_a_moved_card_is_found_by_its_root(store, tmp_path, capsys):
    moved = tmp_path / "moved"
    moved.mkdir()
    Image.new("RGB", (400, 300)).save(moved / "a.jpg")
    assert main(["export", str(store), "--format", "images", "--root", f"card={moved}"]) == 0
    with (store / "images" / "index.csv").open(encoding="utf-8-sig") as file:
        [row] = csv.DictReader(file)
    assert (store / "images" / row["picture"]).is_file()
    assert capsys.readouterr().err == ""


def test_exports_of_a_decided_store_agree_with_each_other(decided_store):
    export(decided_store, STREAMED)
    with (decided_store / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with (decided_store / "files.csv").open(encoding="utf-8-sig", newline="") as file:
        files = list(csv.DictReader(file))
    coco = json.loads((decided_store / "coco.json").read_text())
    results = json.loads((decided_store / "results.json").read_text())
    sheet = openpyxl.load_workbook(decided_store / "results.xlsx")["results"]
    assert len(rows) == len(coco["annotations"]) == sheet.max_row - 1 == sum(int(row["detections"]) for row in files)
    assert [row["file"] for row in files] == [image["file"] for image in results["images"]]


@pytest.mark.parametrize("name", STREAMED)
def test_memory_stays_flat_however_many_records(tmp_path, make, name):
    def peak(count: int) -> int:
        def media():
            for number in range(count):
                bird = make.detection(event_id=f"e{number}")
                moment = make.media().timestamp + timedelta(seconds=30 * number)
                yield make.media(f"{number:06d}.jpg", bird, make.person(box=1), timestamp=moment)

        source = make.source(deployments=[make.deployment()])
        object.__setattr__(source, "media", media)
        object.__setattr__(source, "events", lambda: (make.event(event_id=f"e{n}") for n in range(count)))
        folder = tmp_path / str(count)
        write = FORMATS[name].load()
        tracemalloc.start()
        write(source, folder, ExportOptions())
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1)  # imports
    few, many = peak(50), peak(250 if name == "xlsx" else 600)  # tracing makes XlsxWriter slow
    assert many < few + 400_000  # bytes; the records alone would be some 2 MB


def test_a_name_in_the_store_cannot_lead_out_of_it(tmp_path, store_maker):
    media = store_maker.media("../../escape.jpg")
    media = store_maker.media("../../escape.jpg", detections=[store_maker.detection(media.media_id, name="../evil")])
    folder = store_maker.write(tmp_path / "deep" / "store", [media])
    export(folder, list(FORMATS))
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    assert outside == []


def test_the_help_lists_all_formats(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in FORMATS)
    assert Path("results.json").name in text
