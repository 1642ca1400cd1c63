"""Timelapse's table of image data, as its users shape it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backbones.errors import DataError
from detector.cli.main import main
from detector.store.reviews.log import Imported, read_reviews
from detector.store.reviews.programs.timelapse import read_timelapse
from detector.types import media_id
from tests.detector.store.reviews.programs.test_round_trips import AS_MADE

HEADER = "RootFolder,File,RelativePath,DateTime,DeleteFlag,Species,Count,Empty,Analyst,Comments\n"
Say = Callable[[Path], Imported]


def write(store: Path, text: str, encoding: str = "utf-8") -> Path:
    path = store / "TimelapseData.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_that_nobody_filled_in_say_nothing(store: Path, say: Say, names) -> None:
    rows = "Card,a.jpg,DCIM,2024-05-01 06:30:00,false,,0,false,,\nCard,b.jpg,DCIM,,false,unknown,0,false,,\n"
    imported = say(write(store, HEADER + rows))
    assert imported == Imported(0, (), ("nobody has said anything in it",))
    assert names() == AS_MADE


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), (",", "cp1255")])
def test_species_and_blanks_of_files(delimiter, encoding, store: Path, say: Say, names) -> None:
    rows = (
        "Card,b.jpg,DCIM,2024-05-01 06:30:00,false,Laughing dove,2,false,Noa,sure\n"
        "Card,clip.mp4,DCIM,,false,Merops apiaster,1,false,,\n"
        "Card,blank.jpg,DCIM,,false,,0,true,,\n"
        "Card,a.jpg,DCIM,,false,Hoopoe,1,false,,\n"
    )
    if encoding != "cp1255":
        rows += "Card,ריק c.jpg,DCIM,,false,none,0,false,נועה,\n"
    imported = say(write(store, (HEADER + rows).replace(",", delimiter), encoding))
    assert not imported.wrong
    expected = (
        AS_MADE
        | {("b.jpg", 0, 0): "Spilopelia senegalensis"}
        | dict.fromkeys((("clip.mp4", 0, 0), ("clip.mp4", 25, 0)), "Merops apiaster")
        | {("a.jpg", 0, 0): "Upupa epops"}
    )
    if encoding != "cp1255":
        expected |= dict.fromkeys((("ריק c.jpg", 0, 0), ("ריק c.jpg", 0, 1)), "nothing")
    assert names() == expected
    (dove,) = (review for review in read_reviews(store) if review.name == "Laughing dove")
    assert (dove.reviewer, dove.comment, dove.count) == ("Noa", "sure", 2)


def test_sex_age_and_number_of_files(store: Path, say: Say, names) -> None:
    header = HEADER.replace("Count", "Number of individuals,Sex,Age class")
    rows = (
        "Card,b.jpg,DCIM,,false,Corvus cornix,1,M,,false,,\n"
        "Card,blank.jpg,DCIM,,false,,3,,,true,,\n"
        "Card,a.jpg,DCIM,,false,Upupa epops,many,female,immature,false,,\n"
    )
    imported = say(write(store, header + rows))
    (wrong,) = imported.wrong
    assert "row 4: count 'many' is no whole number" in wrong
    said = {review.media_id: review for review in read_reviews(store)}
    crow, hoopoe = said[media_id("card", "DCIM/b.jpg")], said[media_id("card", "DCIM/a.jpg")]
    assert (crow.verdict, crow.sex, crow.count) == ("noted", "male", None), "that it is one crow the store says already"
    assert (hoopoe.verdict, hoopoe.sex, hoopoe.life_stage, hoopoe.count) == ("named", "female", "subadult", None)
    assert said[media_id("card", "DCIM/blank.jpg")].count is None


def test_a_person_beside_the_bird_stays_one(store: Path, say: Say, names) -> None:
    say(write(store, HEADER + "Card,ריק c.jpg,DCIM,,false,Upupa epops,1,false,,\n"))
    assert names() == AS_MADE | {("ריק c.jpg", 0, 0): "Upupa epops"}


def test_what_a_program_filled_in_and_the_store_says_is_no_review(store: Path, say: Say) -> None:
    same = HEADER + "Card,b.jpg,DCIM,,false,Corvus cornix,1,false,{},\n"
    assert say(write(store, same.format(""))).new == 0
    assert say(write(store, same.format("Noa"))).new == 1


def test_the_word_by_which_megadetector_calls_birds_says_nothing(store: Path, say: Say, names) -> None:
    imported = say(write(store, HEADER + "Card,b.jpg,DCIM,,false,animal,1,false,Noa,\n"))
    assert (imported.new, imported.wrong) == (0, ())
    assert names() == AS_MADE


def test_faults_are_listed_and_cost_no_other(store: Path, say: Say, names) -> None:
    rows = (
        "Card,a.jpg,C:\\cards\\DCIM,,false,Hoopoe,1,false,,\n"
        "Card,b.jpg,DCIM\\,,false,Upupa epops,1,false,,\n"
        "Card,b.jpg,DCIM\\,,false,Upupa epops,1,false,,\n"
        "Card,blnk.jpg,DCIM,,false,Hoopoe,1,false,,\n"
        "Card,ריק c.jpg,DCIM,,false,Hoopoe,1,false,,\n"
        "Card,ריק c.jpg,DCIM,,false,Person,1,false,,\n"
        "Card,clip.mp4,DCIM,,false,Hupoo,1,false,,\n"
        "Card,blank.jpg,DCIM,,false,Hoopoe,1,false,,\n"
        "Card,torn.jpg,DCIM,,false,Hoopoe,1,false,,\n"
    )
    imported = say(write(store, HEADER + rows))
    assert imported.new == 1
    assert names() == AS_MADE | {("b.jpg", 0, 0): "Upupa epops"}
    problems = (
        r"row 2: there is no file 'C:/cards/DCIM/a.jpg' in this store; did you mean DCIM/a.jpg?",
        "row 5: there is no file 'DCIM/blnk.jpg' in this store; did you mean DCIM/blank.jpg?",
        "row 6: Hoopoe, Person are said of one file, not of which boxes",
        "row 7: Hoopoe, Person are said of one file, not of which boxes",
        "row 8: 'Hupoo' is no name that is known",
        "row 9: there is no box in this file of which to say so",
        "row 10: the file could not be read (image access failure)",
    )
    assert len(imported.wrong) == len(problems)
    assert all(any(problem in line for line in imported.wrong) for problem in problems)


def test_the_command_says_what_joined_and_lists_the_rest(store: Path, names, capsys) -> None:
    rows = "Card,b.jpg,DCIM,,false,דוכיפת,1,false,Noa,\nCard,z.jpg,DCIM,,false,Hoopoe,1,false,Noa,\n"
    table = write(store, HEADER + rows)
    taxonomy = store / "taxonomy.csv"
    taxonomy.write_text("class_name,scientific_name,hebrew_name\nHoopoe,Upupa epops,דוכיפת\n", encoding="utf-8")
    assert main(["decide", str(store), "--reviews", str(table), "--taxonomy", str(taxonomy)]) == 1
    said = capsys.readouterr()
    assert "1 new reviews of TimelapseData.csv" in said.out
    assert "1 of 2 entries joined" in said.out
    assert "row 3: there is no file 'DCIM/z.jpg' in this store" in " ".join(said.err.split())
    assert names(taxonomy=str(taxonomy)) == AS_MADE | {("b.jpg", 0, 0): "Upupa epops"}


def test_a_table_without_a_column_of_species_is_refused_in_words(tmp_path: Path) -> None:
    path = write(tmp_path, "File,RelativePath,Wetter\na.jpg,DCIM,sonnig\n")
    with pytest.raises(DataError, match="no column that says what is in the pictures") as caught:
        read_timelapse(path)
    assert "call the column of species Species" in str(caught.value)


def test_rows_of_one_species_in_a_file_are_added_up(store: Path, say: Say, names) -> None:
    """Timelapse's way to tell two males from a female is to duplicate the row."""
    header = HEADER.replace("Count", "Count,Sex")
    rows = (
        "Card,b.jpg,DCIM,,false,Corvus cornix,2,male,false,Noa,\n"
        "Card,b.jpg,DCIM,,false,Corvus cornix,1,female,false,Noa,\n"
        "Card,a.jpg,DCIM,,false,Upupa epops,2,male,false,Noa,\n"
        "Card,a.jpg,DCIM,,false,Upupa epops,,male,false,Noa,\n"
    )
    imported = say(write(store, header + rows))
    assert not imported.wrong
    assert "1 files have a name more than once, of several sexes or ages" in imported.notes[-1]
    said = {review.media_id: review for review in read_reviews(store)}
    crows, hoopoes = said[media_id("card", "DCIM/b.jpg")], said[media_id("card", "DCIM/a.jpg")]
    assert (crows.name, crows.count, crows.sex) == ("Corvus cornix", 3, None)
    assert (hoopoes.count, hoopoes.sex) == (None, "male"), "of one row nobody knows how many"


def test_two_species_of_one_file_are_those_of_its_boxes_where_only_one_answer_is_left(
    store: Path, say: Say, names
) -> None:
    rows = "Card,a.jpg,DCIM,,false,Upupa epops,1,false,Noa,\nCard,a.jpg,DCIM,,false,Merops apiaster,1,false,Noa,\n"
    rows += "Card,ריק c.jpg,DCIM,,false,person; Corvus cornix,,false,Noa,\n"
    imported = say(write(store, HEADER + rows))
    assert not imported.wrong
    assert names() == AS_MADE | {("a.jpg", 0, 0): "Merops apiaster"}, "the other box is the hoopoe"
    assert {review.reviewer for review in read_reviews(store)} == {"Noa"}
    assert len(read_reviews(store)) == 4
    assert say(write(store, HEADER + rows)).new == 0


@pytest.mark.parametrize(
    ("species", "problem"),
    [
        ("Merops apiaster; Larus michahellis", "are said of one file, not of which boxes"),
        ("Upupa epops; Corvus cornix; Larus michahellis", "no box that may be 'Larus michahellis'"),
    ],
)
def test_of_more_answers_than_one_none_is_taken_and_what_has_no_box_is_listed(
    species: str, problem: str, store: Path, say: Say
) -> None:
    imported = say(write(store, f"{HEADER}Card,a.jpg,DCIM,,false,{species},,false,Noa,\n"))
    assert problem in imported.wrong[0]
    assert imported.new == (0 if "not of which" in problem else 2)


def test_a_checkbox_for_animals_names_no_species(store: Path, say: Say) -> None:
    rows = "Card,b.jpg,DCIM,,false,,1,true,false,Noa,\nCard,a.jpg,DCIM,,false,,1,false,false,Noa,\n"
    imported = say(write(store, HEADER.replace("Count", "Count,Animal") + rows))
    assert imported == Imported(0, (), ("nobody has said anything in it",))
