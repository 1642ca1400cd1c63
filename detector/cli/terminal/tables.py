"""Tables of results on stdout, of which nothing is cut: names go on in the next line, and a pipe has no width."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_COLUMNS = 10_000  # characters


def results() -> Console:
    """Where results are printed: as wide as the terminal, or as they need."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)


def new_table(*headings: str, texts: int = 1) -> Table:
    """An empty table.

    Args:
        headings: Of its columns.
        texts: How many of the first columns hold texts; figures, on the right, are never broken.
    """
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        figures = number >= texts
        table.add_column(heading, justify="right" if figures else "left", overflow="fold", no_wrap=figures)
    return table


def say(console: Console, text: str = "") -> None:
    """Print a line as it is; of a store among objects, its address."""
    from detector.store.copies import shown

    console.print(shown(text), markup=False, highlight=False, soft_wrap=True)
