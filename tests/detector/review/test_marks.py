"""What people say on the page: on the disk before the answer, seen at once, and taken back without being deleted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from detector.store.records_reader import read_media
from detector.store.reviews.log import Review, append_reviews, read_reviews, read_words


def decided(store, path):
    [item] = [item for item in read_media(store) if item.path == path]
    return [(found.display_name, found.suppressed, found.reviewed_by) for found in item.detections]


def test_an_empty_store_has_nothing_to_say_anything_of(opened, photos, tmp_path):
    page = opened(photos.write(tmp_path / "out", {}, tmp_path / "card"))
    assert page.boxes() == []
    assert set(page.queues().values()) == {0}
    assert page.get("/api/blanks")["missed"]["share"] is None
    page.mark("bird", 404, boxes=[photos.box("a.jpg")])
    page.undo(409)


def test_a_name_is_on_the_disk_when_it_is_answered_and_on_the_page_at_once(page, store, photos):
    answer = page.mark("named", name="Oenanthe isabellina", boxes=[photos.box("unsure0.jpg")])
    [review] = read_reviews(store)
    assert (review.reviewer, review.verdict, review.name) == ("Noa", "named", "Oenanthe isabellina")
    [card] = answer["cards"]
    assert (card["name"]["display"], card["reviewer"]) == ("Isabelline Wheatear", "Noa")
    assert answer["recent"] == ["Oenanthe isabellina"]
    assert page.names()["unidentified wheatear (Oenanthe sp.)"] == 2
    page.decided()
    assert decided(store, "unsure0.jpg") == [("Isabelline Wheatear", False, "Noa")]
    assert page.queues()["reviewed"] == 1


@pytest.mark.parametrize(
    ("say", "more", "name"),
    [
        ("accept", {}, "Eurasian Hoopoe"),
        ("bird", {}, "Eurasian Hoopoe"),
        ("animal", {}, "animal"),
        ("person", {}, "person"),
        ("vehicle", {}, "vehicle"),
        ("named", {"name": "Upupa"}, "unidentified hoopoe (Upupa sp.)"),
        ("named", {"name": "דוכיפת"}, None),
    ],
)
def test_what_the_page_shows_at_once_is_what_is_decided_then(page, store, photos, say, more, name):
    if name is None:
        assert "no name" in page.mark(say, 422, boxes=[photos.box("hoopoe0.jpg")], **more)["problem"]
        assert read_reviews(store) == []
        return
    page.mark(say, boxes=[photos.box("hoopoe0.jpg")], **more)
    shown = page.get("/api/file", media=photos.id("hoopoe0.jpg"))["cards"][0]
    page.decided()
    [(display, suppressed, reviewer)] = decided(store, "hoopoe0.jpg")
    assert (shown["name"]["display"], shown["suppressed"]) == (display, suppressed)
    assert (display, reviewer) == (name, "Noa")


def test_nothing_leaves_a_box_out_and_many_are_said_in_one_go(page, store, photos):
    boxes = [photos.box(f"hoopoe{number}.jpg") for number in range(3)]
    page.mark("nothing", boxes=boxes)
    assert page.names().get("Eurasian Hoopoe") == 1
    assert len({review.said_id for review in read_reviews(store)}) == 1
    page.decided()
    assert decided(store, "hoopoe1.jpg") == [("Eurasian Hoopoe", True, "Noa")]


def test_all_of_a_filter_are_accepted_as_many_as_the_person_was_told(page, store):
    summary = page.get("/api/summary", queue="all", reviewer="Noa")
    key = next(name["key"] for name in summary["names"] if name["display"] == "Eurasian Hoopoe")
    assert "look again" in page.mark("accept", 409, all={"queue": "all", "name": key, "expected": 99})["problem"]
    page.mark("accept", all={"queue": "all", "name": key, "expected": 4})
    assert len(read_reviews(store)) == 4
    assert "Eurasian Hoopoe" not in page.names()


def test_what_was_said_of_many_is_taken_back_as_a_whole_and_stays_on_the_disk(page, store, photos):
    before = page.names()
    page.mark("named", name="Upupa epops", boxes=[photos.box(f"unsure{number}.jpg") for number in range(3)])
    assert page.names() != before
    answer = page.undo()
    assert (answer["undone"], answer["undo"]) == ("Upupa epops", None)
    assert page.names() == before
    assert len(read_reviews(store)) == 4
    assert read_words(store).identity == ()
    page.decided()
    assert page.names() == before


def test_an_earlier_word_holds_again_also_one_of_another_day(opened, store, photos):
    first = opened(store)
    first.mark("person", boxes=[photos.box("hoopoe0.jpg")])
    first.decided()
    second = opened(store)
    second.mark("vehicle", boxes=[photos.box("hoopoe0.jpg")])
    second.undo()
    assert second.get("/api/file", media=photos.id("hoopoe0.jpg"))["cards"][0]["name"]["display"] == "person"
    assert second.undo()["undone"] == "person"
    second.decided()
    assert decided(store, "hoopoe0.jpg") == [("Eurasian Hoopoe", False, None)]
    assert second.undo(409)["problem"] == "there is nothing to take back"


def test_nobody_takes_back_what_another_said_or_what_came_in_between(page, photos):
    said = page.mark("bird", boxes=[photos.box("hoopoe0.jpg")])["undo"]["said"]
    page.undo(409, reviewer="Dan")
    page.mark("person", boxes=[photos.box("hoopoe0.jpg")])
    assert "meanwhile" in page.undo(409, said=said)["problem"]


def test_a_store_whose_reviews_came_after_its_decisions_is_decided_before_it_is_shown(opened, store, photos):
    item = photos.id("hoopoe0.jpg")
    append_reviews(store, [Review(datetime.now(UTC), "Noa", "person", item, 0, 0)])  # and then the computer went down
    assert opened(store).get("/api/file", media=item)["cards"][0]["name"]["display"] == "person"


def test_a_whole_file_is_named_or_blank(page, store, photos):
    page.mark("nothing", files=[photos.id("blank0.jpg"), photos.id("person.jpg")])
    page.mark("named", name="Upupa epops", files=[photos.id("unsure0.jpg")])
    page.decided()
    assert {each[1] for each in decided(store, "person.jpg")} == {True}
    assert decided(store, "unsure0.jpg") == [("Eurasian Hoopoe", False, "Noa")]
    blank = page.get("/api/file", media=photos.id("blank0.jpg"))["file"]
    assert (blank["state"], blank["reviewer"]) == ("blank", "Noa")
    page.mark("accept", 422, files=[photos.id("blank0.jpg")])


def test_a_missed_bird_is_drawn_and_a_box_mended(page, store, photos):
    item = photos.id("blank1.jpg")
    drawn = {"reviewer": "Noa", "media": item, "frame": 0, "xywh": [0.25, 0.25, 0.5, 0.5]}
    box = page.post("/api/draw", drawn | {"say": "named", "name": "Upupa epops"})["box"]
    page.decided()
    [card] = page.get("/api/file", media=item)["cards"]
    assert (card["id"], card["name"]["display"], card["drawn_by"]) == (box, "Eurasian Hoopoe", "Noa")
    page.post("/api/draw", drawn | {"box": card["box"], "xywh": [0.0, 0.0, 0.5, 0.25]})
    page.decided()
    [card] = page.get("/api/file", media=item)["cards"]
    assert (card["xywh"], card["name"]["display"]) == ([0.0, 0.0, 0.5, 0.25], "Eurasian Hoopoe")
    page.undo()
    page.decided()
    assert page.get("/api/file", media=item)["cards"][0]["xywh"] == [0.25, 0.25, 0.5, 0.5]
    page.post("/api/draw", drawn | {"xywh": [0.9, 0.9, 0.5, 0.5]}, 422)
    page.post("/api/draw", drawn | {"box": 77}, 404)


def test_sex_age_and_number_leave_the_name_alone(page, store, photos):
    page.mark("noted", boxes=[photos.box("hoopoe0.jpg")], alone=True, sex="male", life_stage="adult", count=2)
    page.decided()
    [card] = page.get("/api/file", media=photos.id("hoopoe0.jpg"))["cards"]
    assert (card["sex"], card["life_stage"], card["count"], card["reviewer"]) == ("male", "adult", 2, None)


def test_what_one_tab_says_another_is_told(page, photos):
    revision = page.get("/api/changes", since=0, reviewer="Noa")["revision"]
    page.mark("person", boxes=[photos.box("hoopoe0.jpg")])
    told = page.get("/api/changes", since=revision, reviewer="Dan")
    assert [card["name"]["display"] for card in told["cards"]] == ["person"]
    assert told["undo"] is None


def test_what_another_program_decides_is_shown(page, store, photos):
    from detector.decisions.decide import decide, stored_options

    item = photos.id("hoopoe0.jpg")
    revision = page.get("/api/changes", since=0, reviewer="Noa")["revision"]
    append_reviews(store, [Review(datetime.now(UTC), "Dan", "person", item, 0, 0)])
    decide(store, stored_options(store))
    told = page.get("/api/changes", since=revision, reviewer="Noa")
    assert [card["reviewer"] for card in told["cards"]] == ["Dan"]


def test_tables_are_written_after_what_was_said_was_decided(page, store, photos):
    page.mark("named", name="Parus major", boxes=[photos.box("hoopoe0.jpg")])
    answer = page.post("/api/export", {"formats": []})
    assert "results.csv" in answer["written"]
    assert "Great Tit" in (store / "results.csv").read_text(encoding="utf-8-sig")
    page.post("/api/export", {"formats": ["../secret"]}, 422)


def test_in_a_large_store_events_follow_at_once_and_tables_later(opened, store, photos, monkeypatch):
    from detector.review import desk

    monkeypatch.setattr(desk, "A_BOX_S", 1000)  # as if deciding took an hour
    page = opened(store)
    page.mark("named", name="Parus major", boxes=[photos.box(f"hoopoe{number}.jpg") for number in range(3)])
    revision = page.get("/api/changes", since=0, reviewer="Noa")["revision"]
    while page.get("/api/changes", since=revision, reviewer="Noa")["revision"] == revision:
        pass
    events = page.desk.look(lambda sight: sight._events)
    assert events["bird", "Great Tit"] == {"events": 3, "most": 1}
    assert decided(store, "hoopoe0.jpg")[0][0] == "Eurasian Hoopoe"
    page.decided()
    assert decided(store, "hoopoe0.jpg")[0][0] == "Great Tit"
