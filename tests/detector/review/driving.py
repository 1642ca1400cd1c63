"""`hoopoe review` as a program of its own, and a tab of a browser on its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

AXE = Path(__file__).with_name("axe") / "axe.min.js"


class Program:
    """`hoopoe review` in a process of its own.

    Args:
        store: The store.
    """

    def __init__(self, store: Path) -> None:
        words = [sys.executable, "-m", "detector.cli.main", "review", str(store), "--no-browser", "--reviewer", "Noa"]
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/#\S+", line):
                self.address = found[0]
                return
        raise AssertionError("".join(said))

    def kill(self) -> None:
        """As if the computer went down."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """As Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


class Tab:
    """A tab, and what it said and asked for."""

    def __init__(self, context: Any, address: str) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready=true]")

    def go(self, queue: str) -> None:
        """Choose a queue."""
        self.page.click(f"[data-queue={queue}]")
        self.page.wait_for_selector(
            f"[data-queue={queue}][aria-current=page]", state="attached"
        )  # a phone folds it away

    def says(self, text: str) -> None:
        """Wait until the page says so."""
        self.page.wait_for_function("text => document.getElementById('says').textContent.includes(text)", arg=text)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def first(self) -> None:
        """Put the focus on the first picture."""
        self.page.locator("#grid > li").first.focus()

    def titles(self) -> list[str]:
        """What the pictures are called, in their order, also those that are not laid out yet."""
        return [each.strip() for each in self.page.locator("#grid > li .title").all_text_contents()]

    def count(self, queue: str, number: int) -> None:
        """Wait until a queue has so many."""
        script = "([queue, n]) => document.querySelector(`[data-queue=${queue}] b`)?.textContent === String(n)"
        self.page.wait_for_function(script, arg=[queue, number])


def faults(page: Any) -> list[str]:
    """What axe-core finds on a page that is serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
