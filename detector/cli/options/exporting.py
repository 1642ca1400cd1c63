"""What every command that makes decisions anew has in common: which exports follow, and what is said of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.exports.refresh import RefreshResult

NONE = "none"


def add_export_argument(parser: CommandParser, at_first: str = "") -> None:
    """Declare --export.

    Args:
        parser: Of the command.
        at_first: What is written where nothing was yet, in words.
    """
    parser.add_argument(
        "--export",
        metavar="NAME,...",
        help=f"formats to write beside the tables of before, or none (default: those tables{at_first}); see "
        "`hoopoe export --help`",
    )


def asked_formats(args: argparse.Namespace) -> tuple[str, ...] | None:
    """The formats of --export; None: it was not given.

    Raises:
        ConfigError: One is not known.
    """
    from detector.exports.formats import parse_formats

    if args.export is None:
        return None
    return () if args.export == NONE else parse_formats(args.export)


def print_exports(console: Any, output: Path, refreshed: RefreshResult) -> None:
    """Print where to look, and what is old."""
    console.print()
    for path in refreshed.paths or [output]:
        console.print(f"look at {path}", markup=False, highlight=False, soft_wrap=True)
    for line in old_lines(output, refreshed.old):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def old_lines(output: Path, old: list[str]) -> list[str]:
    """What is said of formats that show decisions of before."""
    from detector.exports.formats import FORMATS

    if not old:
        return []
    names = ", ".join(FORMATS[name].writes for name in old)
    verb = "shows" if len(old) == 1 else "show"
    return [f"old: {names} {verb} decisions of before; `hoopoe export {output} --format {','.join(old)}` writes anew"]
