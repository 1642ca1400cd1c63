"""A table of results that a person edits comes back as what the person means."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from openpyxl import load_workbook

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.store.records_reader import read_media
from detector.store.reviews.log import Imported, import_reviews
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector

PATHS = ("-north/a.jpg", "=1+1/b.jpg", "'-c.jpg", "ריק/d.jpg")


@pytest.fixture
def store(tmp_path: Path, facts_maker: SimpleNamespace) -> Path:
    box = facts_maker.box(logits=pack_vector([12.0, 0.0]))
    species = SpeciesEntry(name="two", classes=["Hooded crow", "Eurasian hoopoe"])
    facts_maker.write(tmp_path / "store", [[facts_maker.row(path, boxes=[box])] for path in PATHS], species=species)
    decide(tmp_path / "store", DecideOptions())
    export(tmp_path / "store", ["csv", "xlsx"])
    return tmp_path / "store"


def names(store: Path) -> dict[str, str | None]:
    decide(store, DecideOptions())
    return {record.path: record.detections[0].name for record in read_media(store)}


def test_tables_that_nobody_edited_say_nothing(store: Path) -> None:
    for name in ("results.csv", "results.xlsx"):
        assert import_reviews(store, store / name) == Imported(0)
    assert set(names(store).values()) == {"Corvus cornix"}


def test_edited_csv_names_birds_wherever_they_lie(store: Path) -> None:
    with (store / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["scientific_name"] = "Upupa epops"
        del row["media_id"]  # the path alone must find the file
    with (store / "edited.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    assert import_reviews(store, store / "edited.csv") == Imported(len(PATHS))
    assert set(names(store).values()) == {"Upupa epops"}


def test_edited_workbook_names_the_bird_of_one_row(store: Path) -> None:
    book = load_workbook(store / "results.xlsx")
    sheet = book["results"]
    header = [cell.value for cell in sheet[1]]
    sheet.cell(3, header.index("display_name") + 1, "Eurasian Hoopoe")
    path = sheet.cell(3, header.index("path") + 1).value
    book.save(store / "edited.xlsx")
    assert import_reviews(store, store / "edited.xlsx") == Imported(1)
    assert {each for each, name in names(store).items() if name == "Upupa epops"} == {path}
