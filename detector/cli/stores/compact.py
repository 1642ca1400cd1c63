"""`hoopoe compact OUT`: join the many small files of a store."""

import argparse

from detector.cli.options.paths import folder_of
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

EXAMPLES = ("hoopoe compact OUT",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe compact`."""
    parser.epilog = (
        "A run on a cluster, or one of many short ones, leaves many small files in OUT/facts, each of which is opened "
        "whenever something is decided. What is in them stays the same, also if this is interrupted."
    )
    what = folder_of("an annotation")  # on a disk: objects cannot take the place of several others in one step
    parser.add_argument("store", type=what, metavar="OUT", help="the folder that was --output of `hoopoe annotate`")


def run(args: argparse.Namespace) -> int:
    """Join them, and print how many there were."""
    from detector.store.joining.compaction import compact

    done = compact(args.store)
    say(results(), f"{done.before} files of facts became {done.after}")
    return exit_codes.DONE
