"""The order of words: the last on a thing wins, and what is taken back was never said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.store.layout import reviews_folder
from detector.store.reviews import growing as module
from detector.store.reviews.growing import GrowingReviews
from detector.store.reviews.log import (
    Review,
    Words,
    append_reviews,
    drawn_number,
    latest_words,
    read_reviews,
    read_words,
    said_now,
    withdraw,
)
from detector.store.schema import REVIEWS

NOON = datetime(2024, 5, 1, 12)
PLACE = (0.25, 0.25, 0.5, 0.5)
OLD = ("reviewed_at", "reviewer", "media_id", "frame_number", "box", "repeat_group", "verdict", "name", "comment")


def test_nobody_said_anything(tmp_path: Path) -> None:
    assert latest_words([]) == read_words(tmp_path) == GrowingReviews(tmp_path).words() == Words()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"verdict": "noted"}, "comes with a sex"),
        ({"verdict": "noted", "sex": "hen"}, "sex 'hen' is none of female, male"),
        ({"verdict": "noted", "life_stage": "old"}, "life stage"),
        ({"verdict": "noted", "count": 0}, "1 or more"),
        ({"verdict": "nothing", "count": 2}, "`nothing` comes with no"),
        ({"verdict": "noted", "sex": "male", "name": "Upupa epops"}, "no other does"),
        ({"verdict": "bird", "xywh": PLACE}, "of one box"),
        ({"verdict": "bird", "frame_number": 0, "box": 1, "xywh": (0.5, 0.5, 0.6, 0.1)}, "is no box"),
        ({"verdict": "bird", "frame_number": 0, "box": 1, "xywh": (0.5, 0.5, 0.0, 0.1)}, "is no box"),
        ({"verdict": "bird", "frame_number": 0, "box": 1, "xywh": (float("nan"), 0.5, 0.1, 0.1)}, "is no box"),
        ({"verdict": "withdrawn", "withdraws": "1"}, "with no media item"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Review(NOON, "Noa", **({"media_id": "m"} | wrong))


def test_everything_comes_back_as_it_was_said(tmp_path: Path) -> None:
    said = [
        Review(NOON, "Noa", "named", "m", 0, 1, name="Upupa epops", sex="male", life_stage="adult", count=2),
        Review(NOON, "Noa", "bird", "m", 0, drawn_number("m", 0, PLACE), xywh=(-1e-4, 0.1, 0.333, 0.2)),
        Review(NOON, "Noa", "noted", "m", count=3, name="Upupa epops"),
    ]
    said_id = append_reviews(tmp_path, said)
    found = read_reviews(tmp_path)
    assert found == said
    assert {review.said_id for review in found} == {said_id}
    assert found[1].xywh == pytest.approx((0, 0.1, 0.3329, 0.2))


def test_reviews_of_earlier_versions_are_read(tmp_path: Path) -> None:
    schema = pa.schema([REVIEWS.field(name) for name in OLD])
    row = dict(zip(OLD, (NOON, "Noa", "m", 0, 1, None, "named", "Upupa epops", None), strict=True))
    reviews_folder(tmp_path).mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row], schema=schema), reviews_folder(tmp_path) / "20240501T120000.parquet")
    (review,) = read_reviews(tmp_path)
    assert review == Review(NOON, "Noa", "named", "m", 0, 1, name="Upupa epops")
    assert (review.said_id, review.xywh, read_words(tmp_path).identity) == (None, None, (review,))


def test_undo_of_two_hundred_boxes_is_one_word_and_brings_those_of_others_back(tmp_path: Path) -> None:
    before = [Review(NOON, "Dan", "named", "m", 0, box, name="Corvus cornix") for box in range(200)]
    append_reviews(tmp_path, before)
    later = NOON + timedelta(hours=1)
    bulk = append_reviews(tmp_path, [Review(later, "Noa", "bird", "m", 0, box) for box in range(200)])
    assert {review.reviewer for review in read_words(tmp_path).identity} == {"Noa"}
    undone = withdraw(tmp_path, str(bulk), "Noa", later)
    assert list(read_words(tmp_path).identity) == before
    withdraw(tmp_path, undone, "Noa", later)
    assert {review.reviewer for review in read_words(tmp_path).identity} == {"Noa"}
    assert [review.reviewer for review in read_reviews(tmp_path)][-2:] == ["Noa", "Noa"], "who and when is kept"


boxes = st.integers(0, 1)
counts, sexes = st.sampled_from([None, 1, 2]), st.sampled_from([None, "female", "male"])
notes = st.fixed_dictionaries({"sex": sexes, "count": counts})


@st.composite
def goes(draw: st.DrawFn) -> list[list[Review]]:
    """What people say, go after go."""
    said: list[list[Review]] = []
    for number in range(draw(st.integers(0, 6))):
        go = []
        for _ in range(draw(st.integers(1, 3))):
            box, verdict = draw(boxes), draw(st.sampled_from(["bird", "animal", "nothing"]))
            extra = draw(notes) if verdict != "nothing" else {}
            when = NOON + timedelta(minutes=number)
            go.append(Review(when, draw(st.sampled_from("AB")), verdict, "m", 0, box, **extra, said_id=f"{number}"))
        said.append(go)
    return said


def flat(said: list[list[Review]]) -> list[Review]:
    return [review for go in said for review in go]


@given(goes(), st.data())
def test_what_is_taken_back_was_never_said_and_said_again_it_was(said: list[list[Review]], data: st.DataObject) -> None:
    late = NOON + timedelta(hours=1)
    for number, go in enumerate(said):
        undo = Review(late, "C", "withdrawn", withdraws=f"{number}", said_id="undo")
        redo = replace(undo, withdraws="undo", said_id="redo")
        without = flat([each for each in said if each is not go])
        assert latest_words([*flat(said), undo]) == latest_words(without)
        assert latest_words([*flat(said), undo, redo]) == latest_words(flat(said))
        again = replace(undo, withdraws="redo", said_id="again")
        assert latest_words([*flat(said), undo, redo, again]) == latest_words(without)


@given(goes())
def test_last_word_on_each_thing_wins(said: list[list[Review]]) -> None:
    last: dict[str, dict[int | None, Review]] = {"identity": {}, "sex": {}, "count": {}}
    for review in flat(said):
        last["identity"][review.box] = review
        for name in ("sex", "count"):
            if getattr(review, name) is not None:
                last[name][review.box] = review
    words = latest_words(flat(said))
    assert {review.box: review for review in words.identity} == last["identity"]
    assert {review.box: review for review in words.sex} == last["sex"]
    assert {review.box: review for review in words.count} == last["count"]


def test_growing_reviews_read_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = GrowingReviews(tmp_path)
    append_reviews(tmp_path, [Review(NOON, "Noa", "bird", "m")])
    assert growing.read() == read_reviews(tmp_path)
    append_reviews(tmp_path, [Review(NOON, "Noa", "animal", "m")])
    read = []
    real = module._read_part
    monkeypatch.setattr(module, "_read_part", lambda path: read.append(path) or real(path))
    assert [review.verdict for review in growing.words().identity] == ["animal"]
    found = growing.read()
    assert len(read) == 1
    assert found == read_reviews(tmp_path)


def test_many_parts_become_one_and_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module.join_parts(tmp_path)
    monkeypatch.setattr(module, "MANY_PARTS", 3)
    test_reviews_of_earlier_versions_are_read(tmp_path)
    for minute in (2, 1, 1):
        said_id = append_reviews(tmp_path, [Review(NOON + timedelta(minutes=minute), "Noa", "bird", "m", 0, minute)])
    withdraw(tmp_path, str(said_id), "Noa", NOON)
    growing = GrowingReviews(tmp_path)
    before, ids = growing.read(), [review.said_id for review in read_reviews(tmp_path)]
    for _ in range(2):
        module.join_parts(tmp_path)
        assert len(list(reviews_folder(tmp_path).iterdir())) == 1
        assert read_reviews(tmp_path) == growing.read() == before
        assert [review.said_id for review in read_reviews(tmp_path)] == ids
        for verdict in ("bird", "animal", "person"):
            append_reviews(tmp_path, [Review(NOON + timedelta(hours=1), "Noa", verdict, "m")])
        before = read_reviews(tmp_path)
        ids = [review.said_id for review in before]


class SetBack(datetime):
    """A clock that somebody has set back by years."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime(2020, 1, 1, tzinfo=tz)


def test_a_clock_that_is_set_back_lets_no_earlier_word_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_reviews(tmp_path, [Review(said_now(tmp_path), "Noa", "bird", "m", 0, 1)])
    monkeypatch.setattr(module, "datetime", SetBack)
    assert said_now(tmp_path / "another") == SetBack.now(UTC)
    for verdict in ("person", "animal"):
        append_reviews(tmp_path, [Review(said_now(tmp_path), "Noa", verdict, "m", 0, 1)])
    assert [review.verdict for review in read_reviews(tmp_path)] == ["bird", "person", "animal"]
    last = max(reviews_folder(tmp_path).glob("*.parquet"))
    assert last.stat().st_mtime > datetime(2026, 1, 1).timestamp()
    withdraw(tmp_path, str(read_reviews(tmp_path)[-1].said_id), "Noa")
    assert [review.verdict for review in read_words(tmp_path).identity] == ["person"]


def test_a_word_of_a_table_that_is_of_the_future_is_outdone_by_what_is_said_then(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=3)  # a local time that was written without its offset
    append_reviews(tmp_path, [Review(soon, "Dan", "bird", "m", 0, 1)])
    append_reviews(tmp_path, [Review(said_now(tmp_path), "Noa", "person", "m", 0, 1)])
    assert [review.verdict for review in read_words(tmp_path).identity] == ["person"]
