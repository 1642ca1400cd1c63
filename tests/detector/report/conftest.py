"""A browser for the pages, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Visit:
    """A report that is open, and what the browser said and asked for meanwhile."""

    def __init__(self, browser: Any, folder: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((folder / "report" / "index.html").as_uri())
        self.page.wait_for_selector("html[data-ready=true]")

    def choose(self, filter_name: str, value: str) -> str:
        """Set a filter of the gallery; returns how many there are then."""
        self.page.select_option(f'[data-filter="{filter_name}"]', value)
        return self.page.inner_text("#gallery-count")


@pytest.fixture
def visit(chromium: Any) -> Iterator[Any]:
    """`visit(folder, **options)` opens the report of a store; at the end nothing may have gone wrong in the browser."""
    visits: list[Visit] = []

    def opened(folder: Path, **options: Any) -> Visit:
        visits.append(Visit(chromium, folder, **options))
        return visits[-1]

    yield opened
    for each in visits:
        each.page.close()
        assert each.said == []
        assert [url for url in each.asked if not url.startswith("file://")] == []
