"""The review page on a store of 100,000 detections: how long it takes to open, filter, turn a page and mark.

    python -m benchmarks.review [--records 91000] [--write]

Writes a store of so many photos (as benchmarks.store does: 1.1 boxes on average, logits of 550 classes), which are not
there, so that no picture is read, decides it so that every box counts, starts `hoopoe review` and drives it in
Chromium. Measured, as in the browser, the median of five: from the address to the first page of pictures; from a click
on a name, a camera, and the key for the next pictures, to these; from a key to the saved mark. And the seconds until
the program listens, its resident memory, and what appending a word alone takes. The table is printed, and written to
benchmarks/results/review.md with --write.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe
from benchmarks.processes import MEBIBYTE
from benchmarks.publishing import publish
from benchmarks.store import decide_store, write_store

OUTPUT = "review.md"
REPEATS = 5
APPENDED = 30
BEGIN = """() => {
    document.querySelector('#grid')?.setAttribute('data-before', '');
    performance.clearMarks();
    performance.mark('began');
}"""
READ = "() => document.querySelector('#body > :first-child:not([data-before])')"  # others, or none
SAVED = "() => document.getElementById('says').textContent.includes('Saved')"
BACK = "() => document.getElementById('says').textContent.includes('Taken back')"


@contextmanager
def reviewing(store: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    """The address of `hoopoe review`, its process, and the seconds until it listened."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "detector.cli.main", "review", str(store), "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\S+", line)))
        try:
            yield address, psutil.Process(process.pid), time.perf_counter() - began
        finally:
            process.kill()


class Browser:
    """The page, and a clock in it.

    Args:
        page: Of playwright.
    """

    def __init__(self, page: Any) -> None:
        self.page = page

    def timed(self, act: Callable[[], object], done: str) -> float:
        """Milliseconds from an act until a condition holds, by the page's own clock."""
        self.page.evaluate(BEGIN)
        act()
        self.page.wait_for_function(done)
        return float(self.page.evaluate("() => performance.now() - performance.getEntriesByName('began')[0].startTime"))


def measure(page: Any, address: str) -> dict[str, list[float]]:
    """Milliseconds of each act."""
    taken: dict[str, list[float]] = {}
    browser = Browser(page)
    places = [option.get_attribute("value") for option in page.locator("[data-filter=place] option").all()[1:]]
    for repeat in range(REPEATS):
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("html[data-ready=true]")
        taken.setdefault("open", []).append(1000 * (time.perf_counter() - began))
        browser.timed(
            lambda: page.click("[data-queue=all]"), "() => document.querySelector('[data-queue=all][aria-current]')"
        )
        name = page.locator("[data-name]").nth(2 + repeat)
        taken.setdefault("one name", []).append(browser.timed(name.click, READ))
        if page.locator("#next").count():
            taken.setdefault("next pictures", []).append(browser.timed(lambda: page.keyboard.press("]"), READ))
        for act, place in (("one camera of it", places[repeat % len(places)]), ("all cameras again", "")):
            choose = partial(page.select_option, "[data-filter=place]", place)
            taken.setdefault(act, []).append(browser.timed(choose, READ))
        page.locator("#grid > li").first.focus()
        taken.setdefault("mark one", []).append(browser.timed(lambda: page.keyboard.press("a"), SAVED))
        page.keyboard.press("Control+a")
        page.evaluate("() => document.getElementById('says').replaceChildren()")
        taken.setdefault("mark all of a page", []).append(browser.timed(lambda: page.keyboard.press("a"), SAVED))
        page.evaluate("() => document.getElementById('says').replaceChildren()")
        taken.setdefault("take back", []).append(browser.timed(lambda: page.keyboard.press("u"), BACK))
    return taken


def append_ms(store: Path) -> list[float]:
    """Milliseconds of each word that is added, on the disk."""
    from detector.store.reviews.log import Review, append_reviews, said_now

    taken = []
    for _ in range(APPENDED):
        began = time.perf_counter()
        append_reviews(store, [Review(said_now(store), "benchmark", "bird", "m0123456789abcdef", 0, 0)])
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def main() -> None:
    """Write, measure, print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=91_000)
    parser.add_argument(
        "--store",
        type=Path,
        help="a store that is there, in place of a new one; marks are added, and it is decided anew",
    )
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        store = args.store or Path(folder) / "store"
        if args.store is None:
            write_store(store, args.records)
        boxes = decide_store(store, score_threshold=0.05)
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        with reviewing(store) as (address, process, seconds):
            before = process.memory_info().rss / MEBIBYTE
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(300_000)
            page.goto(address)
            page.wait_for_selector("html[data-ready=true]")
            taken = measure(page, address.partition("#")[0])
            after = process.memory_info().rss / MEBIBYTE
        browser.close()
        taken["append a word, without the page"] = append_ms(store)
    lines = [
        f"# The review page, {args.records:,} photos",
        "",
        describe(["starlette", "uvicorn", "pyarrow"]) + f"; load average {os.getloadavg()[0]:.0f}",
        "",
        f"{boxes}.",
        "",
        f"The program listens after {seconds:.1f} s; resident memory {before:.0f} MiB then, {after:.0f} at the end.",
        "",
        "| act | median, ms | from, to |",
        "|---|---|---|",
        *(
            f"| {act} | {statistics.median(times):.4g} | {min(times):.4g}, {max(times):.4g} |"
            for act, times in taken.items()
        ),
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
