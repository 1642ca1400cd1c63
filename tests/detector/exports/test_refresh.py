"""What was exported is made again with its options when decisions change, or said to be old."""

from __future__ import annotations

import json

import pytest

from detector.cli.main import main
from detector.cli.summary.exported import old_lines
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.exports.history import old_formats
from detector.exports.refresh import refresh
from detector.exports.source import ExportOptions
from detector.store.run_json import load_run, update_run


@pytest.fixture
def store(tmp_path, facts_maker):
    """Two photos with a bird each, decided."""
    boxes = [facts_maker.box(label_scores=(0.5,))]
    facts_maker.write(tmp_path, [[facts_maker.row(path, boxes=boxes)] for path in ("a.jpg", "b.jpg")])
    decide(tmp_path, DecideOptions.model_validate({}))
    return tmp_path


def boxes_in(path):
    return len(json.loads(path.read_text())["annotations"])


def test_what_was_never_exported_is_neither_made_nor_old(store):
    assert (refresh(store).paths, old_formats(store)) == ([], [])
    assert [path.name for path in refresh(store, first=("coco",)).paths] == ["coco.json"]


def test_tables_follow_the_decisions_with_their_own_options(store):
    export(store, ["coco"], ExportOptions(score_threshold=0.1))
    export(store, ["events", "camtrap-dp"], ExportOptions(title="Our survey"))
    decide(store, DecideOptions.model_validate({"score_threshold": 0.6}))
    assert old_formats(store) == ["events", "coco", "camtrap-dp"]
    refreshed = refresh(store)
    assert refreshed.old == old_formats(store) == []
    assert boxes_in(store / "coco.json") == 2  # from 0.1 up, as it was asked for
    assert json.loads((store / "camtrap-dp" / "datapackage.json").read_text())["title"] == "Our survey"
    assert (store / "events.csv").read_text(encoding="utf-8-sig").count("\n") == 1  # none from 0.6 up


def test_decisions_that_are_the_same_make_nothing_old(store):
    export(store, ["csv"])
    decide(store, DecideOptions.model_validate({}))
    assert old_formats(store) == []


def test_pictures_are_named_and_not_made(store):
    export(store, ["crops", "coco"])
    decide(store, DecideOptions.model_validate({"score_threshold": 0.6}))
    refreshed = refresh(store)
    assert ([path.name for path in refreshed.paths], refreshed.old) == (["coco.json"], ["crops"])
    assert refresh(store, asked=()).paths == []
    assert {path.parent.name for path in refresh(store, asked=("crops",)).paths} == {"crops", store.name}
    assert old_formats(store) == []


def test_what_was_blurred_is_to_be_blurred_again(store):
    export(store, ["crops"], ExportOptions(blur="people"))
    export(store, ["coco"])
    decide(store, DecideOptions.model_validate({"score_threshold": 0.6}))
    blurred, other = sorted(old_lines(store, old_formats(store)), key=lambda line: "coco" in line)
    assert "--format crops --blur people`" in blurred
    assert "--format coco`" in other


def test_exports_of_a_store_that_kept_no_record_are_old(store):
    export(store, ["coco"])
    update_run(store, lambda run: run.model_copy(update={"exports": {}}))
    assert old_formats(store) == ["coco"]
    assert [path.name for path in refresh(store).paths] == ["coco.json"]
    assert list(load_run(store).exports) == ["coco"]


def test_the_commands_make_tables_anew_or_say_which_are_old(store, capsys):
    assert main(["export", str(store), "--format", "coco,megadetector"]) == 0
    assert main(["decide", str(store), "--score-threshold", "0.6"]) == 0
    said = capsys.readouterr().out
    assert "coco.json" in said
    assert "old:" not in said
    assert boxes_in(store / "coco.json") == 0
    assert main(["decide", str(store), "--score-threshold", "0.3", "--export", "none"]) == 0
    assert "old: results.json, coco.json" in capsys.readouterr().out
    assert main(["export", str(store), "--format", "coco"]) == 0
    assert "old: results.json shows decisions of before" in capsys.readouterr().err
