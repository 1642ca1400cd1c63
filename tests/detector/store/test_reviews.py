"""What people said is only ever added to, and the latest word wins."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from backbones.errors import DataError
from detector.store.reviews import Review, append_reviews, import_reviews, latest_reviews, read_reviews
from detector.store.run_file import CardEntry, RunFile
from detector.store.run_json import write_run
from detector.types import media_id

NOON = datetime(2024, 5, 1, 12)


def test_store_without_reviews(tmp_path: Path) -> None:
    assert append_reviews(tmp_path, []) is None
    assert read_reviews(tmp_path) == []
    assert latest_reviews(tmp_path) == []


def test_latest_word_on_a_box_wins(tmp_path: Path) -> None:
    late = Review(NOON.replace(hour=13), "Noa", "named", "m", 0, 1, name="Upupa epops")
    early = Review(NOON, "Dan", "nothing", "m", 0, 1)
    other = Review(NOON, "Dan", "bird", "m", 0, 2, comment="?")
    append_reviews(tmp_path, [late])
    append_reviews(tmp_path, [early, other])
    assert read_reviews(tmp_path) == [early, other, late]
    assert latest_reviews(tmp_path) == [other, late]


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "perhaps", "media_id": "m"},
        {"verdict": "named", "media_id": "m"},
        {"verdict": "bird"},
        {"verdict": "bird", "media_id": "m", "repeat_group": "r"},
        {"verdict": "bird", "media_id": "m", "box": 1},
    ],
)
def test_wrong_reviews_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"verdict|item|frame"):
        Review(NOON, "Noa", **wrong)


def test_table_is_imported_once(tmp_path: Path) -> None:
    write_run(tmp_path, RunFile(cards={"card": CardEntry(root="/x")}))
    table = tmp_path / "said.csv"
    table.write_text(
        "\ufeffpath,frame_number,box,verdict,name,reviewer\nDCIM\\a.jpg,0,1,named,דוכיפת,נועה\n,,,,,\nb.jpg,,,nothing,,\n",
        encoding="utf-8",
    )
    assert import_reviews(tmp_path, table, now=NOON) == 2
    assert import_reviews(tmp_path, table) == 0
    first, second = read_reviews(tmp_path)
    assert first == Review(NOON, "נועה", "named", media_id("card", "DCIM/a.jpg"), 0, 1, name="דוכיפת")
    assert second.target == (media_id("card", "b.jpg"), None, None, None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("media_id,verdict\nm,maybe\n", r"said.csv row 2.*maybe"),
        ("media_id,box,verdict\nm,one,bird\n", r"said.csv row 2.*box"),
        ("media_id,verdikt\nm,bird\n", "verdikt"),
        ("media_id\nm\n", "no column"),
        ("path,verdict\na.jpg,bird\n", "which card"),
    ],
)
def test_wrong_table_names_the_row(tmp_path: Path, text: str, match: str) -> None:
    table = tmp_path / "said.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=match):
        import_reviews(tmp_path, table)
    assert read_reviews(tmp_path) == []
