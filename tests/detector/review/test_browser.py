"""The review in Chromium: by keys and mouse, in two tabs, and with the program killed in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.store.reviews.log import import_reviews, read_reviews, read_words
from tests.detector.review.conftest import HOSTILE
from tests.detector.review.driving import Program, Tab, faults

pytestmark = pytest.mark.browser
OF_A_KILL = ("ERR_CONNECTION_", "ERR_CONTENT_LENGTH_MISMATCH")  # what Chromium says of a program that is gone
# the key of A while Hebrew letters are on
HEBREW_A = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ש', code: 'KeyA', bubbles: true}))"


@pytest.fixture
def started(store: Path) -> Iterator[Any]:
    """`started()` starts the program; it ends with the test."""
    programs: list[Program] = []

    def start() -> Program:
        programs.append(Program(store))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


@pytest.fixture
def tabs(chromium: Any) -> Iterator[Any]:
    """`tabs(address)` opens a tab; at the end nothing may have gone wrong in any, or been asked of anybody else."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened: list[Tab] = []

    def tab(address: str) -> Tab:
        opened.append(Tab(context, address))
        return opened[-1]

    yield tab
    context.close()
    for each in opened:
        assert [text for text in each.said if not any(cut in text for cut in OF_A_KILL)] == []
        assert [url for url in each.asked if not url.startswith("http://127.0.0.1:")] == []


def identity(store: Path) -> dict[str, str]:
    """What stands in the store: of boxes and files, by the paths of these."""
    from detector.store.reader import FactsReader

    paths = {rows[0].media_id: rows[0].path for rows in FactsReader(store).items()}
    return {paths[str(word.media_id)]: word.name or word.verdict for word in read_words(store).identity}


def test_a_morning_of_review_by_keys(started, tabs, store):
    tab = tabs(started().address)
    tab.count("all", 8)
    tab.go("all")
    key = tab.page.locator("[data-name]", has_text="Eurasian Hoopoe").get_attribute("data-name")
    tab.page.click(f"[data-name='{key}']")
    tab.page.wait_for_function("() => document.querySelectorAll('#grid > li').length === 4")
    tab.first()
    tab.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert tab.page.inner_text(".how-many") == "3 selected"
    tab.page.evaluate(HEBREW_A)
    tab.says("3 pictures: accepted. Saved.")
    tab.press("n")
    tab.page.wait_for_selector("#found li")
    tab.page.keyboard.type("isabelline wh")
    tab.press("Enter")
    tab.says("1 picture: Oenanthe isabellina. Saved.")
    assert sorted(identity(store).values()) == ["Oenanthe isabellina", "Upupa epops", "Upupa epops", "Upupa epops"]
    tab.count("reviewed", 4)
    tab.press("u")
    tab.says("Taken back: Oenanthe isabellina.")
    tab.press("Control+z")
    tab.says("Taken back: accepted.")
    tab.count("reviewed", 0)
    assert identity(store) == {}
    assert len(read_reviews(store)) == 6


def test_sort_filter_and_bulk_accept(started, tabs, store):
    tab = tabs(started().address)
    tab.go("all")
    tab.page.select_option("[data-filter=order]", "time")
    tab.page.wait_for_function(
        "() => document.querySelector('#grid > li .soft:last-child').textContent.includes('06:30')"
    )
    assert tab.titles()[0].startswith("Eurasian Hoopoe")
    tab.page.click("[data-key=all]")
    tab.says("Choose one name first")
    pressed = (
        "[...document.querySelectorAll('#side [aria-pressed=true]')].map((each) => each.innerText.split('\\n')[0])"
    )
    for name, count in (("Eurasian Hoopoe", 4), ("All names", 8), ("wheatear", 3)):
        tab.page.locator("#side [data-name]", has_text=name).click()
        tab.page.wait_for_function("n => document.querySelectorAll('#grid > li').length === n", arg=count)
        tab.page.wait_for_selector(f"#side [aria-pressed=true]:has-text('{name}')")
        [chosen] = tab.page.evaluate(pressed)
        assert name in chosen
    tab.page.click("[data-key=all]")
    tab.page.click("#dialog .pair.wide button")
    tab.says("3 pictures: accepted. Saved.")
    assert set(identity(store).values()) == {"Oenanthe"}
    tab.page.click("#undo")
    tab.says("Taken back: accepted.")
    assert identity(store) == {}
    tab.go("blanks")
    tab.page.click("#confirm")
    tab.page.wait_for_function(
        "() => document.getElementById('missed').textContent.includes('0 of the first 3 show a bird')"
    )


def test_the_mouse_selects_one_a_row_and_all_that_a_drag_touches(started, tabs):
    tab = tabs(started().address)
    tab.go("all")
    cards = tab.page.locator("#grid > li")
    cards.nth(0).click()
    cards.nth(2).click(modifiers=["Shift"])
    assert tab.page.locator("#grid > li[aria-selected=true]").count() == 3
    cards.nth(4).click(modifiers=["Control"])
    assert tab.page.locator("#grid > li[aria-selected=true]").count() == 4
    tab.press("Escape")
    one, other = cards.nth(0).bounding_box(), cards.nth(1).bounding_box()
    tab.page.mouse.move(one["x"] + 5, one["y"] + 5)
    tab.page.mouse.down()
    tab.page.mouse.move(other["x"] + 30, other["y"] + 30, steps=5)
    tab.page.mouse.up()
    assert tab.page.locator("#grid > li[aria-selected=true]").count() == 2
    tab.page.keyboard.press("Control+a")
    assert tab.page.inner_text(".how-many") == "8 selected"


def test_keys_are_meant_for_the_picture_that_has_the_focus_or_was_seen_last(started, tabs, store):
    tab = tabs(started().address)
    tab.go("all")
    cards = tab.page.locator("#grid > li")
    ids = [str(cards.nth(place).get_attribute("id")).removeprefix("card-") for place in range(cards.count())]
    cards.nth(4).focus()  # as a screen reader does, by no key or click of the page's
    tab.press("x")
    tab.says("1 picture: no animal. Saved.")
    cards.nth(0).focus()
    tab.press("Enter")
    tab.page.wait_for_selector("#viewer[open] .plane img")
    for place in (1, 2):
        tab.press("ArrowRight")
        tab.page.wait_for_selector(f".plane img[src*='media={ids[place].partition(':')[0]}&']")
    tab.press("Escape")
    tab.page.wait_for_selector("#viewer[open]", state="detached")
    tab.press("p")
    tab.says("1 picture: person. Saved.")
    said = {f"{word.media_id}:{word.frame_number}:{word.box}": word.verdict for word in read_words(store).identity}
    assert said == {ids[4]: "nothing", ids[2]: "person"}


def test_when_others_change_what_is_there_no_key_is_taken_for_another_picture(started, tabs, store):
    tab = tabs(started().address)
    tab.go("all")
    tab.page.locator("#grid > li").nth(2).click()
    chosen = "[...document.querySelectorAll('#grid > [aria-selected=true]')].map((each) => each.id)"
    [one] = tab.page.evaluate(chosen)

    def everything(route: Any) -> None:
        answer = route.fetch().json()
        route.fulfill(json={**answer, "everything": True, "revision": answer["revision"] + (1 if left else 2)})

    def without(route: Any) -> None:
        answer = route.fetch().json()
        route.fulfill(json={**answer, "cards": [card for card in answer["cards"] if f"card-{card['id']}" != one]})

    for left in ([one], []):
        if not left:
            tab.page.route("**/api/boxes*", without)
        tab.page.evaluate("document.getElementById('grid').setAttribute('data-before', '')")
        tab.page.route("**/api/changes*", everything, times=1)
        tab.page.wait_for_selector("#grid:not([data-before])")
        assert tab.page.evaluate(chosen) == left
    tab.press("x")
    tab.says("Select pictures first.")
    assert read_reviews(store) == []


def test_what_was_said_outlives_a_kill_and_is_where_it_was(started, tabs, store):
    program = started()
    tab = tabs(program.address)
    tab.go("all")
    tab.first()
    for _ in range(3):
        tab.press("x")
        tab.says("1 picture: no animal. Saved.")
        tab.page.wait_for_function(
            "() => !document.querySelector('.tick') || !document.body.textContent.includes('saving')"
        )
    program.kill()
    saved = identity(store)
    assert list(saved.values()) == ["nothing"] * 3
    tab.press("x")
    tab.says("Nothing was saved")
    assert identity(store) == saved
    again = tabs(started().address)
    again.says("Welcome back, Noa")
    again.page.wait_for_selector("[data-queue=all][aria-current=page]")
    again.count("all", 5)
    again.press("u")
    again.says("Taken back: no animal.")
    again.count("all", 6)


def test_an_answer_that_was_cut_is_none(started, tabs):
    tab = tabs(started().address)
    cut = {"body": '{"recent": [', "content_type": "application/json"}
    tab.page.route("**/api/summary*", lambda route: route.fulfill(**cut))
    tab.page.click("[data-queue=all]")
    tab.says("The program gave no whole answer")
    tab.page.unroute("**/api/summary*")
    tab.go("all")
    tab.first()
    tab.press("p")
    tab.says("1 picture: person. Saved.")


def test_two_tabs_see_what_each_says(started, tabs):
    address = started().address
    one = tabs(address)
    other = tabs(address.partition("#")[0])  # the cookie opens the second
    for tab in (one, other):
        tab.go("all")
    one.first()
    one.press("p")
    one.says("1 picture: person. Saved.")
    other.page.wait_for_function("() => document.querySelectorAll('#grid > li.said').length === 1")
    other.count("reviewed", 1)
    other.press("u")
    other.says("Taken back: person.")
    one.page.wait_for_function("() => document.querySelectorAll('#grid > li.said').length === 0")
    other.page.click("#who")
    other.page.fill("#dialog input", "Dan")
    other.press("Enter")
    other.page.wait_for_function("() => sessionStorage.getItem('reviewer') === 'Dan'")
    for tab, name in ((one, "Noa"), (other, "Dan")):  # nobody becomes who spoke last
        tab.page.reload()
        tab.page.wait_for_selector("html[data-ready=true]")
        assert tab.page.inner_text("#who") == name


def test_a_missed_bird_is_drawn_and_a_box_mended_by_keys(started, tabs, store):
    tab = tabs(started().address)
    tab.go("blanks")
    tab.page.locator("[data-file]").first.click()
    tab.page.wait_for_selector("#viewer[open] .plane img")
    tab.page.wait_for_function("() => document.querySelector('.plane img').naturalWidth > 0")
    tab.page.click("#draw-box")
    box = tab.page.locator(".plane").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5, steps=4)
    tab.page.mouse.up()
    tab.page.wait_for_selector("#name-text")
    tab.page.keyboard.type("great tit")
    tab.press("Enter")
    tab.says("The box is saved.")
    [drawn] = read_words(store).place
    assert (drawn.name, drawn.is_drawn) == ("Parus major", True)
    assert drawn.xywh == pytest.approx((0.25, 0.25, 0.25, 0.25), abs=0.01)
    tab.page.wait_for_selector("[data-act=mend]")  # it was counted meanwhile
    tab.page.click("[data-act=mend]")
    tab.press("ArrowRight", "ArrowRight", "Shift+ArrowDown", "Enter")
    tab.page.wait_for_function("() => document.getElementById('undo').textContent.includes('moved')")
    [mended] = read_words(store).place
    assert mended.xywh == pytest.approx((0.258, 0.25, 0.25, 0.258), abs=0.01)
    tab.press("Escape")
    tab.page.wait_for_function(
        "() => document.getElementById('missed').textContent.includes('1 of the first 1 show a bird')"
    )


def test_nothing_that_a_file_or_person_says_becomes_markup(started, tabs, store):
    tab = tabs(started().address)
    tab.page.click("#who")
    tab.page.fill("#dialog input", HOSTILE)
    tab.press("Enter")
    tab.page.wait_for_function("text => document.getElementById('who').textContent === text", arg=HOSTILE)
    tab.go("all")
    tab.first()
    tab.press("p")
    tab.says("person. Saved.")
    assert read_reviews(store)[0].reviewer == HOSTILE
    tab.press("Enter")
    tab.page.wait_for_selector("#viewer[open] .lines")
    tab.press("Escape")
    tab.go("failed")
    tab.page.wait_for_selector("#body table")
    assert HOSTILE in tab.page.text_content("#body")
    assert tab.page.locator("img[src=x]").count() == 0


def test_nothing_that_a_users_table_says_becomes_markup(started, tabs, store):
    """Names in a taxonomy, places, comments, reviewers and cards: all that comes from files of the user's."""
    word = f'"{HOSTILE}"'
    tables = {
        "taxonomy.csv": (
            "class_name,scientific_name,english_name,hebrew_name",
            "Eurasian hoopoe,Upupa epops,WORD,WORD",
        ),
        "deployments.csv": ("deploymentID,card,folder,locationName", "WORD,card,,WORD"),
        "said.csv": ("card,path,frame_number,box,verdict,reviewer,comment", "card,hoopoe0.jpg,0,0,bird,WORD,WORD"),
    }
    for name, lines in tables.items():
        (store / name).write_text("\n".join(lines).replace("WORD", word), encoding="utf-8")
    assert import_reviews(store, store / "said.csv").new == 1
    decide(store, DecideOptions(taxonomy=str(store / "taxonomy.csv"), deployments=str(store / "deployments.csv")))
    tab = tabs(started().address)
    for language in ("english", "hebrew", "scientific"):
        tab.page.select_option("#language", language)
        for queue in ("reviewed", "blanks", "failed", "all"):
            tab.go(queue)
            tab.page.wait_for_selector("#body > *")
    tab.page.select_option("#language", "english")
    # by its text, as what is out of sight is not laid out
    tab.page.wait_for_function("text => document.getElementById('side').textContent.includes(text)", arg=HOSTILE)
    assert HOSTILE in tab.page.inner_text("[data-filter=place]")
    tab.first()
    for opening in ("n", "e", "Enter"):
        tab.press(opening)
        tab.page.wait_for_selector("dialog[open]")
        tab.page.wait_for_timeout(200)
        tab.press("Escape")
        tab.first()
    tab.go("reviewed")
    tab.first()
    tab.press("Enter")
    tab.page.wait_for_selector("#viewer[open] .history", state="attached")
    assert HOSTILE in tab.page.text_content("#viewer .history")
    assert tab.page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_a_screen_reader_and_a_phone_find_nothing_wrong(started, tabs, store, width):
    tab = tabs(started().address)
    tab.page.set_viewport_size({"width": width, "height": 844})
    fold = tab.page.locator("#side details.fold")
    for queue in ("all", "blanks", "failed"):
        if not fold.evaluate("each => each.open"):
            fold.locator("summary").first.click()
        tab.go(queue)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        assert faults(tab.page) == []
    if not fold.evaluate("each => each.open"):
        fold.locator("summary").first.click()
    tab.go("all")
    tab.first()
    for opening in ("Enter", "?", "n", "s", "e", "#export", "#who"):
        if opening.startswith("#"):
            tab.page.click(opening)
        else:
            tab.press(opening)
        tab.page.wait_for_selector("dialog[open]")
        tab.page.wait_for_timeout(300)
        assert faults(tab.page) == [], opening
        tab.press("Escape")
        tab.page.wait_for_selector("dialog[open]", state="detached")
        tab.first()
