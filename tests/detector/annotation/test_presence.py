"""What is not there is said, and never recorded as damaged: empty inputs, cards pulled out, moved or exchanged."""

from __future__ import annotations

import shutil

import pytest

from backbones.errors import MediaError
from detector.annotation.cards import find_cards
from detector.annotation.options import WorkOptions
from detector.store import writer as writer_module
from detector.store.cards import rename_card
from detector.store.reader import finished
from detector.store.reviews.log import import_reviews
from detector.store.run_json import load_run
from tests.detector.annotation.conftest import save_photo
from tests.detector.annotation.store_checks import read_store

ALONE = WorkOptions(batch_size=1, crop_batch_size=1, workers=1)


@pytest.fixture
def after_two(monkeypatch):
    """Does something when two files are finished."""

    def arrange(act):
        add = writer_module.FactsWriter.add

        def add_and_act(self, rows):
            add(self, rows)
            if len(self.finished) == 2:
                act()

        monkeypatch.setattr(writer_module.FactsWriter, "add", add_and_act)

    return arrange


def test_an_empty_input_is_an_error_and_nothing_is_written(run, make_card, tmp_path):
    empty = tmp_path / "empty"
    (empty / "DCIM").mkdir(parents=True)
    (empty / "DCIM" / "notes.txt").touch()
    with pytest.raises(MediaError, match=r"no photos or videos here; 1 file passed over: 1 \.txt"):
        run("out", empty)
    with pytest.raises(MediaError, match="no photos or videos"):
        run("out", make_card(photos=1, videos=0), empty)
    assert not (tmp_path / "out").exists()


def test_a_folder_around_known_cards_need_not_hold_more(run, make_card, tmp_path):
    run("out", make_card("all/inner", photos=1, videos=0))
    report, _ = run("out", tmp_path / "all")
    assert (report.files, report.finished_before) == (0, 1)
    assert list(load_run(tmp_path / "out").cards) == ["inner"]


def test_a_mount_point_whose_share_is_away_is_no_empty_card(run, make_card, tmp_path):
    card = make_card("nas", photos=2, videos=0)
    run("out", card)
    shutil.move(card / "DCIM", tmp_path / "share")
    with pytest.raises(MediaError, match="the store knows 2 files of card 'nas' here"):
        run("out", card)
    shutil.move(tmp_path / "share", card / "DCIM")
    report, _ = run("out", card)
    assert (report.files, report.finished_before) == (0, 2)


@pytest.mark.parametrize("what", ["card", "card/DCIM"])
def test_a_card_that_goes_away_midway_does_not_make_failures_of_its_files(run, make_card, after_two, tmp_path, what):
    make_card(photos=40, videos=0)
    away = tmp_path / "away"
    after_two(lambda: (tmp_path / what).rename(away))
    with pytest.raises(MediaError, match=r"of the 40 files that were counted are gone: .*DCIM"):
        run("out", tmp_path / "card", work=ALONE)
    facts = read_store(tmp_path / "out")
    assert 2 <= len(facts) < 40
    assert not any(rows[0].failure or rows[0].warning for rows in facts.values())
    away.rename(tmp_path / what)
    report, facts = run("out", tmp_path / "card")
    assert (len(facts), report.all_well) == (40, True)


def test_a_file_that_is_removed_midway_is_said_and_costs_no_other(run, make_card, after_two):
    card = make_card(photos=30, videos=0)
    after_two((card / "DCIM" / "IMG_0029.JPG").unlink)
    report, facts = run("out", card, work=ALONE)
    assert (report.lost, report.all_well, report.signal) == (["card/DCIM/IMG_0029.JPG"], False, None)
    assert len(facts) == report.files == 29


def test_a_failure_of_before_counts_in_every_run(run, make_card):
    card = make_card(photos=1, videos=0)
    (card / "DCIM" / "torn.jpg").write_bytes(b"<html>")
    first, _ = run("out", card)
    second, _ = run("out", card)
    assert (first.all_well, second.all_well) == (False, False)
    assert second.failures_before == first.failures
    save_photo(card / "other" / "a.jpg", 1)
    assert run("out2", card / "other")[0].all_well


def numbered(make_card, first, count, seed):
    card = make_card("reader", photos=0, videos=0)
    for number in range(count):
        save_photo(card / "DCIM" / f"IMG_{first + number:04d}.JPG", seed + number, 160 + 8 * (seed > 0), 120)
    return card


@pytest.mark.parametrize("first", [0, 3, 50], ids=["same names", "some names", "no name"])
def test_another_card_in_the_reader_is_another_card_whatever_its_numbers(run, make_card, tmp_path, first):
    card = numbered(make_card, 0, 5, seed=0)
    run("out", card)
    shutil.rmtree(card)
    found = find_cards([numbered(make_card, first, 5, seed=50)], tmp_path / "out", {})
    assert [each.id for each in found.cards] == ["reader-2"]
    assert not {item.media_id for item in found.media} & finished(tmp_path / "out")
    assert len(found.notes) == 1


def test_other_content_of_the_same_names_and_sizes_is_another_card(run, make_card, tmp_path):
    card = numbered(make_card, 0, 3, seed=0)
    run("out", card)
    for path in (card / "DCIM").iterdir():  # as cameras write that pad their files
        content = path.read_bytes()
        path.write_bytes(content[:-9] + bytes(len(content[-9:])))
    assert [each.id for each in find_cards([card], tmp_path / "out", {}).cards] == ["reader-2"]


@pytest.mark.parametrize("way", ["itself", "its folder", "inside"])
def test_a_card_that_has_moved_is_known_by_its_content(run, make_card, tmp_path, way):
    card = make_card("north", photos=3, videos=0)
    run("out", card)
    moved = tmp_path / "disk" / "card of north"
    moved.parent.mkdir()
    shutil.move(card, moved)
    given = {"itself": moved, "its folder": moved.parent, "inside": moved / "DCIM"}[way]
    report, facts = run("out", given)
    assert (report.files, report.finished_before) == (0, 3)
    assert {name for name, _ in facts} == {"north"}
    assert load_run(tmp_path / "out").cards["north"].root == str(moved)
    assert "has moved" in report.notes[0]


def test_a_copy_beside_the_card_is_no_move(run, make_card, tmp_path):
    card = make_card("north", photos=2, videos=0)
    run("out", card)
    shutil.copytree(card, tmp_path / "copy")
    report, _ = run("out", tmp_path / "copy")
    assert (report.files, report.notes) == (2, [])


def test_a_renamed_card_goes_on_under_its_name(run, make_card, tmp_path):
    card, out = make_card("reader-2", photos=2, videos=0), tmp_path / "out"
    run("out", card)
    rename_card(out, "reader-2", "north slope")
    save_photo(card / "DCIM" / "IMG_0009.JPG", 9)
    report, facts = run("out", card)
    assert (report.files, report.finished_before, {name for name, _ in facts}) == (1, 2, {"north slope"})
    moved = tmp_path / "moved"
    shutil.move(card, moved)
    report, _ = run("out", moved, roots={"north slope": moved})
    assert (report.files, report.finished_before) == (0, 3)
    table = tmp_path / "reviews.csv"
    table.write_text("card,path,verdict\nnorth slope,DCIM/IMG_0009.JPG,bird\nreader-2,DCIM/IMG_0000.JPG,bird\n")
    assert import_reviews(out, table).new == 2


def test_files_that_have_changed_since_are_said(run, make_card):
    card = make_card("north", photos=4, videos=0)
    run("out", card)
    save_photo(card / "DCIM" / "IMG_0000.JPG", 50, width=200)
    (card / "DCIM" / "IMG_0001.JPG").unlink()
    report, _ = run("out", card)
    assert ["1 of the 4 files" in report.notes[0], "IMG_0000.JPG" in report.notes[1]] == [True, True]
