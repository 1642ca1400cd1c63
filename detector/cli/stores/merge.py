"""`hoopoe merge OUT... --output ALL`: put several stores into one."""

import argparse

from detector.base.reporting import task
from detector.cli.options.annotation import add_results_argument, add_root_argument
from detector.cli.options.paths import folder_of
from detector.cli.summary.decided import print_summary
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

EXAMPLES = ("hoopoe merge OUT-1 OUT-2 OUT-3 --output ALL",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe merge`."""
    parser.epilog = (
        "For what several machines annotated, each a part of the files (--shard), by the same models and options. The "
        "stores stay as they are. Of a file that several hold the first counts that could read it; reviews come along, "
        "and all is decided anew. A merge that was interrupted goes on with the same command."
    )
    parser.add_argument(
        "stores",
        nargs="+",
        type=folder_of("an annotation"),
        metavar="OUT",
        help="the folders that were --output of `hoopoe annotate`",
    )
    add_results_argument(parser)
    add_root_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Merge, decide, and print what was found."""
    from detector.cli.options.exporting import parse_roots
    from detector.decisions.decide import decide, stored_options
    from detector.store.joining.merging import merge

    merged = merge(args.stores, args.output, parse_roots(args.root))
    with task("deciding", None, "") as progress:
        summary = decide(args.output, stored_options(args.output), progress=progress)
    console = results()
    say(console, f"{merged.files} files of {len(args.stores)} stores are in {args.output} now")
    if merged.known:
        say(console, f"{merged.known} files were there before, or are in several: each counts once")
    for note in merged.notes:
        say(console, f"look: {note}")
    say(console)
    print_summary(console, summary)
    return exit_codes.DONE
