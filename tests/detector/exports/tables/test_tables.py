"""results.csv, files.csv and results.xlsx, read back by csv and openpyxl."""

import csv
import datetime

import openpyxl
import pytest
from xlsxwriter import Workbook

from detector.base.tables.formulas import guard
from detector.exports.source import ExportOptions
from detector.exports.tables.csv_tables import write_csv
from detector.exports.tables.xlsx import _write_sheets, write_xlsx


def read_csv(path):
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # Excel reads Hebrew only with it
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_sheet(sheet):
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def export_csv(tmp_path, source, **options):
    results, files = write_csv(source, tmp_path, ExportOptions(**options))
    return read_csv(results), read_csv(files)


def export_xlsx(tmp_path, source):
    [path] = write_xlsx(source, tmp_path, ExportOptions())
    book = openpyxl.load_workbook(path)
    return read_sheet(book["results"]), read_sheet(book["files"])


def test_an_empty_store_gives_tables_of_headers(tmp_path, make):
    assert export_csv(tmp_path, make.source()) == ([], [])
    assert export_xlsx(tmp_path, make.source()) == ([], [])


def test_a_detection_has_its_names_in_three_languages_and_its_time_with_offset(tmp_path, make):
    [row], _ = export_csv(tmp_path, make.source([make.media("a.jpg", make.detection(reasons=("too small", "dark")))]))
    assert row["file"] == "a.jpg"
    assert row["scientific_name"] == "Oenanthe lugens"
    assert row["english_name"] == "Mourning wheatear"
    assert row["hebrew_name"] == "סלעית לבנת-כנף"
    assert row["ebird_code"] == "mouwhe1"
    assert row["timestamp"] == "2024-03-01T06:30:00+02:00"
    assert (row["date"], row["time"]) == ("2024-03-01", "06:30:00")
    assert row["candidate_2"] == "Oenanthe finschii"
    assert float(row["candidate_2_confidence"]) == 0.125
    assert row["candidate_3"] == ""
    assert row["reasons"] == "too small; dark"
    assert row["needs_review"] == "FALSE"
    assert row["detection_score"] == "0.9"


def test_a_detection_in_a_video_has_the_time_of_its_frame(tmp_path, make):
    found = make.detection(frame_number=60, time_s=2.0)
    [row], [file] = export_csv(tmp_path, make.source([make.video("v.mp4", found)]))
    assert row["timestamp"] == "2024-03-01T06:30:02+02:00"
    assert file["timestamp"] == "2024-03-01T06:30:00+02:00"


def test_unknown_times_and_zones_stay_empty(tmp_path, make):
    media = [
        make.media("a.jpg", make.detection(), timestamp=None),
        make.media("b.jpg", make.detection(), utc_offset_min=None),
    ]
    rows, _ = export_csv(tmp_path, make.source(media))
    assert [row["timestamp"] for row in rows] == ["", "2024-03-01T06:30:00"]


def test_every_file_has_a_row_also_blanks_and_failures(tmp_path, make):
    media = [make.media("a.jpg", make.detection()), make.media("b.jpg"), make.failure("c.jpg")]
    rows, files = export_csv(tmp_path, make.source(media))
    assert len(rows) == 1
    assert [(row["file"], row["blank"], row["failure"]) for row in files] == [
        ("a.jpg", "FALSE", ""),
        ("b.jpg", "TRUE", ""),
        ("c.jpg", "", "the file is empty"),
    ]


def test_a_video_counts_birds_at_once_and_not_their_sum(tmp_path, make):
    birds = [make.detection(frame_number=frame, box=box) for frame in (0, 30, 60) for box in range(2 if frame else 1)]
    _, [file] = export_csv(tmp_path, make.source([make.video("v.mp4", *birds)]))
    assert (file["detections"], file["birds"], file["species"]) == ("5", "2", "Oenanthe lugens")


def test_the_threshold_and_suppression_decide_what_is_shown(tmp_path, make):
    found = (make.detection(score=0.3), make.detection(score=0.1, box=1), make.detection(suppressed=True, box=2))
    source = make.source([make.media("a.jpg", *found)])
    assert [len(export_csv(tmp_path, source, score_threshold=t)[0]) for t in (0.0, 0.2, 0.5)] == [2, 1, 0]


def test_hard_names_survive_and_none_is_a_formula(tmp_path, make, hard_media):
    rows, files = export_csv(tmp_path, make.source(hard_media))
    for read in (rows, files):
        assert [row["file"] for row in read] == [guard(record.path) for record in hard_media]
        assert not any(value.startswith(("=", "+", "-", "@")) for row in read for value in row.values())
    sheets = export_xlsx(tmp_path, make.source(hard_media))
    for read in sheets:
        assert [row["file"] for row in read] == [record.path for record in hard_media]
    [path] = tmp_path.glob("*.xlsx")
    cells = openpyxl.load_workbook(path)["results"]["A"]
    assert {cell.data_type for cell in cells} == {"s"}  # "f" would be a formula


def test_the_workbook_holds_what_csv_holds(tmp_path, make):
    source = make.source([make.media("a.jpg", make.detection(), make.person(box=1)), make.failure("b.jpg")])
    for lines, sheet in zip(export_csv(tmp_path, source), export_xlsx(tmp_path, source), strict=True):
        assert [line.keys() for line in lines] == [row.keys() for row in sheet]
        for line, row in zip(lines, sheet, strict=True):
            for name, value in row.items():
                if isinstance(value, bool) or value is None:
                    assert line[name] == ("" if value is None else str(value).upper())
                elif isinstance(value, (int, float)):
                    assert float(line[name]) == pytest.approx(value)
                elif isinstance(value, datetime.datetime) and name == "date":
                    assert line[name] == value.date().isoformat()
                else:
                    assert line[name] == str(value)


def test_rows_beyond_excels_limit_go_on_in_further_sheets(tmp_path):
    path = tmp_path / "x.xlsx"
    with Workbook(str(path), {"constant_memory": True}) as book:
        _write_sheets(book, "results", ("n",), ((n,) for n in range(7)), limit=4)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["results", "results 2", "results 3"]
    assert [[row["n"] for row in read_sheet(sheet)] for sheet in book] == [[0, 1, 2], [3, 4, 5], [6]]
