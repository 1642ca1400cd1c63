"""What people said is only ever added to, and the latest word wins."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backbones.errors import DataError
from detector.store.reviews.log import (
    Imported,
    Review,
    append_reviews,
    import_reviews,
    latest_reviews,
    read_reviews,
    read_words,
)
from detector.store.reviews.table import as_exported
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


@pytest.fixture
def store(tmp_path: Path, facts_maker: SimpleNamespace) -> Path:
    """Two cards: photos with one and two boxes, a blank and a video; one name is on both."""
    box = facts_maker.box()
    clip = [
        facts_maker.row("DCIM/c.mp4", media_type="video", frame_number=n, time_s=n / 25, boxes=[box]) for n in (0, 25)
    ]
    items = [
        [facts_maker.row("DCIM/a.jpg", boxes=[box, box])],
        [facts_maker.row("b.jpg", boxes=[box])],
        clip,
        [facts_maker.row("blank.jpg")],
        [facts_maker.row("Gélinotte.jpg", boxes=[box])],
        [facts_maker.row("b.jpg", card="other", boxes=[box])],
    ]
    return facts_maker.write(tmp_path / "store", items)


def say(store: Path, text: str | bytes, **options: Any) -> Imported:
    table = store / "said.csv"
    table.write_bytes(text.encode() if isinstance(text, str) else text)
    return import_reviews(store, table, **options)


A, B, CLIP = media_id("card", "DCIM/a.jpg"), media_id("card", "b.jpg"), media_id("card", "DCIM/c.mp4")


def test_table_is_imported_once(store: Path) -> None:
    text = (
        "\ufeffcard,path,frame_number,box,verdict,name,reviewer\n"
        "card,DCIM\\a.jpg,0,1,named,דוכיפת,נועה\n,,,,,,\ncard,b.jpg,,,nothing,,\n"
    )
    assert say(store, text, now=NOON) == Imported(2)
    assert say(store, text) == Imported(0)
    first, second = read_reviews(store)
    assert first == Review(NOON, "נועה", "named", A, 0, 1, name="דוכיפת")
    assert second.target == (B, None, None, None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("media_id,verdikt\nm,bird\n", "verdikt"),
        ("media_id\nm\n", "no column"),
        ("verdict,name\nnamed,Upupa epops\n", "of which files"),
        ("", "empty"),
        (f"media_id,verdict\n{A},bird,x\n", "row 2.*too many cells"),
        (f"media_id,verdict,reviewed_at\n{A},bird,01/02/2024 10:00\n", "day or with the month"),
    ],
)
def test_table_that_cannot_be_understood_is_refused(store: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        say(store, text)
    assert read_reviews(store) == []


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (f"{A},,,0,0,maybe,", "row 2: verdict 'maybe' is none of"),
        (f"{A},,,0,one,bird,", "row 2.*box: 'one'"),
        (f"{A},,,,1,bird,", "row 2.*frame_number"),
        (f"{A},,,0,2,bird,", "the frame has 2 box"),
        (f"{A},,,3,0,bird,", "no frame 3"),
        (f"{CLIP},,,1,0,bird,", "no frame 1"),
        ("1234567890123456,,,0,0,bird,", "no file with the id"),
        (",,b.jpg,0,0,bird,", "may be 2 files.*card"),
        (",card,bb.jpg,0,0,bird,", "no file 'bb.jpg'.*did you mean b.jpg"),
        (",other,DCIM/a.jpg,0,0,bird,", "no file"),
        (",card,elsewhere/b.jpg,0,0,bird,", "no file"),
        (f"{media_id('card', 'blank.jpg')},,,,,bird,", "no box in this file"),
        (",,,,,bird,", "of which file"),
        (f"{A},,,0,0,named,", "comes with a name"),
    ],
)
def test_row_that_is_wrong_is_named_and_costs_no_other(store: Path, row: str, match: str) -> None:
    text = f"media_id,card,path,frame_number,box,verdict,name\n{row}\n{B},,,0,0,nothing,\n"
    done = say(store, text)
    assert re.search(match, " ".join(done.wrong))
    assert len(done.wrong) == 1
    assert done.new == 1


def test_row_without_a_verdict_on_which_a_person_was_is_told(store: Path) -> None:
    text = f"media_id,frame_number,box,verdict,comment\n{A},0,0,,what is it?\n{B},0,0,,\n"
    done = say(store, text)
    assert done.new == 0
    assert re.search(r"row 2: it has no verdict", " ".join(done.wrong))
    assert len(done.wrong) == 1


@pytest.mark.parametrize(
    "path", ["DCIM/a.jpg", "DCIM\\a.jpg", "card/DCIM/a.jpg", "/cards/card/DCIM/a.jpg", "cards/card/DCIM/a.jpg"]
)
def test_paths_may_have_more_in_front(store: Path, path: str) -> None:
    assert say(store, f"path,frame_number,box,verdict\n{path},0,0,bird\n") == Imported(1)
    assert read_reviews(store)[0].media_id == A


def test_names_of_files_in_another_unicode_form_are_the_same(store: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Gélinotte.jpg")
    assert say(store, f"path,verdict\n{decomposed},bird\n") == Imported(1)


def test_spreadsheets_and_r_write_numbers_headers_and_nothing_in_their_own_way(store: Path) -> None:
    text = f'"","Media ID","Frame.number","box","Verdict","name","repeat_group"\r\n"1","{A}",0.0,1.0,"Bird",NA,NA\r\n'
    assert say(store, text, now=NOON) == Imported(1)
    assert read_reviews(store) == [Review(NOON, "unknown", "bird", A, 0, 1)]


def test_word_that_changes_and_changes_back_is_the_last_one(store: Path) -> None:
    for hour, name in enumerate(("Corvus cornix", "Corvus corax", "Corvus cornix")):
        text = f"media_id,frame_number,box,verdict,name,reviewer\n{A},0,0,named,{name},Ann\n"
        now = NOON.replace(hour=hour)
        assert say(store, text, now=now) == Imported(1)
        assert say(store, text, now=now.replace(minute=30)) == Imported(0)
        assert [review.name for review in latest_reviews(store)] == [name]


def test_table_imported_again_does_not_outdo_anothers_later_word(store: Path) -> None:
    text = f"media_id,verdict,reviewer\n{A},bird,Ann\n"
    say(store, text, now=NOON)
    append_reviews(store, [Review(NOON.replace(hour=13), "Bob", "nothing", A)])
    assert say(store, text + f"{B},bird,Ann\n", now=NOON.replace(hour=14)) == Imported(1)
    assert [review.verdict for review in latest_reviews(store) if review.media_id == A] == ["nothing"]


def test_last_of_two_rows_of_one_box_counts_and_stays(store: Path) -> None:
    text = f"media_id,verdict,reviewer\n{A},bird,Ann\n{A},nothing,Ann\n"
    assert say(store, text) == Imported(1)
    assert say(store, text) == Imported(0)
    assert [review.verdict for review in latest_reviews(store)] == ["nothing"]


def test_review_is_withdrawn_with_all_that_lies_in_it(store: Path) -> None:
    said = [Review(NOON, "Ann", "bird", A), Review(NOON, "Ann", "nothing", A, 0, 1), Review(NOON, "Ann", "bird", B)]
    append_reviews(store, said)
    assert say(store, f"media_id,frame_number,box,verdict\n{A},0,1,withdrawn\n") == Imported(1)
    assert latest_reviews(store) == [said[0], said[2]]
    assert say(store, f"media_id,frame_number,box,verdict\n{A},,,withdraw\n") == Imported(1)
    assert latest_reviews(store) == [said[2]]
    again = replace(said[0], reviewed_at=datetime(2100, 1, 1))
    append_reviews(store, [again])
    assert latest_reviews(store) == [said[2], again]


def test_names_are_asked_for(store: Path) -> None:
    text = f"media_id,name\n{A},Upupa epop\n{B},Upupa epops\n"
    done = say(store, text, name_problem=lambda name: None if name.endswith("s") else "did you mean Upupa epops?")
    assert done.new == 1
    assert re.search("row 2: did you mean Upupa epops", done.wrong[0])


EXPORTED = as_exported(["bird", "Hooded Crow", "Corvus cornix", "Hooded Crow", None])


@pytest.mark.parametrize(
    ("edited", "word"),
    [
        ("bird,Hooded Crow,Corvus cornix,Hooded Crow,", None),
        ("bird,Hooded Crow,Corvus corax,Hooded Crow,", ("named", "Corvus corax")),
        ("bird,Northern Raven,Corvus cornix,Hooded Crow,", ("named", "Northern Raven")),
        ("bird,Raven,Corvus cornix,Raven,", ("named", "Raven")),
        ("bird,Hooded Crow,Corvus cornix,Hooded Crow,עורב", ("named", "עורב")),
        ("person,Hooded Crow,Corvus cornix,Hooded Crow,", ("person", None)),
        ("nothing,,,,", ("nothing", None)),
        ("blank,Hooded Crow,Corvus cornix,Hooded Crow,", ("nothing", None)),
    ],
)
def test_edited_table_of_results_says_what_was_edited(
    store: Path, edited: str, word: tuple[str, str | None] | None
) -> None:
    text = (
        "file,kind,display_name,scientific_name,english_name,hebrew_name,reviewed_by,frame_number,box,media_id,"
        f"as_exported\nx/DCIM/a.jpg,{edited},,0,1,{A},{EXPORTED}\n"
    )
    assert say(store, text) == Imported(int(word is not None))
    assert [(review.verdict, review.name) for review in read_reviews(store)] == ([word] if word else [])


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (f"bird,Raven,Corvus monedula,{EXPORTED}", "different ones"),
        (f"bird,Hooded Crow,,{EXPORTED}", "emptied"),
        (f"dragon,Hooded Crow,Corvus cornix,{EXPORTED}", "dragon"),
        ("bird,Hooded Crow,Corvus cornix,something", "must stay"),
    ],
)
def test_edit_that_may_mean_two_things_is_told(store: Path, cells: str, match: str) -> None:
    done = say(store, f"media_id,frame_number,box,kind,display_name,scientific_name,as_exported\n{A},0,0,{cells}\n")
    assert done.new == 0
    assert re.search(match, done.wrong[0])


def test_two_rows_of_one_box_that_say_different_things_both_count(store: Path) -> None:
    text = f"media_id,frame_number,box,verdict,name,sex,count\n{A},0,0,named,Upupa epops,,\n{A},0,0,,,female,\n"
    assert say(store, text, now=NOON) == Imported(2)
    assert say(store, text, now=NOON.replace(hour=13)) == Imported(0)
    words = read_words(store)
    assert [review.name for review in words.identity] == ["Upupa epops"]
    assert [review.sex for review in words.sex] == ["female"]
    more = text + f"{A},0,0,,,male,2\n"
    assert say(store, more, now=NOON.replace(hour=14)) == Imported(1), "the name is known, the sex has changed"
    assert [(review.sex, review.count) for review in read_words(store).sex] == [("male", 2)]


@pytest.mark.parametrize("count", ["1e400", "99999999999", "-3", "2.5"])
def test_a_count_that_cannot_be_is_told_and_costs_no_other_row(store: Path, count: str) -> None:
    done = say(store, f"media_id,verdict,count\n{A},bird,{count}\n{B},bird,3\n")
    assert done.new == 1
    assert "count" in done.wrong[0]


def test_a_word_of_a_time_that_is_yet_to_come_is_listed_and_not_taken(store: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    rows = (f"DCIM/a.jpg,0,0,bird,{later:%Y-%m-%d %H:%M}", "DCIM/a.jpg,0,1,bird,")
    made = say(store, "\n".join(("path,frame_number,box,verdict,reviewed_at", *rows)))
    assert made.new == 1
    assert "later than now" in made.wrong[0]
