"""Pages written from the code: a line `<!-- generated: NAME -->` of a page becomes what `PARTS[NAME]` returns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hoopoe_docs.commands import commands_page
from hoopoe_docs.configuration import configuration_page, onnx_page, species_page
from hoopoe_docs.python_names import python_page
from hoopoe_docs.store_tables import store_page

MARK = re.compile(r"^<!-- generated: ([a-z]+) -->$", re.M)
PARTS: dict[str, Callable[[], str]] = {
    "store": store_page,
    "configuration": configuration_page,
    "onnx": onnx_page,
    "species": species_page,
    "commands": commands_page,
    "python": python_page,
}


def fill_in(app: Any, page: str, source: list[str]) -> None:
    """Sphinx's event `source-read`: replace the marks of a page, whose text is the only item of `source`."""
    source[0] = MARK.sub(lambda mark: PARTS[mark[1]](), source[0])


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx of the event."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}
