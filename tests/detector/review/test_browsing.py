"""What is on the page: which pictures, in which order, a page at a time; names in all languages; the pace."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.evaluation.intervals import clopper_pearson
from detector.review import ordering, sight
from detector.review.boxes import Boxes
from detector.review.names import NameSearch
from detector.review.ordering import Likeness, ordered
from detector.review.progress import Pace
from detector.species.names.kinds import Kinds
from detector.store.reader import FactsReader
from tests.detector.decisions.small_facts import CLASSES, HOOPOE, TWO_WHEATEARS, logits


@pytest.fixture(scope="module")
def search():
    """All names: to list them takes a while."""
    return NameSearch(Kinds(), CLASSES)


def test_queues_hold_what_they_say(page, photos):
    assert page.queues() == {
        "review": 3, "disagree": 0, "rare": 0, "unnamed": 3, "repeats": 0, "all": 8, "reviewed": 0,
    }  # fmt: skip
    assert set(page.boxes("review")) == {photos.box(f"unsure{number}.jpg") for number in range(3)}
    page.mark("accept", boxes=[photos.box("unsure0.jpg")])
    assert page.queues()["review"] == 2
    summary = page.get("/api/summary", queue="review", reviewer="Noa")
    assert (summary["done"], summary["failed"]) == (1, 1)
    assert page.get("/api/failed")["files"][0]["failure"] == "image access failure"


def test_pages_go_on_behind_the_last_picture_whatever_was_said_meanwhile(page, monkeypatch):
    from detector.review.web import answers

    whole = page.boxes("all", order="unsure")
    monkeypatch.setattr(answers, "PAGE", 3)
    first = page.boxes("all", order="unsure")
    page.mark("nothing", boxes=first)
    page.mark("person", boxes=[whole[4]])
    page.decided()
    second = page.boxes("all", order="unsure", after=first[-1])
    assert (first, second) == (whole[:3], [whole[3], whole[5], whole[6]])
    answer = page.get("/api/boxes", queue="all", order="unsure", after=second[-1])
    assert ([card["id"] for card in answer["cards"]], answer["more"]) == (whole[7:], False)


def test_orders_are_what_they_are_called(page, photos):
    unsure = page.get("/api/boxes", queue="all", order="unsure")["cards"]
    sureness = [card["score"] if card["confidence"] is None else card["confidence"] for card in unsure]
    assert sureness == sorted(sureness)
    by_time = [card["time"] for card in page.get("/api/boxes", queue="all", order="time")["cards"]]
    assert by_time == sorted(by_time)
    latest = [card["time"] for card in page.get("/api/boxes", queue="all", order="latest")["cards"]]
    assert latest == by_time[::-1]


def test_alike_pictures_stand_beside_each_other(photos, tmp_path):
    looks = [HOOPOE, logits(11, 0, 0, 6), HOOPOE, logits(11, 0, 0, 6), HOOPOE]
    cards = {f"{number}.jpg": [{"logits": each}] for number, each in enumerate(looks)}
    store = photos.write(tmp_path / "out", cards, tmp_path / "card")
    boxes = Boxes(store, 0.2)
    boxes.confidence[:] = 0.9
    rows = ordered(boxes, np.arange(5), "alike", Likeness(FactsReader(store), boxes)).tolist()
    kinds = [row % 2 for row in rows]
    assert sum(one != other for one, other in pairwise(kinds)) == 1


def test_chains_of_many_are_made_of_near_ones_and_lose_none(monkeypatch):
    monkeypatch.setattr(ordering, "CHAIN", 10)
    likeness = object.__new__(Likeness)
    angle = np.random.default_rng(0).permutation(np.linspace(0, np.pi / 2, 100))
    likeness.vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)
    rows = likeness.chained(np.arange(100))
    assert sorted(rows.tolist()) == list(range(100))
    assert np.abs(np.diff(angle[rows])).mean() < np.abs(np.diff(angle)).mean() / 5


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("hoopoe", "Upupa epops"),
        ("upupa", "Upupa"),
        ("Oenanthe", "Oenanthe"),
        ("northern whea", "Oenanthe oenanthe"),
        ("isabelline", "Oenanthe isabellina"),
        ("wheatear isab", "Oenanthe isabellina"),
        ("Parus maj", "Parus major"),
        ("red fox", "Vulpes vulpes"),
        ("gray plover", "Pluvialis squatarola"),
    ],
)
def test_names_are_found_by_words_of_any_of_them(search, text, first):
    assert search.find(text)[0].name == first


def test_names_that_a_table_gives_are_found_in_its_language(opened, store, tmp_path, photos):
    table = tmp_path / "names.csv"
    table.write_text("class_name,scientific_name,hebrew_name\nEurasian hoopoe,Upupa epops,דוכיפת\n", encoding="utf-8")
    decide(store, DecideOptions(taxonomy=str(table)))
    page = opened(store)
    [name] = page.get("/api/names", text="דוכי")["names"]
    assert (name["name"], name["hebrew"], name["here"]) == ("Upupa epops", "דוכיפת", True)
    assert page.get("/api/names", text="")["names"] == []


def test_a_visit_is_all_birds_at_a_place_and_time_and_its_name_that_of_most(opened, photos, tmp_path):
    cards = {"a.jpg": [{"logits": HOOPOE}], "b.jpg": [{"logits": HOOPOE}], "c.jpg": [{"logits": TWO_WHEATEARS}]}
    store = photos.write(tmp_path / "out", cards, tmp_path / "card")
    page = opened(store)
    alone = page.get("/api/visit", box=photos.box("c.jpg"))
    assert len(alone["cards"]) == 1  # an hour later
    page.answers.close()
    decide(store, DecideOptions(independence_min=90))
    page = opened(store)
    visit = page.get("/api/visit", box=photos.box("c.jpg"))
    assert [vote["birds"] for vote in visit["votes"]] == [2, 1]
    assert visit["majority"]["name"] == "Upupa epops"
    page.mark("named", name="Upupa epops", boxes=[card["id"] for card in visit["cards"]])
    assert page.names() == {}


def test_missed_birds_are_those_of_the_random_sample_alone(page, photos):
    answer = page.get("/api/blanks")
    order = [file["media"] for file in answer["files"]]
    assert sorted(order) == sorted(map(photos.id, ("blank0.jpg", "blank1.jpg", "faint.jpg")))
    page.mark("nothing", files=[order[1]])
    assert page.get("/api/blanks")["missed"]["looked"] == 0  # the first one was passed over
    page.post("/api/draw", {"reviewer": "Noa", "media": order[0], "frame": 0, "xywh": [0.1, 0.1, 0.2, 0.2]})
    page.decided()
    missed = page.get("/api/blanks")["missed"]
    assert (missed["blank"], missed["looked"], missed["missed"], missed["share"]) == (3, 2, 1, 0.5)
    assert (missed["low"], missed["high"]) == clopper_pearson(1, 2)


def test_the_interval_of_a_share_is_the_one_of_the_books():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)  # Clopper and Pearson's tables
    assert clopper_pearson(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert clopper_pearson(10, 10) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_the_pace_is_that_of_work_and_not_of_coffee():
    now = 0.0
    pace = Pace(lambda: now)
    assert pace.seconds_for(100) is None
    for _ in range(11):
        pace.count(1)
        now += 4.0
    assert pace.seconds_for(100) == pytest.approx(400)
    now += 3600
    pace.count(1)
    assert pace.seconds_for(100) == pytest.approx(400)


def test_it_begins_where_a_person_stopped(opened, store):
    first = opened(store)
    assert first.get("/api/start")["where"] is None
    where = {"reviewer": "Dan", "queue": "unnamed", "name": None, "order": "time", "language": "hebrew"}
    first.post("/api/where", where)
    again = opened(store).get("/api/start")
    assert (again["reviewer"], again["where"]) == ("Dan", where)
    assert first.get("/api/start")["reviewer"] == "Dan"
    assert first.get("/api/start", reviewer="Noa")["reviewer"] == "Noa"  # a tab of her own, that is loaded again
    (store / "reviews" / "where.json").write_text("[{]")
    assert opened(store).get("/api/start")["where"] is None


def test_the_orders_of_the_filters_that_were_seen_last_are_kept(page, monkeypatch):
    monkeypatch.setattr(sight, "ORDERS_KEPT", 2)
    for order in ("time", "sure", "time", "unsure"):
        page.boxes("all", order=order)
    assert page.desk.look(lambda seen: [wanted.order for wanted in seen._ranks]) == ["time", "unsure"]
