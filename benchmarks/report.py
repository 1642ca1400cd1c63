"""The report's page with 100,000 detections: how long it takes to open, to filter and to turn a page.

    python -m benchmarks.report [--records 91000] [--write]

Writes a store of so many photos (as benchmarks.store does: 1.1 boxes on average), which are not there, so that there
are no pictures, decides it so that every box counts, and opens its report in Chromium from the disk. Measured, by the
page's own clock, the median of five: from the address to the gallery with all of its data; from a filter, another order
and the next page to the pictures that it asks for. The table is printed, and written to benchmarks/results/report.md
with --write.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.publishing import publish, table_of_acts
from benchmarks.store import decide_store, write_store

OUTPUT = "report.md"
REPEATS = 5
# sets a control as a person does, and waits until the browser has drawn what came of it; milliseconds
CHANGE = """async ([selector, value]) => {
    const control = document.querySelector(selector), began = performance.now();
    if (value === null) control.click();
    else { control.value = value; control.dispatchEvent(new Event("change")); }
    document.body.getBoundingClientRect();
    return performance.now() - began;
}"""
CHANGES = {
    "needs review": ("[data-filter=state]", "review"),
    "all again": ("[data-filter=state]", ""),
    "one deployment": ("[data-filter=place]", "3"),
    "all deployments": ("[data-filter=place]", "-1"),
    "from a date": ("[data-filter=from]", "2024-04-01"),
    "confidence to 80 %": ("[data-filter=most]", "80"),
    "without these": (".more button", None),
    "another order, the first time": ("[data-filter=sort]", "time"),
    "the same again": ("[data-filter=sort]", "sure"),
    "next page": (".pager button:nth-of-type(3)", None),
}


def measure(browser: Any, address: str) -> tuple[int, dict[str, list[float]]]:
    """How many boxes the page has, and milliseconds of each act."""
    taken: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        began = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("html[data-ready=true]")
        taken.setdefault("open", []).append(1000 * (time.perf_counter() - began))
        for act, (selector, value) in CHANGES.items():
            taken.setdefault(act, []).append(page.evaluate(CHANGE, [selector, value]))
        rows = int(page.evaluate("hoopoe.rows.length"))
        page.close()
    return rows, taken


def main() -> None:
    """Write, measure, print."""
    from playwright.sync_api import sync_playwright

    from detector.exports.export import export
    from detector.exports.source import ExportOptions

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=91_000)
    parser.add_argument("--store", type=Path, help="a store that is there, in place of a new one; so is its report")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        store = args.store or Path(folder) / "store"
        if args.store is None:
            write_store(store, args.records)
        page = store / "report" / "index.html"
        if not page.exists():
            decide_store(store, score_threshold=0.05)
            began = time.perf_counter()
            export(store, ["report"], ExportOptions(score_threshold=0.05, notify=print, fault=print))
            print(f"made in {time.perf_counter() - began:.0f} s, without pictures")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        rows, taken = measure(browser, page.resolve().as_uri())
        browser.close()
        size = sum(file.stat().st_size for file in page.parent.rglob("*.js")) / 1e6
    lines = [
        f"# The report's page, {args.records:,} photos",
        "",
        describe(["pyarrow", "playwright"]) + f"; load average {os.getloadavg()[0]:.1f}",
        "",
        f"{rows:,} boxes, {size:.0f} MB of data.",
        "",
        *table_of_acts(taken),
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
