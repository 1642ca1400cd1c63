"""From facts to decisions as a whole: blanks, copies, options, failures, order."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.errors import DataError, HoopoeError
from detector.cli.main import main
from detector.decisions.decide import decide, stored_options
from detector.store.lock import DECISIONS_LOCK, StoreLock
from detector.store.reader import FactsReader
from detector.store.records_reader import read_effort, read_events, read_media, read_repeats, read_visits
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_json import load_run, set_card_root
from detector.store.schema import pack_vector
from detector.store.writer import FactsWriter
from detector.types import media_id
from tests.detector.decisions.small_facts import (
    HOOPOE,
    SPECIES,
    START,
    WHEATEAR,
    Maker,
    Photo,
    decided,
    options,
)

Capture = pytest.CaptureFixture[str]


def test_folder_without_a_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no annotation store"):
        decide(tmp_path, options())


def test_empty_store_gives_empty_decisions(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    summary = decide(tmp_path, options())
    assert (summary.photos, summary.events, list(summary.names)) == (0, 0, [])
    for read in (read_media, read_events, read_repeats, read_effort, read_visits):
        assert list(read(tmp_path)) == []


def test_files_without_boxes_are_blank_or_failed(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row("blank.jpg"), facts_maker.row("broken.jpg", boxes=None, width=None, height=None)]
    weak = facts_maker.row("weak.jpg", boxes=[facts_maker.box(label_scores=(0.1,))])
    facts_maker.write(tmp_path, [[row] for row in (*rows, weak)])
    summary = decide(tmp_path, options())
    media = decided(tmp_path)
    assert {path: item.blank for path, item in media.items()} == {
        "blank.jpg": True,
        "broken.jpg": False,
        "weak.jpg": True,
    }
    assert (summary.blank, summary.failed, summary.detections) == (2, 1, 0)
    assert media["broken.jpg"].frames == ()
    assert len(media["weak.jpg"].detections) == 1
    [effort] = read_effort(tmp_path)
    assert (effort.media, effort.blank, effort.failed) == (3, 2, 1)


def test_copies_are_told_and_not_counted_twice(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], content_hash="same") for path in ("a.jpg", "copy/a.jpg")]
    empty = [facts_maker.row(path, boxes=None, content_hash="empty") for path in ("x.jpg", "y.jpg")]
    facts_maker.write(tmp_path, [[row] for row in (*rows, *empty)])
    summary = decide(tmp_path, options())
    assert decided(tmp_path)["copy/a.jpg"].duplicate_of == rows[0].media_id
    assert (summary.duplicates, summary.events) == (1, 1)


@pytest.mark.parametrize("portions", [False, True])
def test_the_readable_copy_of_a_failed_file_counts(
    tmp_path: Path, facts_maker: Maker, monkeypatch: pytest.MonkeyPatch, portions: bool
) -> None:
    if portions:
        monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 1)
    failed = facts_maker.row("a.jpg", boxes=None, content_hash="same")
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], content_hash="same") for path in ("b/a.jpg", "c/a.jpg")]
    facts_maker.write(tmp_path, [[row] for row in (failed, *rows)])
    summary = decide(tmp_path, options())
    assert [decided(tmp_path)[row.path].duplicate_of for row in (failed, *rows)] == [None, None, rows[0].media_id]
    assert (summary.duplicates, summary.events) == (1, 1)


def test_files_without_a_time_stand_alone(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], captured_at=None) for path in ("a.jpg", "b.jpg")]
    facts_maker.write(tmp_path, [[row] for row in rows])
    summary = decide(tmp_path, options())
    assert (summary.sequences, summary.events, summary.detections, summary.without_time) == (2, 0, 2, 2)
    assert list(summary.clock_problems) == []


def test_options_are_kept_and_used_again(tmp_path: Path, facts_maker: Maker, capsys: Capture) -> None:
    found = [facts_maker.box(label_scores=(0.5,))]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)]])
    assert main(["decide", str(tmp_path), "--score-threshold", "0.6", "--independence", "20", "Feeder=5"]) == 0
    assert main(["decide", str(tmp_path), "--name-threshold", "0.8"]) == 0
    kept = stored_options(tmp_path)
    assert (kept.score_threshold, kept.name_threshold, kept.independence_min) == (0.6, 0.8, 20)
    assert kept.independence_by_kind == {"feeder": 5}
    assert decided(tmp_path)["a.jpg"].blank
    assert "independent" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--score-threshold", "2"],
        ["--independence", "soon"],
        ["--deployments", "nowhere.csv"],
        ["--camera-from", "("],
        ["--gap-days", "0"],
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, facts_maker: Maker, capsys: Capture, words: list[str]) -> None:
    facts_maker.write(tmp_path, [])
    assert main(["decide", str(tmp_path), *words]) == 2
    assert "hint:" in capsys.readouterr().err


def test_moved_root_and_second_card_keep_what_was_decided(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[HOOPOE])], species=SPECIES)
    decide(tmp_path, options())
    before = list(read_media(tmp_path)), list(read_events(tmp_path))
    set_card_root(tmp_path, "card", "/elsewhere")
    decide(tmp_path, options())
    assert (list(read_media(tmp_path)), list(read_events(tmp_path))) == before
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[WHEATEAR], card="a card")], species=SPECIES)
    decide(tmp_path, options())
    second, first = read_media(tmp_path)
    assert [first] == before[0]
    assert (second.deployment_id, second.detections[0].name) == ("a card", "Oenanthe oenanthe")
    assert load_run(tmp_path).cards["card"].root == "/elsewhere"


def test_failed_decision_leaves_the_one_before(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[None])])
    decide(tmp_path, options())
    before = list(read_media(tmp_path))
    part = FactsReader(tmp_path).parts()[0]
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        decide(tmp_path, options(score_threshold=0.9))
    assert list(read_media(tmp_path)) == before
    assert stored_options(tmp_path).score_threshold == 0.2
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["decisions", "facts"]


def test_two_decisions_at_once_are_refused(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    with StoreLock(tmp_path, DECISIONS_LOCK), pytest.raises(HoopoeError, match="another process"):
        decide(tmp_path, options())
    with FactsWriter(tmp_path):
        decide(tmp_path, options())


def test_words_that_another_process_has_decided_with_are_not_left_out(
    tmp_path: Path, facts_maker: Maker, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[HOOPOE])], species=SPECIES)

    class Late(StoreLock):
        def __init__(self, folder: Path, name: str) -> None:
            append_reviews(folder, [Review(START, "Noa", "person", media_id("card", "a.jpg"), 0, 0)])
            super().__init__(folder, name)  # after another process has decided with it, and let go

    monkeypatch.setattr("detector.decisions.decide.StoreLock", Late)
    decide(tmp_path, options())
    assert [found.kind for item in read_media(tmp_path) for found in item.detections] == ["person"]


@st.composite
def stores(draw: st.DrawFn) -> list[tuple[str, int, list[tuple[float, int]]]]:
    """Photos of two cameras: (path, seconds, boxes as score and likeliest class)."""
    names = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), unique=True, max_size=10))
    box = st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 3))
    return [
        (f"{place}/{number:02d}.jpg", draw(st.integers(0, 4000)), draw(st.lists(box, max_size=3)))
        for place, number in names
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=stores(), seed=st.integers(0, 99))
def test_decisions_do_not_depend_on_the_order_of_parts(
    tmp_path_factory: pytest.TempPathFactory, facts_maker: Maker, drawn: list, seed: int
) -> None:
    def item(path: str, seconds: int, found: list) -> list:
        made = [
            facts_maker.box(
                x=0.1 + 0.25 * n, label_scores=(score,), logits=pack_vector(6.0 * (np.arange(4) == best) + n / 7)
            )
            for n, (score, best) in enumerate(found)
        ]
        return [facts_maker.row(path, boxes=made, captured_at=START + timedelta(seconds=seconds))]

    items = [item(*each) for each in drawn]
    results = []
    for order in (items, random.Random(seed).sample(items, len(items))):
        folder = tmp_path_factory.mktemp("store")
        facts_maker.write(folder, [], species=SPECIES)
        with FactsWriter(folder, part_rows=1 if len(results) else 1000) as writer:
            for rows in order:
                writer.add(rows)
        summary = decide(folder, options(), now=datetime(2025, 1, 1))
        results.append((summary, list(read_media(folder)), list(read_events(folder)), list(read_effort(folder))))
    assert results[0] == results[1]

    summary, media, events, _ = results[0]
    by_event: dict[str, list[tuple[str, int]]] = {}
    for record in media:
        for found in record.detections:
            if found.event_id is not None:
                by_event.setdefault(found.event_id, []).append((record.path, found.frame_number))
    for event in events:
        frames = by_event[event.event_id]
        assert event.count == max(frames.count(frame) for frame in frames)
        assert event.detections == len(frames)
    assert summary.detections == sum(score >= 0.2 for _, _, found in drawn for score, _ in found)


def test_decisions_are_json_in_run_file(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    decide(tmp_path, options(independence_by_kind={"nest": 5}))
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["decisions"]["independence_by_kind"] == {"nest": 5}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"appearance": bytes(32)}, "appearance of another size"), ({"label_scores": (0.9, 0.1)}, "scores for 2 to 2")],
)
def test_boxes_that_do_not_fit_name_their_part(
    tmp_path: Path, facts_maker: Maker, changes: dict[str, Any], problem: str
) -> None:
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=[facts_maker.box(**changes)])]])
    with pytest.raises(DataError, match=problem) as caught:
        decide(tmp_path, options())
    assert str(caught.value.where).endswith("part-000000.parquet")
    assert caught.value.hint
