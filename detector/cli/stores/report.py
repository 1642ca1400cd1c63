"""`hoopoe report OUT`: a page to look at what was found, which opens from the disk, without network."""

from __future__ import annotations

import argparse
import shlex

from backbones.errors import ConfigError
from detector.base.reporting import warn
from detector.cli.options.exporting import add_blur_argument, add_root_argument, parse_roots
from detector.cli.options.shared import add_store_argument
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

MAKES_PICTURES = True
EXAMPLES = (
    "hoopoe report OUT --open",
    "hoopoe report OUT --root north=E:/north",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe report`."""
    parser.epilog = (
        "OUT/report holds all that the page needs: copy the folder as a whole. Its numbers are those of the exported "
        "tables. It is not made again by itself."
    )
    add_store_argument(parser)
    parser.add_argument("--open", action="store_true", help="also show it in the browser")
    add_blur_argument(parser)
    add_root_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the page, and say how to open it."""
    from detector.exports.export import export
    from detector.exports.source import ExportOptions, ExportSource
    from detector.store.copies import address_of

    if args.open and address_of(args.store) is not None:
        hint = "leave it out, copy the store's folder `report` to this machine, and open its index.html"
        raise ConfigError("the page of a store among objects is not on this machine", where="--open", hint=hint)
    faults: list[str] = []
    options = ExportOptions(
        score_threshold=ExportSource.of(args.store).score_threshold,
        roots=parse_roots(args.root),
        notify=warn,
        fault=faults.append,
        blur=args.blur,
    )
    [page] = export(args.store, ["report"], options)
    console = results()
    say(console, str(page))
    if args.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    else:
        say(console, f"next: open it with a double click, or `hoopoe report {shlex.quote(str(args.store))} --open`")
    for line in faults:
        warn(line)
    return exit_codes.FAULTS if faults else exit_codes.DONE
