"""Which files to look at, which of them are old, and which command may come next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.terminal.tables import say

if TYPE_CHECKING:
    from rich.console import Console

    from detector.decisions.summary import DecisionSummary
    from detector.exports.refresh import RefreshResult

RESULTS = "results.csv"


def print_exports(console: Console, output: Path, refreshed: RefreshResult) -> None:
    """Print where to look, and what is old."""
    say(console)
    for path in refreshed.paths or [output]:
        say(console, f"look at {path}")
    for line in old_lines(output, refreshed.old):
        say(console, line)


def old_lines(output: Path, old: list[str]) -> list[str]:
    """What is said of formats that show decisions of before: a line for those that were blurred alike."""
    from detector.store.run_file import ExportEntry
    from detector.store.run_json import load_run

    if not old:
        return []
    exports = load_run(output).exports
    alike: dict[object, list[str]] = {}
    for name in old:
        alike.setdefault(exports.get(name, ExportEntry()).options.get("blur"), []).append(name)
    return [_old_line(output, names, blur) for blur, names in alike.items()]


def _old_line(output: Path, old: list[str], blur: object) -> str:
    from detector.exports.formats import FORMATS

    names = ", ".join(FORMATS[name].writes for name in old)
    verb = "shows" if len(old) == 1 else "show"
    again = f"hoopoe export {_word(output)} --format {','.join(old)}{f' --blur {blur}' if blur else ''}"
    return f"old: {names} {verb} decisions of before; `{again}` writes anew"


def print_next(console: Console, output: Path, summary: DecisionSummary) -> None:
    """Print the commands that may come next."""
    for line in _next(output, summary):
        say(console, line)


def _next(output: Path, summary: DecisionSummary) -> Iterator[str]:
    from detector.store.copies import address_of

    store, here = _word(output), output
    if address_of(output) is not None:
        here = Path("COPY")
        yield "next: give a copy of the store on this machine as COPY; tables and pages are not taken from addresses"
    if summary.needs_review:
        yield f"next: `hoopoe review {store}` shows in the browser what a person should look at, to say what it is"
    if summary.needs_review and (output / RESULTS).is_file():
        table = _word(here / RESULTS)
        yield f"next: correct names in {RESULTS} (see needs_review); then `hoopoe decide {store} --reviews {table}`"
    if summary.deployments and len(summary.unlisted) == len(summary.deployments):
        begin = f"hoopoe deployments {_word(here)} --output deployments.csv"
        yield f"next: `{begin}` begins a table of places and time zones"
    yield f"next: `hoopoe report {_word(here)} --open` shows it all in the browser"
    yield f"next: `hoopoe export {store} --format xlsx,images` writes a workbook, and the photos with their boxes"


def _word(path: Path) -> str:
    return shlex.quote(str(path)) if " " in str(path) else str(path)
