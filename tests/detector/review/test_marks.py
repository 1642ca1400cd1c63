"""What people say on the page: on the disk before the answer, seen at once, and taken back without being deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detector.decisions.decide import decide, stored_options
from detector.review import deciding, desk
from detector.store.records_reader import read_media
from detector.store.reviews.log import Review, append_reviews, read_reviews, read_words
from tests.detector.decisions.small_facts import HOOPOE


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
    revision = page.get("/api/changes", since=0, reviewer="Noa")["revision"]
    box = page.post("/api/draw", drawn | {"say": "named", "name": "Upupa epops"})["box"]
    page.decided()
    told = page.get("/api/changes", since=revision, reviewer="Noa")
    assert (told["everything"], [each["id"] for each in told["cards"]]) == (False, [box])
    assert [(file["id"], file["state"]) for file in told["files"]] == [(item, "missed")]
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
    monkeypatch.setattr(desk, "A_BOX_S", 1000)  # as if deciding took an hour
    monkeypatch.setattr(deciding, "QUIET_S", 0.01)
    page = opened(store)
    page.mark("named", name="Parus major", boxes=[photos.box(f"hoopoe{number}.jpg") for number in range(3)])
    assert page.counted("Great Tit", events=3) == {"events": 3, "most": 1}
    drawn = {"media": photos.id("blank1.jpg"), "frame": 0, "xywh": [0.25, 0.25, 0.5, 0.5]}
    page.post("/api/draw", {"reviewer": "Noa", **drawn, "say": "named", "name": "Parus major"})
    assert page.counted("Great Tit", events=4) == {"events": 4, "most": 1}
    assert decided(store, "hoopoe0.jpg")[0][0] == "Eurasian Hoopoe"
    page.decided()
    assert decided(store, "hoopoe0.jpg")[0][0] == "Great Tit"
    again = opened(store)
    assert again.undo()["undone"] == "Parus major"  # the box that was drawn, on another day
    assert again.counted("Great Tit", events=3) == {"events": 3, "most": 1}


def test_what_was_said_while_decisions_were_made_is_decided_at_the_next_start(opened, store, photos, monkeypatch):
    item = photos.id("hoopoe0.jpg")

    def slowly_read(folder):
        words = read_words(folder)
        append_reviews(folder, [Review(datetime.now(UTC), "Noa", "person", item, 0, 0)])
        return words

    with monkeypatch.context() as patch:
        patch.setattr("detector.decisions.decide.read_words", slowly_read)
        decide(store, stored_options(store))  # and then the computer went down
    assert decided(store, "hoopoe0.jpg") == [("Eurasian Hoopoe", False, None)]
    assert opened(store).get("/api/file", media=item)["cards"][0]["name"]["display"] == "person"


def test_a_table_of_several_people_is_nobodys_to_take_back(opened, store, photos):
    now = datetime.now(UTC)
    noa, dan = (
        Review(now, who, "named", photos.id(f"hoopoe{number}.jpg"), 0, 0, name="Parus major")
        for number, who in enumerate(("Noa", "Dan"))
    )
    append_reviews(store, [noa, dan])  # as `decide --reviews` adds it
    page = opened(store)
    assert page.undo(409)["problem"] == "there is nothing to take back"
    append_reviews(store, [noa, replace(noa, media_id=photos.id("hoopoe2.jpg"), name="Upupa epops")])
    assert opened(store).undo()["undone"] == "different words"


def test_an_answer_tells_also_what_others_said_since_the_page_was_told(page, photos):
    revision = page.get("/api/changes", since=0, reviewer="Noa")["revision"]
    boxes = [photos.box(f"hoopoe{number}.jpg") for number in range(3)]
    page.mark("person", reviewer="Dan", boxes=boxes[:1])
    answer = page.mark("vehicle", boxes=boxes[1:2], since=revision)
    assert {card["id"]: card["name"]["display"] for card in answer["cards"]}.items() >= {
        (boxes[0], "person"),
        (boxes[1], "vehicle"),
    }
    page.mark("animal", reviewer="Dan", boxes=boxes[2:])
    answer = page.undo(since=answer["revision"])
    assert {boxes[1], boxes[2]} <= {card["id"] for card in answer["cards"]}


def test_nobody_accepts_a_name_that_another_gave_meanwhile(page, store, photos):
    box = photos.box("hoopoe0.jpg")
    seen = [page.get("/api/file", media=photos.id("hoopoe0.jpg"))["cards"][0]["name"]["key"]]
    page.mark("named", reviewer="Dan", name="Parus major", boxes=[box])
    assert "look again" in page.mark("accept", 409, boxes=[box], seen=seen)["problem"]
    assert [review.reviewer for review in read_reviews(store)] == ["Dan"]
    page.undo(reviewer="Dan")
    page.mark("accept", boxes=[box], seen=seen)
    assert [(word.reviewer, word.name) for word in read_words(store).identity] == [("Noa", "Upupa epops")]


def test_what_was_said_of_one_picture_of_a_bird_alone_stays_when_the_bird_is_named(opened, photos, tmp_path):
    photo = {f"{number}.jpg": [{"logits": HOOPOE}] for number in range(3)}
    store = photos.write(tmp_path / "out", photo, tmp_path / "card", timedelta(seconds=1))
    page = opened(store)
    [card] = page.get("/api/boxes", queue="all")["cards"]
    assert (card["id"], card["members"]) == (photos.box("0.jpg"), 3)
    page.mark("nothing", reviewer="Dan", boxes=[photos.box("1.jpg")], alone=True)
    page.mark("named", name="Parus major", boxes=[card["id"]])
    page.mark("accept", boxes=[card["id"]])
    page.decided()
    said = [decided(store, f"{number}.jpg")[0] for number in range(3)]
    assert said == [("Great Tit", False, "Noa"), ("Eurasian Hoopoe", True, "Dan"), ("Great Tit", False, "Noa")]


def test_a_group_of_repeats_is_one_picture_and_one_decision(opened, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(deciding, "QUIET_S", 0.01)
    stone = {"appearance": bytes(range(64))}
    bird = {"x": 0.7, "appearance": bytes(range(64, 0, -1)), "logits": HOOPOE}
    photo = {f"{number:02d}.jpg": [stone, bird] if number == 3 else [stone] for number in range(30)}
    store = photos.write(tmp_path / "out", photo, tmp_path / "card", timedelta(hours=5))
    page = opened(store)
    group = photos.box("00.jpg")

    def shown():
        counted = page.desk.look(lambda sight: int(sight.boxes.counted.sum()))
        return (
            page.queues()["repeats"],
            counted,
            page.get("/api/file", media=photos.id("09.jpg"))["cards"][0]["reviewer"],
        )

    [card] = page.get("/api/boxes", queue="repeats")["cards"]
    assert (card["id"], card["group"]) == (group, {"id": group, "boxes": 30, "media": 30, "left_out": 30})
    assert shown() == (1, 1, None)
    for say, more, count in (("real", {}, 31), ("nothing", {}, 1), ("named", {"name": "Parus major"}, 31)):
        page.mark(say, groups=[group], **more)
        assert len({review.said_id for review in read_words(store).identity}) == 1
        assert shown() == (0, count, "Noa"), say
        page.decided()
        assert shown() == (0, count, "Noa"), say
        page.undo()
        assert shown() == (1, 1, None), say
        page.decided()
        assert shown() == (1, 1, None), say
    page.mark("accept", 422, groups=[group])
    page.mark("named", 422, name="Parus major", count=2, groups=[group])
    assert "look again" in page.mark("nothing", 409, all={"queue": "repeats", "expected": 2})["problem"]
    page.mark("nothing", all={"queue": "repeats", "expected": 1})
    assert [word.repeat_group for word in read_words(store).identity] == [group]


def test_a_name_keeps_its_key_while_others_are_used(page, photos):
    boxes = [photos.box(f"hoopoe{number}.jpg") for number in range(3)]
    page.mark("named", name="Parus major", boxes=boxes[:1])
    page.mark("named", name="Upupa epops", boxes=boxes[1:2])
    for name in ("Upupa epops", "Parus major"):
        assert page.mark("named", name=name, boxes=boxes[2:])["recent"] == ["Parus major", "Upupa epops"]
    assert page.mark("accept", boxes=[photos.box("unsure0.jpg")])["recent"] == ["Parus major", "Upupa epops"]
