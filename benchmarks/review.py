"""The review page on a store of 100,000 detections: how long it takes to open, filter, turn a page and mark.

    python -m benchmarks.review [--records 91000] [--write]

Writes a store of so many photos (as benchmarks.store does: 1.1 boxes on average, logits of 550 classes), which are not
there, so that no picture is read, decides it so that every box counts, starts `hoopoe review` and drives it in
Chromium. Measured, by the page's own clock, the median of five: from the address to the first page of pictures; from a
click on a name, a camera, an order, and the key for the next pictures, to the frame that shows these; from a key to
the saved mark; each half a second after the one before. And the seconds until the program listens, its resident
memory, and what appending a word alone takes. The table is printed, and written to benchmarks/results/review.md with
--write.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe
from benchmarks.processes import MEBIBYTE
from benchmarks.publishing import publish, table_of_acts
from benchmarks.store import decide_store, write_store

OUTPUT = "review.md"
REPEATS = 5
APPENDED = 30
PAUSE_S = 0.5  # between two acts: nobody chooses faster, and what follows the pictures (counts, names) has come
# acts as a person does, and waits until the frame that shows what came of it is drawn; milliseconds by the page's clock
ACT = """([kind, what, value, wanted]) => new Promise((resolve) => {
    const [body, says] = ["body", "says"].map((id) => document.getElementById(id));
    const shown = {
        read: () => body.firstElementChild && !body.firstElementChild.hasAttribute("data-before"),
        saved: () => says.textContent.includes("Saved"),
        back: () => says.textContent.includes("Taken back"),
    }[wanted];
    body.firstElementChild?.setAttribute("data-before", "");
    says.replaceChildren();
    const began = performance.now();
    new MutationObserver((_, watch) => {
        if (!shown()) return;
        watch.disconnect();
        const drawn = () => resolve(performance.now() - began);
        requestAnimationFrame(() => scheduler.postTask(drawn, { priority: "user-blocking" })); // before what is put off
    }).observe(document.body, { childList: true, subtree: true });
    if (kind === "key")
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: what, bubbles: true }));
    else {
        const control = document.querySelector(what);
        if (kind === "choose") Object.assign(control, { value }).dispatchEvent(new Event("change"));
        else control.click();
    }
})"""


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


def measure(page: Any, address: str) -> dict[str, list[float]]:
    """Milliseconds of each act."""
    taken: dict[str, list[float]] = {}

    def act(name: str, kind: str, what: str, wanted: str, value: str = "") -> None:
        time.sleep(PAUSE_S)
        taken.setdefault(name, []).append(float(page.evaluate(ACT, [kind, what, value, wanted])))

    for repeat in range(REPEATS):
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("html[data-ready=true]")
        taken.setdefault("open", []).append(1000 * (time.perf_counter() - began))
        page.click("[data-queue=all]")
        page.wait_for_selector("[data-queue=all][aria-current]")
        name = page.locator("[data-name]").nth(2 + repeat).get_attribute("data-name")
        act("one name", "click", f"[data-name='{name}']", "read")
        act("next pictures", "key", "]", "read")
        place = page.locator("[data-filter=place] option").nth(1 + repeat).get_attribute("value")
        act("one camera of it", "choose", "[data-filter=place]", "read", place)
        act("all cameras again", "choose", "[data-filter=place]", "read")
        act("another order", "choose", "[data-filter=order]", "read", "time")
        act("all names again", "click", "[data-name='']", "read")
    for _ in range(REPEATS):  # after all filters: from the first mark on, the program counts anew
        page.locator("#grid > li").first.focus()
        act("mark one", "key", "a", "saved")
        page.keyboard.press("Control+a")
        act("mark all of a page (200)", "key", "a", "saved")
        act("take these back", "key", "u", "back")
        act("next pictures, while it counts anew", "key", "]", "read")
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
        *table_of_acts(taken),
        "",
        f"Medians of {REPEATS} by the page's own clock, in a window of 1440 x 900: from a click or a key to the frame",
        f"that shows the pictures, or *Saved*; each {PAUSE_S} s after the act before. Filters come before the first",
        "mark: after one the program counts anew, beside what it answers.",
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
