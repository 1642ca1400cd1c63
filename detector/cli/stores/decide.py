"""`hoopoe decide OUT`: cameras, sequences, names, events and effort, from what the models saw; seconds, no model."""

from __future__ import annotations

import argparse

from detector.base.reporting import task, warn
from detector.cli.options.cluster import add_deciding_cluster_arguments, deciding_cluster
from detector.cli.options.decisions import add_decision_arguments, decision_options
from detector.cli.options.exporting import add_export_argument, asked_formats
from detector.cli.options.paths import file_of
from detector.cli.options.shared import add_store_argument
from detector.cli.summary.decided import print_summary
from detector.cli.summary.exported import print_exports, print_next
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

EXAMPLES = (
    "hoopoe decide OUT --score-threshold 0.3 --deployments deployments.csv",
    "hoopoe decide OUT --reviews OUT/results.csv",
    "hoopoe decide OUT --reviews project-1-at-2026-11-28.json",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe decide`."""
    parser.epilog = (
        "Options that are not given stay as they were the last time. Tables that were exported are made again."
    )
    add_store_argument(parser)
    add_decision_arguments(parser)
    add_export_argument(parser)
    add_deciding_cluster_arguments(parser)
    parser.add_argument(
        "--reviews",
        type=file_of("reviews", "results.csv"),
        metavar="FILE",
        help="what people said of boxes, to add to the store: a CSV or Excel table, an exported results.csv or "
        "results.xlsx in which kinds or names were changed, or what they corrected in other programs: Label Studio's "
        "JSON export, Timelapse's CSV, a Camtrap DP package, MegaDetector's results",
    )


def run(args: argparse.Namespace) -> int:
    """Decide, and print what was found."""
    from detector.decisions.decide import decide, stored_options
    from detector.decisions.rules import name_check
    from detector.exports.refresh import refresh
    from detector.store.reviews.log import import_reviews

    cluster = deciding_cluster(args)
    options = decision_options(args, stored_options(args.store))
    asked = asked_formats(args)
    imported = None
    if args.reviews:
        imported = import_reviews(args.store, args.reviews, name_problem=name_check(args.store, options).problem)
    with task("deciding", None, "") as progress:
        summary = decide(args.store, options, cluster=cluster, progress=progress)
    refreshed = refresh(args.store, asked, cluster=cluster)
    console = results()
    print_summary(console, summary)
    print_exports(console, args.store, refreshed)
    print_next(console, args.store, summary)
    if imported is None:
        return exit_codes.DONE
    say(console, f"{imported.new} new reviews of {args.reviews.name}")
    for line in imported.notes:
        say(console, f"look: {line}")
    for line in imported.wrong:
        warn(f"not taken: {line}")
    return exit_codes.FAULTS if imported.wrong else exit_codes.DONE
