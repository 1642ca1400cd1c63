"""What people say beyond names: sex, age and number, boxes that they draw or move, and blanks; by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.exports.export import export
from detector.store.reader import FactsReader
from detector.store.records import DetectionRecord
from detector.store.records_reader import read_events
from detector.store.reviews.log import Review, append_reviews, drawn_number, withdraw
from detector.types import media_id
from tests.detector.decisions.small_facts import (
    HOOPOE,
    SPECIES,
    START,
    WHEATEAR,
    Maker,
    Photo,
    boxes,
    decided,
    logits,
    options,
)

A, B, BLANK = (media_id("card", path) for path in ("a.jpg", "b.jpg", "blank.jpg"))
PLACE = (0.5, 0.5, 0.25, 0.25)


@pytest.fixture
def store(tmp_path: Path, facts_maker: Maker, photo: Photo) -> Path:
    """Two hoopoes in a photo; an hour later one; an hour later nothing."""
    items = [
        photo("a.jpg", 0, packed=[HOOPOE, HOOPOE]),
        photo("b.jpg", 3600, packed=[HOOPOE]),
        photo("blank.jpg", 7200, packed=[]),
    ]
    return facts_maker.write(tmp_path / "out", items, species=SPECIES)


def say(store: Path, *words: tuple[str, dict[str, Any]], who: str = "Noa", hour: int = 0) -> str:
    said = append_reviews(store, [Review(START + timedelta(hours=hour), who, verdict, **of) for verdict, of in words])
    assert said is not None
    return said


def counts(store: Path) -> list[tuple[str, int]]:
    decide(store, options())
    return [(event.display_name, event.count) for event in read_events(store)]


def drawn(item: str, xywh: tuple[float, ...] = PLACE) -> dict[str, Any]:
    return {"media_id": item, "frame_number": 0, "box": drawn_number(item, 0, xywh), "xywh": xywh}


def test_without_words_each_box_is_one(store: Path) -> None:
    assert counts(store) == [("Eurasian Hoopoe", 2), ("Eurasian Hoopoe", 1)]
    assert [(box.count, box.sex, box.life_stage, box.box_by, box.reviewed_at) for box in boxes(store)] == [
        (1, None, None, None, None)
    ] * 3


def test_count_of_a_file_wins_over_boxes(store: Path) -> None:
    say(store, ("noted", {"media_id": A, "count": 5}))
    say(store, ("named", {"media_id": B, "name": "Upupa epops", "count": 3}))
    assert counts(store) == [("Eurasian Hoopoe", 5), ("Eurasian Hoopoe", 3)]
    say(store, ("noted", {"media_id": A, "frame_number": 0, "count": 1}), hour=1)
    assert counts(store) == [("Eurasian Hoopoe", 1), ("Eurasian Hoopoe", 3)]
    assert sorted(box.count for box in boxes(store)) == [0, 1, 3]


def test_a_chick_that_a_person_draws_within_an_adults_box_is_counted(store: Path) -> None:
    decide(store, options())
    [adult] = [box for box in boxes(store) if box.media_id == B]
    chick = (adult.x + adult.w / 4, adult.y + adult.h / 4, adult.w / 4, adult.h / 4)
    said = {**drawn(B, chick), "name": "Upupa epops", "life_stage": "juvenile"}
    say(store, ("named", said))
    assert counts(store)[1] == ("Eurasian Hoopoe", 2)


def test_count_of_a_box_adds_to_its_neighbours(store: Path) -> None:
    say(store, ("noted", {"media_id": A, "frame_number": 0, "box": 1, "count": 4}))
    assert counts(store) == [("Eurasian Hoopoe", 5), ("Eurasian Hoopoe", 1)]


def test_sex_and_age_leave_the_name_alone(store: Path) -> None:
    of = {"media_id": A, "frame_number": 0, "box": 0}
    say(store, ("noted", {**of, "sex": "male"}))
    say(store, ("noted", {**of, "life_stage": "juvenile"}), who="Dan")
    say(store, ("named", {**of, "name": "Oenanthe oenanthe"}), who="Dan", hour=1)
    say(store, ("noted", {**of, "sex": "female"}), hour=2)
    decide(store, options())
    first, second, _ = boxes(store)
    assert (first.name, first.sex, first.life_stage, first.reviewed_by) == (
        "Oenanthe oenanthe", "female", "juvenile", "Dan",
    )  # fmt: skip
    assert first.reviewed_at == START + timedelta(hours=1)
    assert (second.name, second.sex, second.reviewed_by) == ("Upupa epops", None, None)
    say(store, ("person", of), hour=3)
    decide(store, options())
    assert boxes(store)[0].sex is None, "people have none here"


def test_sex_of_a_file_is_that_of_its_birds(store: Path) -> None:
    say(store, ("person", {"media_id": A, "frame_number": 0, "box": 1}))
    say(store, ("noted", {"media_id": A, "sex": "male"}))
    decide(store, options())
    assert [box.sex for box in boxes(store)] == ["male", None, None]


def test_drawn_box_counts_once_everywhere(store: Path) -> None:
    say(store, ("named", {**drawn(BLANK), "name": "Oenanthe oenanthe", "sex": "male"}))
    say(store, ("named", {**drawn(BLANK), "name": "Oenanthe oenanthe"}), hour=1)  # said again
    summary = decide(store, options())
    assert (summary.detections, summary.blank, summary.lost_reviews) == (4, 0, 0)
    box = boxes(store)[-1]
    assert (box.box, box.label, box.score, box.box_by, box.reviewed_by) == (
        drawn_number(BLANK, 0, PLACE), "drawn", 1.0, "Noa", "Noa",
    )  # fmt: skip
    assert (box.name, box.kind, box.count, box.sex, box.candidates) == ("Oenanthe oenanthe", "bird", 1, "male", ())
    assert (box.x, box.y, box.w, box.h) == PLACE
    assert [(event.name, event.count) for event in read_events(store)][-1] == ("Oenanthe oenanthe", 1)
    assert sum(len(row.detections or ()) for item in FactsReader(store).items() for row in item) == 3, "facts stay"
    export(store, ("csv", "megadetector", "coco", "coco-camera-traps", "label-studio", "events"))
    assert "Oenanthe oenanthe" in (store / "results.csv").read_text("utf-8-sig")


def test_drawn_box_beside_others_joins_the_count(store: Path) -> None:
    say(store, ("named", {**drawn(A, (0.0, 0.0, 0.1, 0.1)), "name": "Eurasian Hoopoe"}))
    assert counts(store)[0] == ("Eurasian Hoopoe", 3)
    say(store, ("nothing", {"media_id": A}), hour=1)
    assert counts(store) == [("Eurasian Hoopoe", 1)]


def test_drawn_box_that_nobody_named_is_an_animal(store: Path) -> None:
    say(store, ("nothing", {"media_id": BLANK}))
    say(store, ("noted", drawn(BLANK)), hour=1)
    decide(store, options())
    box = boxes(store)[-1]
    assert (box.kind, box.needs_review, box.suppressed, box.reviewed_by) == ("uncertain", True, False, "Noa")
    say(store, ("animal", drawn(BLANK)), hour=2)
    decide(store, options())
    assert (boxes(store)[-1].display_name, boxes(store)[-1].needs_review) == ("animal", False)


def test_moved_box_changes_its_place_alone(store: Path) -> None:
    of = {"media_id": B, "frame_number": 0, "box": 0}
    before = boxes_of(store)
    say(store, ("noted", {**of, "xywh": PLACE}))
    after = boxes_of(store)
    assert (after[2].x, after[2].y, after[2].w, after[2].h, after[2].box_by) == (*PLACE, "Noa")
    assert (after[2].name, after[2].reviewed_by) == (before[2].name, None)
    assert after[:2] == before[:2]


def boxes_of(store: Path) -> list[DetectionRecord]:
    decide(store, options())
    return boxes(store)


def test_blank_that_was_looked_at(store: Path) -> None:
    say(store, ("nothing", {"media_id": BLANK}))
    said = say(store, ("nothing", {"media_id": B}))
    summary = decide(store, options())
    media = decided(store)
    assert {path: item.blank_by for path, item in media.items()} == {"a.jpg": None, "b.jpg": "Noa", "blank.jpg": "Noa"}
    assert media["blank.jpg"].blank_at == START
    assert (summary.blank, summary.lost_reviews) == (2, 0)
    withdraw(store, said, "Dan", START + timedelta(hours=1))
    decide(store, options())
    assert (decided(store)["b.jpg"].blank, decided(store)["b.jpg"].blank_by) == (False, None)


def test_boxes_of_nowhere_are_lost(store: Path) -> None:
    say(store, ("bird", {**drawn(BLANK), "frame_number": 7, "box": 1_000_001}))
    say(store, ("noted", {"media_id": media_id("card", "gone.jpg"), "sex": "male"}))
    assert decide(store, options()).lost_reviews == 2
    assert len(boxes(store)) == 3


def test_higher_names_work_through(store: Path) -> None:
    """A genus, a family, an order; each with its rank, and in exports."""
    said = {"Oenanthe": "genus", "Muscicapidae": "family", "Passeriformes": "order"}
    for hour, (name, rank) in enumerate(said.items()):
        say(store, ("named", {"media_id": B, "frame_number": 0, "box": 0, "name": name}), hour=hour)
        decide(store, options())
        box = boxes(store)[2]
        assert (box.name, box.rank, box.kind, box.confidence) == (name, rank, "bird", 1)
        export(store, ("csv", "megadetector", "coco"))
        assert name in (store / "results.csv").read_text("utf-8-sig")


def test_words_reach_wheatears_too(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    """In a file of two species a count says of which."""
    store = facts_maker.write(tmp_path / "two", [photo("a.jpg", 0, packed=[HOOPOE, WHEATEAR])], species=SPECIES)
    say(store, ("noted", {"media_id": A, "count": 4, "name": "Northern Wheatear"}))
    assert sorted(counts(store)) == [("Eurasian Hoopoe", 1), ("Northern Wheatear", 4)]
    say(store, ("noted", {"media_id": A, "count": 1}), hour=1)
    assert sorted(counts(store)) == [("Eurasian Hoopoe", 1), ("Northern Wheatear", 1)], "one of each stays"


def test_count_of_a_file_outdoes_an_earlier_count_of_a_box_within_another(
    tmp_path: Path, facts_maker: Maker, photo: Photo
) -> None:
    body = facts_maker.box(x=0.1, y=0.1, w=0.5, h=0.5, logits=HOOPOE, label_scores=(0.9,))
    head = facts_maker.box(x=0.2, y=0.2, w=0.1, h=0.1, logits=HOOPOE, label_scores=(0.8,))
    row = photo("a.jpg", 0)[0]
    store = facts_maker.write(tmp_path / "nested", [[replace(row, detections=(body, head))]], species=SPECIES)
    assert counts(store) == [("Eurasian Hoopoe", 1)]
    say(store, ("noted", {"media_id": A, "frame_number": 0, "box": 1, "count": 2}))
    assert counts(store) == [("Eurasian Hoopoe", 2)]
    say(store, ("noted", {"media_id": A, "count": 3}), hour=1)
    assert counts(store) == [("Eurasian Hoopoe", 3)]
    assert [box.count for box in boxes(store)] == [3, 0]


def test_a_bird_that_the_models_were_wholly_sure_of_is_not_named_by_who_calls_it_a_bird(
    tmp_path: Path, facts_maker: Maker, photo: Photo
) -> None:
    items = [photo("a.jpg", 0, packed=[logits(60), logits(60)])]
    store = facts_maker.write(tmp_path / "sure", items, species=SPECIES)
    say(store, ("bird", {"media_id": A, "frame_number": 0, "box": 0}))
    say(store, ("named", {"media_id": A, "frame_number": 0, "box": 1, "name": "Upupa epops"}))
    decide(store, options())
    assert [(box.name, box.said_species) for box in boxes(store)] == [
        ("Upupa epops", None), ("Upupa epops", "Upupa epops"),
    ]  # fmt: skip
