"""Both pages in Chromium, on real footage and on the demo's card: looked at, corrected, killed, and opened again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.cli.main import main
from detector.store.reviews.log import read_reviews, read_words
from tests.detector.annotation.conftest import save_species
from tests.detector.review.driving import Program, Tab, faults

pytest.importorskip("starlette")
pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
FOOTAGE = ROOT / "../shared/data/footage"
DEMO = ROOT / "runs" / "demo" / "annotated"
PHOTOS = ("burrowing_owl_trail_camera", "camtrap_dp_example_media", "peru_burst")
VIDEOS = ("flying_birds_visible/V_BIRD_001.mp4", "flying_birds_thermal_ir/IR_BIRD_001.mp4")
PERSON = "peru_burst/EK000005.JPG"  # there is none in it: only so is it known what is blurred
SIZES = {1440: 900, 390: 844}


def write_boxes(folder: Path, card: Path) -> Path:
    """Boxes as another detector gives them: one in the middle of most photos, some in videos, a "person"."""

    def box(x: float, conf: float, category: str = "1", **more: int) -> dict[str, Any]:
        return {"category": category, "conf": conf, "bbox": [x, 0.35, 0.2, 0.3], **more}

    images: list[dict[str, Any]] = []
    for number, file in enumerate(sorted(each for name in PHOTOS for each in (card / name).iterdir())):
        path = file.relative_to(card).as_posix()
        found = [] if number < 2 else [box(0.1 + 0.02 * number, 0.5 + 0.01 * number)]
        images.append({"file": path, "detections": [box(0.4, 0.9, "2")] if path == PERSON else found})
    for name in VIDEOS:
        found = [box(0.3, 0.8, frame_number=number) for number in (0, 30, 60)]
        images.append({"file": name, "frames_processed": [0, 30, 60], "frame_rate": 30.0, "detections": found})
    categories = {"1": "bird", "2": "person"}
    path = folder / "boxes.json"
    path.write_text(json.dumps({"info": {}, "detection_categories": categories, "images": images}))
    return path


@pytest.fixture(scope="module")
def footage_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of real photos and videos."""
    if not FOOTAGE.exists():
        pytest.skip("the real footage is not here")
    folder = tmp_path_factory.mktemp("footage")
    card = folder / "card"
    for name in (*PHOTOS, *VIDEOS):
        target = card / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to((FOOTAGE / name).resolve())
    store, species = folder / "OUT", str(save_species(folder / "species.safetensors", seed=1))
    boxes = str(write_boxes(folder, card))
    words = ["classify-crops", "--detections", boxes, "--media", str(card), "--species", species]
    assert main([*words, "--output", str(store)]) == 0
    return store


@pytest.fixture(params=["footage", "demo"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a store of real footage, or of the demo's card where `make demo` has run."""
    if request.param == "demo" and not DEMO.exists():
        pytest.skip("`make demo` has not run")
    made = request.getfixturevalue("footage_store") if request.param == "footage" else DEMO
    store = Path(shutil.copytree(made, tmp_path / "OUT", ignore=shutil.ignore_patterns("report", "images", "videos")))
    assert main(["decide", str(store)]) == 0  # the demo's may be of an earlier version
    return store


@pytest.fixture(params=sorted(SIZES))
def window(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Any]:
    """A window of a computer and of a phone."""
    context = chromium.new_context(viewport={"width": request.param, "height": SIZES[request.param]})
    yield context
    context.close()


def shot(page: Any, pictures: Path | None, name: str) -> None:
    """Keep what is seen, for whoever wants to look: HOOPOE_SHOTS names a folder."""
    if pictures is not None:
        page.screenshot(path=pictures / f"{name}.png")


def test_the_report_is_looked_at(store: Path, window: Any, shots: Path | None) -> None:
    assert main(["report", str(store)]) == 0
    said: list[str] = []
    asked: list[str] = []
    page = window.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((store / "report" / "index.html").as_uri())
    page.wait_for_selector("html[data-ready=true]")
    width = page.viewport_size["width"]
    stem = f"report_{store_name(store)}_{width}"
    shot(page, shots, f"{stem}_top")
    for part in ("species", "activity", "cameras", "gallery", "trust"):
        page.locator(f"#{part}").scroll_into_view_if_needed()
        page.wait_for_timeout(200)
        shot(page, shots, f"{stem}_{part}")
    page.evaluate("document.querySelectorAll('main details').forEach((each) => (each.open = true))")
    assert faults(page) == []
    every = page.inner_text("#gallery-count")
    page.select_option("[data-filter=state]", "review")
    assert page.inner_text("#gallery-count") != every
    page.select_option("[data-filter=state]", "")
    page.select_option("[data-filter=sort]", "time")
    for card, name in (("", "viewer"), (":has(.badge:text-is('video'))", "video")):
        page.locator(f"#gallery .card{card}").first.click()
        page.wait_for_selector("dialog[open] .lines")
        page.wait_for_timeout(300)
        shot(page, shots, f"{stem}_{name}")
        assert faults(page) == []
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith("file://")] == []


def store_name(store: Path) -> str:
    """Which of the two it is."""
    return "demo" if json.loads((store / "run.json").read_text())["detector"]["name"] != "boxes.json" else "footage"


def test_the_review_is_worked_in_killed_and_gone_on_with(store: Path, window: Any, shots: Path | None) -> None:
    program = Program(store)
    tabs = [Tab(window, program.address)]
    [tab] = tabs
    page, width = tab.page, tab.page.viewport_size["width"]
    stem = f"review_{store_name(store)}_{width}"
    go(tab, "all")
    page.wait_for_timeout(500)
    shot(page, shots, f"{stem}_all")
    cards = page.locator("#grid > li")
    before = tab.titles()
    page.evaluate("document.getElementById('body').firstElementChild.setAttribute('data-before', '')")
    page.select_option("[data-filter=order]", "time")
    page.wait_for_selector("#body > :first-child:not([data-before])")
    # a window's full is drawn first, and then the others
    page.wait_for_function("count => document.querySelectorAll('#grid > li').length === count", arg=len(before))

    tab.first()
    tab.press("n")
    page.wait_for_selector("#found li")
    page.keyboard.type("burrowing owl")
    page.wait_for_function("() => document.querySelector('#found li').textContent.includes('Athene')")
    shot(page, shots, f"{stem}_name")
    tab.press("Enter")
    tab.says("Athene cunicularia. Saved.")
    tab.first()
    tab.press("ArrowRight", "Shift+ArrowRight", "1")  # the same name for two more, by its key
    tab.says("2 pictures: Athene cunicularia. Saved.")
    tab.press("u")
    tab.says("Taken back: Athene cunicularia.")

    go(tab, "all")
    key = page.locator("#side [data-name]:not([data-name=''])").first.get_attribute("data-name")
    fold(tab)
    page.click(f"#side [data-name='{key}']")
    page.wait_for_selector(f"#side [data-name='{key}'][aria-pressed=true]", state="attached")
    page.click("[data-key=all]")
    page.wait_for_selector("#dialog[open]")
    shot(page, shots, f"{stem}_bulk")
    assert faults(page) == []
    page.click("#dialog .pair.wide button")
    tab.says("accepted. Saved.")

    go(tab, "blanks")
    page.wait_for_timeout(500)
    shot(page, shots, f"{stem}_blanks")
    assert faults(page) == []
    page.locator("[data-file]").first.click()
    page.wait_for_function("() => document.querySelector('.plane img')?.naturalWidth > 0")
    page.click("#draw-box")
    place = page.locator(".plane").bounding_box()
    page.mouse.move(place["x"] + 0.3 * place["width"], place["y"] + 0.3 * place["height"])
    page.mouse.down()
    page.mouse.move(place["x"] + 0.5 * place["width"], place["y"] + 0.6 * place["height"], steps=4)
    page.mouse.up()
    page.wait_for_selector("#name-text")
    page.click("[data-new=bird]")
    tab.says("The box is saved.")
    page.wait_for_timeout(300)
    shot(page, shots, f"{stem}_drawn")
    assert faults(page) == []
    assert [word.is_drawn for word in read_words(store).place] == [True]
    said = len(read_reviews(store))

    program.kill()
    assert len(read_reviews(store)) == said
    program = Program(store)
    tabs += [Tab(window, program.address), Tab(window, program.address.partition("#")[0])]
    one, other = tabs[1:]
    assert len(read_reviews(store)) == said
    for each in (one, other):
        go(each, "all")
    one.first()
    one.press("x")
    one.says("no animal. Saved.")
    other.page.wait_for_function("() => document.querySelectorAll('#grid > li.said').length >= 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert cards.count() >= 0
    program.end()
    for each in tabs:
        assert [text for text in each.said if "ERR_CONNECTION_" not in text] == []
        assert [url for url in each.asked if not url.startswith("http://127.0.0.1:")] == []


def fold(tab: Tab) -> None:
    """Open the side of the page, which a phone folds away."""
    side = tab.page.locator("#side details.fold")
    if not side.evaluate("each => each.open"):
        side.locator("summary").first.click()


def go(tab: Tab, queue: str) -> None:
    """Choose a queue, also on a phone."""
    fold(tab)
    tab.go(queue)


@pytest.fixture
def shots() -> Path | None:
    """See `shot`."""
    import os

    folder = os.environ.get("HOOPOE_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) if folder else None
