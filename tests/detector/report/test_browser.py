"""The report in Chromium, from the disk: it says nothing on the console, and asks nothing of the network."""

from dataclasses import replace

import pytest

from detector.exports.export import export
from detector.types import media_id

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=1</script>'


def test_an_empty_report_opens(visit, tmp_path, store_maker):
    folder = store_maker.write(tmp_path / "store", [])
    export(folder, ["report"])
    page = visit(folder).page
    assert page.inner_text("#species-body") == "Nothing was found."
    assert page.inner_text("#gallery-count") == "0 birds and things"


def test_it_shows_the_numbers_of_the_tables_and_filters_boxes(visit, decided_store):
    export(decided_store, ["report"])
    seen = visit(decided_store)
    page = seen.page
    facts = dict(line.split("\n")[::-1] for line in page.locator(".facts li").all_inner_texts())
    assert facts == {
        "bird species": "1", "bird events": "2", "detections": "7", "to review": "2", "camera-days": "3", "files": "8",
    }  # fmt: skip
    assert page.evaluate("hoopoe.countHours(false).hours.reduce((sum, count) => sum + count)") == 2
    assert page.evaluate("hoopoe.countHours(true).without") == 0
    assert page.inner_text("#gallery-count") == "5 birds and things"
    assert seen.choose("state", "review") == "1 bird or thing"
    assert seen.choose("state", "repeat") == "1 bird or thing"
    assert seen.choose("state", "left_out") == "1 bird or thing"
    assert seen.choose("state", "failed") == "1 file"
    assert "image access failure" in page.inner_text("#gallery-page")
    assert seen.choose("state", "") == "5 birds and things"
    page.click("text=More filters")
    page.check("[data-filter=every]")
    assert page.inner_text("#gallery-count") == "7 boxes"
    assert seen.choose("kind", "person") == "1 box"
    page.click("text=Reset")
    page.click("text=More filters")
    page.fill("[data-filter=from]", "2024-05-02")
    page.dispatch_event("[data-filter=from]", "change")
    assert page.inner_text("#gallery-count") == "1 bird or thing"


def test_what_has_no_confidence_comes_last_and_a_number_that_is_cleared_filters_nothing(visit, decided_store):
    export(decided_store, ["report"])
    page = visit(decided_store).page
    for order in ("sure", "unsure"):
        page.select_option('[data-filter="sort"]', order)
        assert page.locator(".card .title").last.text_content() == "person"
    page.click("text=More filters")
    for value, count in (("10", "0 birds and things"), ("", "5 birds and things")):
        page.fill("[data-filter=most]", value)
        page.dispatch_event("[data-filter=most]", "change")
        assert page.inner_text("#gallery-count") == count


def test_names_are_in_the_language_of_the_reader(visit, decided_store):
    export(decided_store, ["report"])
    page = visit(decided_store).page
    page.select_option("#language", "hebrew")
    name = page.locator("#species-body h3 bdi").first
    assert (name.inner_text(), name.get_attribute("lang")) == ("דוכיפת", "he")
    page.select_option("#language", "scientific")
    assert page.locator("#species-body h3 bdi").first.inner_text() == "Upupa epops"


def test_a_box_is_looked_at_and_left_by_keys_alone(visit, decided_store):
    export(decided_store, ["report"])
    page = visit(decided_store).page
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .lines")
    first = page.inner_text("#viewer .lines")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('#viewer .lines').innerText !== before", arg=first)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => document.querySelector('#viewer .lines').innerText === before", arg=first)
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_the_picture_that_was_asked_for_last_stays_however_slow_those_before_come(visit, decided_store):
    export(decided_store, ["report"])
    page = visit(decided_store).page
    page.locator(".card").nth(2).click()
    page.wait_for_selector("dialog[open] .lines")
    third = page.inner_text("#viewer .lines")
    page.keyboard.press("Escape")
    page.locator(".card").first.click()
    page.wait_for_selector("dialog[open] .lines")
    page.evaluate(
        """() => {
            const [details, waits] = [hoopoe.details, [300, 0]];
            hoopoe.details = async (row) => {
                await new Promise((done) => setTimeout(done, waits.shift()));
                return details(row);
            };
        }"""
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)
    assert page.inner_text("#viewer .lines") == third


def test_a_class_may_be_called_as_what_every_object_has(visit, decided_store):
    export(decided_store, ["report"])
    page = visit(decided_store).page
    assert page.evaluate("hoopoe.taxonNode('constructor').textContent") == "constructor"


def test_nothing_that_a_file_or_person_says_becomes_markup(visit, tmp_path, store_maker):
    from tests.detector.two_cameras import _deployments, _effort, _events

    path = f"{HOSTILE.replace('/', '_')}.jpg"
    said = {"label": HOSTILE, "display_name": HOSTILE, "english_name": HOSTILE, "hebrew_name": HOSTILE, "name": HOSTILE}
    found = store_maker.detection(media_id("card", path), **said, reasons=(HOSTILE,), reviewed_by=HOSTILE)
    broken = store_maker.media(f"b{path}", failure=HOSTILE, width=None, height=None, frames=(), blank=False)
    media = [store_maker.media(path, detections=[found], warning=HOSTILE, deployment_id=HOSTILE), broken]
    events = [replace(event, deployment_id=HOSTILE, display_name=HOSTILE, name=HOSTILE) for event in _events()]
    deployments = [replace(each, deployment_id=HOSTILE, location_name=HOSTILE) for each in _deployments()]
    effort = [replace(_effort()[0], deployment_id=HOSTILE)]
    folder = store_maker.write(tmp_path / "store", media, events, (), effort, deployments)
    export(folder, ["report"])
    page = visit(folder).page
    for language in ("english", "hebrew", "scientific"):
        page.select_option("#language", language)
    page.locator(".card").first.click()
    page.wait_for_selector("dialog[open] .lines")
    assert HOSTILE in page.inner_text("#viewer-title")
    assert page.title() == "What the cameras saw"
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(visit, decided_store, width):
    export(decided_store, ["report"])
    page = visit(decided_store, viewport={"width": width, "height": 844}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for fold in page.locator("main details > summary").all():
        fold.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
