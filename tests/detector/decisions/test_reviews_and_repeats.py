"""What people said wins, also about what stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from detector.cli.main import main
from detector.decisions.decide import decide
from detector.store.reader import FactsReader
from detector.store.records_reader import read_events, read_media, read_repeats
from detector.store.reviews.log import Review, append_reviews
from detector.store.writer import FactsWriter
from detector.types import media_id
from tests.detector.decisions.small_facts import HOOPOE, SPECIES, START, Maker, Photo, boxes, decided, options

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def stone_store(tmp_path: Path, facts_maker: Maker) -> Path:
    """A stone in 30 photos of each of two cameras, five hours apart, and a bird beside it in one."""
    stone = facts_maker.box(appearance=bytes(range(64)))
    bird = facts_maker.box(x=0.7, appearance=bytes(range(64, 0, -1)))
    items = [
        [
            facts_maker.row(
                f"{place}/{n:02d}.jpg",
                boxes=[stone, bird] if n == 3 else [stone],
                captured_at=START + timedelta(hours=5 * n),
            )
        ]
        for place in ("a", "nest")
        for n in range(30)
    ]
    (tmp_path / "deployments.csv").write_text("deploymentID,folder,kind\na,a,\nnest,nest,nest\n")
    return facts_maker.write(tmp_path / "out", items)


def test_repeats_are_left_out_except_at_nests(stone_store: Path) -> None:
    table = str(stone_store.parent / "deployments.csv")
    summary = decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.deployment_id, group.boxes, group.media, group.suppressed) == ("a", 30, 30, True)
    assert (group.x, group.label) == (0.25, "bird")
    assert group.repeat_group == f"{media_id('card', 'a/00.jpg')}:0:0"
    assert (summary.repeat_groups, summary.repeated, summary.detections) == (1, 30, 32)
    assert sum(item.blank for item in read_media(stone_store)) == 29
    assert decide(stone_store, options(deployments=table, repeats_at_nests=True)).repeated == 60
    assert decide(stone_store, options(deployments=table, repeats=False)).repeated == 0


def test_person_decides_once_about_a_repeat(stone_store: Path) -> None:
    table = str(stone_store.parent / "deployments.csv")
    decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    append_reviews(stone_store, [Review(START, "Noa", "real", repeat_group=group.repeat_group)])
    summary = decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.suppressed, group.reviewed_by) == (False, "Noa")
    assert (summary.repeated, summary.detections) == (0, 62)
    # the group's first box is another one now, and the word still holds
    with FactsWriter(stone_store) as writer:
        first = next(FactsReader(stone_store).items())[0]
        earlier = media_id("card", "a/!.jpg")
        writer.add([replace(first, path="a/!.jpg", media_id=earlier, content_hash="another")])
    decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.boxes, group.suppressed) == (31, False)


def test_word_on_a_repeat_leaves_names_alone(stone_store: Path) -> None:
    decide(stone_store, options())
    [group, _] = read_repeats(stone_store)
    append_reviews(
        stone_store,
        [
            Review(START, "Dan", "named", media_id("card", "a/05.jpg"), 0, 0, name="Upupa epops"),
            Review(START, "Dan", "nothing", media_id("card", "a/06.jpg"), 0, 0),
            Review(START + timedelta(1), "Noa", "real", repeat_group=group.repeat_group),
            Review(START + timedelta(2), "Noa", "nothing", media_id("card", "a/07.jpg"), 0, 0),
        ],
    )
    decide(stone_store, options())
    media = decided(stone_store)
    found = [media[f"a/0{number}.jpg"].detections[0] for number in (4, 5, 6, 7)]
    assert [(box.name, box.suppressed, box.reviewed_by) for box in found] == [
        (None, False, "Noa"),
        ("Upupa epops", False, "Dan"),
        (None, False, "Noa"),
        (None, True, "Noa"),
    ]


def test_reviews_win_and_survive(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    items = [
        photo("1.jpg", 0, packed=[HOOPOE]),
        photo("2.jpg", 1, packed=[HOOPOE]),
        photo("3.jpg", 99, packed=[HOOPOE, HOOPOE]),
        photo("4.jpg", 200, packed=[HOOPOE]),
    ]
    facts_maker.write(tmp_path, items, species=SPECIES)

    def of(path: str) -> str:
        return media_id("card", path)

    append_reviews(
        tmp_path,
        [
            Review(START, "Dan", "nothing", of("1.jpg"), 0, 0),
            Review(START + timedelta(1), "Noa", "named", of("1.jpg"), 0, 0, name="Northern Wheatear"),
            Review(START, "Dan", "nothing", of("3.jpg")),
            Review(START, "Dan", "person", of("4.jpg"), 0, 0),
            Review(START, "Dan", "bird", of("gone.jpg"), 0, 0),
        ],
    )
    for changed in (options(), options(score_threshold=0.9, name_threshold=0.9)):
        summary = decide(tmp_path, changed)
        first, second, *third, fourth = boxes(tmp_path)
        assert (first.name, first.display_name, first.confidence, first.reviewed_by) == (
            "Oenanthe oenanthe",
            "Northern Wheatear",
            1,
            "Noa",
        )
        assert (second.name, second.reviewed_by) == ("Oenanthe oenanthe", "Noa")  # the same bird in the same burst
        assert [box.suppressed for box in third] == [True, True]
        assert (fourth.kind, fourth.name, fourth.confidence) == ("person", None, None)
        assert decided(tmp_path)["3.jpg"].blank
        assert summary.lost_reviews == 1
        assert summary.reviewed == 5
        assert {event.display_name: event.count for event in read_events(tmp_path)} == {
            "Northern Wheatear": 1,
            "person": 1,
        }


def test_word_on_a_whole_file_does_not_raise_weak_boxes(tmp_path: Path, facts_maker: Maker) -> None:
    found = [facts_maker.box(x=0.1 * n, label_scores=(score,)) for n, score in enumerate((0.9, 0.1, 0.08))]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)], [facts_maker.row("b.jpg", boxes=found[1:])]])
    append_reviews(
        tmp_path,
        [Review(START, "Noa", "named", media_id("card", path), name="Upupa epops") for path in ("a.jpg", "b.jpg")],
    )
    summary = decide(tmp_path, options())
    assert [item.shown(0.2)[0].box for item in read_media(tmp_path)] == [0, 0]
    assert (summary.detections, summary.blank) == (2, 0)


def test_reviews_come_in_by_command(tmp_path: Path, facts_maker: Maker, capsys: Capture) -> None:
    facts_maker.write(tmp_path / "out", [[facts_maker.row("a.jpg", boxes=[facts_maker.box()])]])
    table = tmp_path / "said.csv"
    table.write_text("path,frame_number,box,verdict,name,reviewer\na.jpg,0,0,named,Upupa epops,Noa\n")
    for _ in range(2):
        assert main(["decide", str(tmp_path / "out"), "--reviews", str(table)]) == 0
    assert "0 new reviews of said.csv" in capsys.readouterr().out
    assert boxes(tmp_path / "out")[0].reviewed_by == "Noa"
