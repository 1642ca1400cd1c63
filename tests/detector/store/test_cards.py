"""Cards are listed, called otherwise, and taken out, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backbones.errors import ConfigError, HoopoeError
from detector.cli.main import main
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.store.cards import list_cards, remove_card, rename_card
from detector.store.reader import FactsReader, finished
from detector.store.records_reader import read_media
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_file import CardEntry
from detector.store.run_json import load_run, update_run
from detector.store.writer import FactsWriter
from tests.detector.exports.tables.test_tables import read_csv

OPTIONS = DecideOptions.model_validate({})


@pytest.fixture
def store(tmp_path, facts_maker):
    """Three cards in two parts: `a` alone in one, `b` and `c` in the other."""
    row = facts_maker.row
    facts_maker.write(tmp_path, [[row("1.jpg", card="a", boxes=[facts_maker.box()])]])
    with FactsWriter(tmp_path) as writer:
        writer.add([row("1.jpg", card="b", boxes=[facts_maker.box()])])
        writer.add([row("2.jpg", card="b", boxes=None, captured_at=None, captured_from=None)])
        writer.add([row("1.jpg", card="c", boxes=[facts_maker.box()])])
    entries = {card: CardEntry(root=str(tmp_path / "cards" / card)) for card in "abc"}
    update_run(tmp_path, lambda run: run.model_copy(update={"cards": entries}))
    return tmp_path


def test_a_store_without_facts_has_cards_without_files(tmp_path, facts_maker):
    facts_maker.write(tmp_path, [])
    assert all((each.files, each.first) == (0, None) for each in list_cards(tmp_path))


def test_cards_are_listed_with_what_is_known_of_them(store, capsys):
    first, second, third = list_cards(store)
    assert [(each.card, each.files, each.failed) for each in (first, second, third)] == [
        ("a", 1, 0),
        ("b", 2, 1),
        ("c", 1, 0),
    ]
    assert first.first == first.last is not None
    assert first.presence.state == "gone"
    assert main(["cards", str(store)]) == 0
    assert "failed" in capsys.readouterr().out


def test_a_removed_card_leaves_the_others_and_what_people_said(store):
    before = {item[0].media_id: item for item in FactsReader(store).items()}
    gone = next(key for key, item in before.items() if item[0].card == "b" and item[0].failure is None)
    append_reviews(store, [Review(datetime.now(UTC), "me", "bird", media_id=gone)])
    removed = remove_card(store, "b")
    assert (removed.files, removed.reviews) == (2, 1)
    after = {item[0].media_id: item for item in FactsReader(store).items()}
    assert after == {key: item for key, item in before.items() if item[0].card != "b"}
    assert list(load_run(store).cards) == ["a", "c"]
    assert remove_card(store, "a").files == 1  # a part of its own
    assert len(finished(store)) == 1
    with pytest.raises(ConfigError, match="no card 'b'"):
        remove_card(store, "b")


def test_a_removal_that_was_killed_is_finished_by_the_next(store, monkeypatch):
    import detector.store.cards as module

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "update_run", die)
    with pytest.raises(KeyboardInterrupt):
        remove_card(store, "a")
    monkeypatch.undo()
    assert "a" in load_run(store).cards
    assert remove_card(store, "a").files == 0
    assert "a" not in load_run(store).cards


def test_no_card_is_removed_while_another_process_writes(store):
    with FactsWriter(store), pytest.raises(HoopoeError, match="writing to this store"):
        remove_card(store, "a")


def test_a_renamed_card_keeps_its_ids_and_is_found_by_both_names(store):
    decide(store, OPTIONS)
    ids = {record.path: record.media_id for record in read_media(store) if record.card == "c"}
    rename_card(store, "c", "north slope")
    decide(store, OPTIONS)
    renamed = {record.path: record.media_id for record in read_media(store) if record.card == "north slope"}
    assert renamed == ids
    assert {record.deployment_id for record in read_media(store)} == {"a", "b", "north slope"}
    export(store, ["csv"])
    rows = {row["media_id"]: row for row in read_csv(store / "files.csv")}
    (key,) = ids.values()
    assert rows[key]["card"] == "north slope"
    run = load_run(store)
    assert run.card_id("c") == run.card_id("north slope") == "c"
    assert main(["export", str(store), "--format", "crops", "--root", f"north slope={store}"]) == 1  # no file is there
    rename_card(store, "north slope", "c")
    assert load_run(store).labels == {}


def test_a_table_may_name_a_renamed_card_by_either_name(store):
    table = store / "deployments.csv"
    rename_card(store, "c", "north")
    for name in ("c", "north"):
        table.write_text(f"deploymentID,card,folder\nD1,{name},\nA,a,\nB,b,\n", encoding="utf-8")
        decide(store, DecideOptions.model_validate({"deployments": str(table)}))
        assert {record.deployment_id for record in read_media(store) if record.card == "north"} == {"D1"}


@pytest.mark.parametrize("label", ["", "  ", "a", "B", "x/y", "x=y", "x\ny"])
def test_a_name_that_another_card_has_or_that_cannot_be_is_refused(store, label):
    with pytest.raises(ConfigError):
        rename_card(store, "c", label)


def test_the_command_asks_decides_anew_and_makes_tables_anew(store, capsys):
    decide(store, OPTIONS)
    export(store, ["csv"])
    assert main(["cards", str(store), "--remove", "b"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert main(["cards", str(store), "--remove", "b", "--yes"]) == 0
    assert "2 files" in capsys.readouterr().out
    assert {row["card"] for row in read_csv(Path(store / "files.csv"))} == {"a", "c"}
    assert main(["cards", str(store), "--rename", "c=west"]) == 0
    assert {row["card"] for row in read_csv(Path(store / "files.csv"))} == {"a", "west"}
