"""`hoopoe decide OUT`: cameras, sequences, names, events and effort, from what the models saw; seconds, no model."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from detector.cli.options.decisions import add_decision_arguments, decision_options
from detector.cli.options.exporting import add_export_argument, asked_formats, print_exports
from detector.cli.options.paths import file_of, folder_of
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.decisions.summary import DecisionSummary

LONG_DAYS = 5 * 365  # of a deployment: a date is likelier to be wrong
NAMES_SHOWN, CAMERAS_SHOWN, PROBLEMS_SHOWN = 40, 40, 20


EXAMPLES = (
    "hoopoe decide OUT --score-threshold 0.3 --deployments deployments.csv",
    "hoopoe decide OUT --reviews OUT/results.csv",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe decide`."""
    parser.epilog = (
        "Options that are not given stay as they were the last time. Tables that were exported are made again."
    )
    parser.add_argument(
        "store",
        type=folder_of("an annotation"),
        metavar="OUT",
        help="the folder that was --output of `hoopoe annotate`",
    )
    add_decision_arguments(parser)
    add_export_argument(parser)
    parser.add_argument(
        "--reviews",
        type=file_of("reviews", "results.csv"),
        metavar="TABLE",
        help="what people said of boxes, to add to the store: a CSV or Excel table, or an exported results.csv or "
        "results.xlsx in which kinds or names were changed",
    )


def run(args: argparse.Namespace) -> int:
    """Decide, and print what was found."""
    from rich.console import Console

    from detector.decisions.decide import decide, stored_options
    from detector.decisions.rules import name_check
    from detector.exports.refresh import refresh
    from detector.store.reviews.log import import_reviews

    options = decision_options(args, stored_options(args.store))
    asked = asked_formats(args)
    imported = None
    if args.reviews:
        imported = import_reviews(args.store, args.reviews, name_problem=name_check(args.store, options).problem)
    console = Console()
    with console.status("deciding"):
        summary = decide(args.store, options)
    refreshed = refresh(args.store, asked)
    print_summary(console, summary)
    print_exports(console, args.store, refreshed)
    if imported is None:
        return exit_codes.DONE
    console.print(f"{imported.new} new reviews of {args.reviews.name}", markup=False)
    for line in imported.notes:
        console.print(f"look: {line}", markup=False, highlight=False, soft_wrap=True)
    for line in imported.wrong:
        print(f"not taken: {line}", file=sys.stderr)
    return exit_codes.FAULTS if imported.wrong else exit_codes.DONE


def print_summary(console: Any, summary: DecisionSummary) -> None:
    """Print tables of files, names and cameras, and what a person should look at.

    Args:
        console: Of rich.
        summary: Of `decide`.
    """
    _print_files(console, summary)
    _print_names(console, summary)
    _print_cameras(console, summary)
    _print_problems(console, summary)


def _table(*headings: str) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        # on a narrow screen names go on in the next line; figures never do
        table.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=bool(number))
    return table


def _print_files(console: Any, summary: DecisionSummary) -> None:
    table = _table("files", "")
    for name, count in (
        ("photos", summary.photos),
        ("videos", summary.videos),
        ("blank", summary.blank),
        ("failed", summary.failed),
        ("copies of others", summary.duplicates),
        ("without a time", summary.without_time),
        ("outside their period", summary.outside),
        ("sequences", summary.sequences),
        ("detections", summary.detections),
        ("independent events", summary.events),
        ("detections to review", summary.needs_review),
        ("detections reviewed", summary.reviewed),
    ):
        table.add_row(name, f"{count:,}")
    console.print(table)


def _print_names(console: Any, summary: DecisionSummary) -> None:
    from rich.markup import escape

    if not summary.names:
        return
    table = _table("name", "kind", "events", "most\nat once", "cameras", "detec-\ntions", "to\nreview")
    for each in summary.names[:NAMES_SHOWN]:
        numbers = (each.events, each.largest_count, each.deployments, each.detections, each.needs_review)
        table.add_row(escape(each.display_name), each.kind, *(f"{number:,}" for number in numbers))
    console.print()
    console.print(table)
    if len(summary.names) > NAMES_SHOWN:
        console.print(f"... and {len(summary.names) - NAMES_SHOWN} more names")


def _print_cameras(console: Any, summary: DecisionSummary) -> None:
    from rich.markup import escape

    if not summary.deployments:
        return
    table = _table("deployment", "files", "blank", "failed", "days", "active\ndays", "events", "gaps")
    for each in summary.deployments[:CAMERAS_SHOWN]:
        numbers = (each.files, each.blank, each.failed, each.days, each.active_days, each.events, len(each.gaps))
        table.add_row(escape(each.deployment_id), *(f"{number:,}" for number in numbers))
    console.print()
    console.print(table)
    if len(summary.deployments) > CAMERAS_SHOWN:
        console.print(f"... and {len(summary.deployments) - CAMERAS_SHOWN} more deployments")


def _print_problems(console: Any, summary: DecisionSummary) -> None:
    lines = [f"{each.deployment_id}: {each.problem}" for each in summary.clock_problems]
    lines += [
        f"{each.deployment_id}: it watched for {each.days:,} days: are the dates of its table and its clock right?"
        for each in summary.deployments
        if each.days > LONG_DAYS
    ]
    if summary.without_time:
        more = "" if summary.by_disk else "; --time-from mtime uses when each was last changed"
        lines.append(f"{summary.without_time:,} files have no time: they are in no event{more}")
    if summary.by_disk:
        lines.append(f"{summary.by_disk:,} files have no time of their own: when each was last changed stands for it")
    if summary.repeat_groups:
        lines.append(
            f"{summary.repeat_groups} things stand still in pictures of several days; {summary.repeated} detections of "
            "them are left out: say `real` or `nothing` of each in repeats.csv, and give it with --reviews"
        )
    if summary.outside:
        lines.append(
            f"{summary.outside} files lie outside the periods that the table of deployments states: they are in no "
            "event and no effort (files.csv, outside_period); --outside-period count counts them"
        )
    if summary.unlisted and len(summary.unlisted) < len(summary.deployments):
        lines.append(f"not in the table of deployments: {', '.join(summary.unlisted)}")
    lines.extend(summary.notes)
    if summary.unknown_classes:
        lines.append(f"classes that the taxonomy does not know: {few(summary.unknown_classes)}")
    if summary.lost_reviews:
        lines.append(
            f"{summary.lost_reviews} reviews are of detections that are not in this store, or of files in which all is "
            "left out as a repeat: say `real` of those"
        )
    if lines:
        console.print()
    for line in lines[:PROBLEMS_SHOWN]:
        console.print(f"look: {line}", markup=False, highlight=False, soft_wrap=True)
    if len(lines) > PROBLEMS_SHOWN:
        console.print(f"... and {len(lines) - PROBLEMS_SHOWN} more such lines")


def few(names: Any) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
