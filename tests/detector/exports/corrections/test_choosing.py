"""What of a picture is taught, what is background, and what nobody may learn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from detector.exports.corrections.choosing import Chooser, SpokenPicture
from detector.exports.corrections.parting import part_pictures
from detector.store.records import MediaRecord
from detector.store.reviews.log import Review, latest_words
from detector.types import media_id

NOON = datetime(2024, 6, 1, 12)
A = media_id("card", "a.jpg")
Taught = list[tuple[int, str | None]]


def choose(record: MediaRecord, *said: Review, labels: Any = "birds") -> list[SpokenPicture]:
    return list(Chooser(latest_words(said), labels).pictures(record))


def taught(pictures: list[SpokenPicture]) -> list[Taught]:
    return [[(box.found.box, box.category) for box in picture.boxes] for picture in pictures]


@pytest.fixture
def record(store_maker: SimpleNamespace) -> MediaRecord:
    """A confirmed hoopoe, one that nobody looked at, a faint box, a stone that is nothing, a fox and a flock."""
    make, by = store_maker.detection, {"reviewed_by": "Noa"}
    found = (
        make(A, box=0, **by),
        make(A, box=1),
        make(A, box=2, score=0.06),
        make(A, box=3, suppressed=True, **by),
        make(A, box=4, kind="animal", name="Vulpes vulpes", **by),
        make(A, box=5, count=7, **by),
        make(A, box=6, kind="uncertain", name=None, rank=None, **by),
    )
    return store_maker.media("a.jpg", detections=found)


def of(box: int | None = None, verdict: str = "bird") -> Review:
    return Review(NOON, "Noa", verdict, A, None if box is None else 0, box)


def test_nothing_is_chosen_where_nobody_spoke(record: MediaRecord) -> None:
    assert choose(record) == []
    assert choose(record, Review(NOON, "Noa", "bird", media_id("card", "b.jpg"))) == []


def test_what_nobody_looked_at_is_never_background(record: MediaRecord) -> None:
    words = [of(box) for box in (0, 3, 4, 5, 6)]
    assert taught(choose(record, *words)) == [[(0, "bird"), (1, None), (2, None), (5, None), (6, None)]]
    kinds = choose(record, *words, labels="kinds")
    assert taught(kinds)[0][:4] == [(0, "bird"), (1, None), (2, None), (4, "animal")]
    assert taught(choose(record, *words, labels="species"))[0][0] == (0, None), "that it is a bird names no species"
    named = replace(record, detections=(replace(record.detections[0], confidence=1.0), *record.detections[1:]))
    assert taught(choose(named, *words, labels="species"))[0][0] == (0, "Upupa epops")


def test_names_that_came_from_another_picture_of_the_burst_teach_no_box(record: MediaRecord) -> None:
    """The person saw the bird there, and not where the box lies here."""
    assert taught(choose(record, of(3, "nothing"))) == [[(box, None) for box in (0, 1, 2, 4, 5, 6)]]


def test_confirmed_blanks_are_negatives(store_maker: SimpleNamespace) -> None:
    blank = store_maker.media("a.jpg", blank=True, blank_by="Noa")
    assert choose(blank, of(verdict="nothing")) == [SpokenPicture(blank, 0)]
    film = store_maker.media("a.mp4", media_type="video", frames=tuple(range(0, 250, 25)), blank_by="Noa")
    assert [picture.frame_number for picture in choose(film)] == [0, 100, 225]
    assert choose(store_maker.media("a.jpg", blank=True)) == [], "that models found nothing says nobody"
    assert choose(store_maker.media("a.jpg", blank_by="Noa", failure="torn")) == []
    assert choose(store_maker.media("b.jpg", blank_by="Noa", duplicate_of=A)) == []


def test_word_on_a_film_is_of_the_frames_that_show_it(store_maker: SimpleNamespace) -> None:
    by = {"reviewed_by": "Noa"}
    found = (store_maker.detection(A, frame_number=0, **by), store_maker.detection(A, frame_number=25))
    film = store_maker.media("a.jpg", media_type="video", frames=(0, 25, 50), detections=found)
    assert [picture.frame_number for picture in choose(film, of(), of())] == [0]
    assert [picture.frame_number for picture in choose(film, Review(NOON, "Noa", "bird", A, 25))] == [25]


def test_first_pictures_of_a_repeat_that_is_nothing_are_taken(store_maker: SimpleNamespace) -> None:
    stone = {"repeat_group": f"{A}:0:0", "suppressed": True, "reviewed_by": "Noa"}
    chooser = Chooser(latest_words([Review(NOON, "Noa", "nothing", repeat_group=f"{A}:0:0")]))
    files = [store_maker.media(f"{n}.jpg", detections=[store_maker.detection(A, **stone)]) for n in range(30)]
    assert taught([picture for file in files for picture in chooser.pictures(file)]) == [[]] * 5


@pytest.mark.parametrize(
    ("deployments", "days", "expected"),
    [
        ([], [], []),
        (["a"] * 3, [""] * 3, [False] * 3),
        (["a"] * 8 + ["b"] * 2, [""] * 10, [False] * 8 + [True] * 2),
        (["a"] * 10, ["1"] * 2 + ["2"] * 8, [True] * 2 + [False] * 8),
    ],
)
def test_whole_deployments_or_days_are_kept_for_evaluation(deployments: list, days: list, expected: list) -> None:
    parting = part_pictures(deployments, days, [True] * len(days))
    assert list(parting.held_out) == expected
