"""What was decided: files, species by camera, cameras, and what a person should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from detector.cli.terminal.tables import new_table, say

if TYPE_CHECKING:
    from rich.console import Console

    from detector.decisions.summary import DecisionSummary

LONG_DAYS = 5 * 365  # of a deployment: a date is likelier to be wrong


def print_summary(console: Console, summary: DecisionSummary) -> None:
    """Print tables of files, species and deployments, and what a person should look at; nothing is cut.

    Args:
        console: Of results.
        summary: Of `decide`.
    """
    _print_files(console, summary)
    _print_species(console, summary)
    _print_deployments(console, summary)
    problems = list(_problems(summary))
    if problems:
        say(console)
    for line in problems:
        say(console, f"look: {line}")


def first_of(names: Sequence[str]) -> str:
    """The first names of many."""
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")


def _print_files(console: Console, summary: DecisionSummary) -> None:
    others = summary.photos + summary.videos - summary.with_birds - summary.blank - summary.failed
    table = new_table("files", "", texts=1)
    for name, count, always in (
        ("photos", summary.photos, True),
        ("videos", summary.videos, True),
        ("with birds", summary.with_birds, True),
        ("with other things only", others, False),
        ("blank", summary.blank, True),
        ("of these not seen: nothing in the first pass", summary.by_first_pass, False),
        ("of these not seen: nothing moved", summary.by_motion_gate, False),
        ("failed", summary.failed, True),
        ("copies of others", summary.duplicates, False),
        ("without a time", summary.without_time, False),
        ("outside their period", summary.outside, False),
        ("sequences (bursts and videos)", summary.sequences, True),
        ("independent events", summary.events, True),
        ("detections", summary.detections, True),
        ("detections to review", summary.needs_review, True),
        ("detections reviewed", summary.reviewed, False),
    ):
        if count or always:
            table.add_row(name, f"{count:,}")
    console.print(table)


def _print_species(console: Console, summary: DecisionSummary) -> None:
    from rich.markup import escape

    from detector.types import Kind

    if not summary.names:
        return
    table = new_table("species", "events", "most\nat once", "detec-\ntions", "to\nreview", "events by deployment")
    where = table.columns[-1]
    where.justify, where.no_wrap, where.overflow = "left", False, "fold"
    for each in sorted(summary.names, key=lambda name: name.kind != Kind.BIRD):
        kind = "" if each.kind in (Kind.BIRD, each.display_name) else f" ({each.kind})"
        numbers = (each.events, each.largest_count, each.detections, each.needs_review)
        places = ", ".join(f"{place} {count:,}" for place, count in each.events_by_deployment)
        name, where_seen = escape(each.display_name + kind), escape(places or "none: no time is known")
        table.add_row(name, *(f"{number:,}" for number in numbers), where_seen)
    say(console)
    console.print(table)


def _print_deployments(console: Console, summary: DecisionSummary) -> None:
    from rich.markup import escape

    if not summary.deployments:
        return
    table = new_table("deployment", "files", "blank", "failed", "days", "active\ndays", "events", "gaps")
    for each in summary.deployments:
        numbers = (each.files, each.blank, each.failed, each.days, each.active_days, each.events, len(each.gaps))
        table.add_row(escape(each.deployment_id), *(f"{number:,}" for number in numbers))
    say(console)
    console.print(table)


def _problems(summary: DecisionSummary) -> Iterator[str]:
    for each in summary.clock_problems:
        yield f"{each.deployment_id}: {each.problem}"
    for place in summary.deployments:
        if place.days > LONG_DAYS:
            days = f"it watched for {place.days:,} days"
            yield f"{place.deployment_id}: {days}: are the dates of its table and its clock right?"
    if summary.without_time:
        more = "" if summary.by_disk else "; --time-from mtime uses when each was last changed"
        yield f"{_files(summary.without_time)} no time, and no event{more}"
    if summary.by_disk:
        yield f"{_files(summary.by_disk)} no time of their own: when each was last changed stands for it"
    if summary.repeat_groups:
        yield (
            f"{summary.repeat_groups} things stand still in pictures of several days; {summary.repeated} detections of "
            "them are left out: say `real` or `nothing` of each in repeats.csv, and give it with --reviews"
        )
    if summary.outside:
        yield (
            f"{summary.outside} files lie outside the periods that the table of deployments states: they are in no "
            "event and no effort (files.csv, outside_period); --outside-period count counts them"
        )
    if summary.unlisted and len(summary.unlisted) < len(summary.deployments):
        yield f"not in the table of deployments: {', '.join(summary.unlisted)}"
    yield from summary.notes
    if summary.unknown_classes:
        yield f"classes that the taxonomy does not know: {first_of(summary.unknown_classes)}"
    if summary.lost_reviews:
        yield (
            f"{summary.lost_reviews} reviews are of detections that are not in this store, or of files in which all is "
            "left out as a repeat: say `real` of those"
        )


def _files(count: int) -> str:
    return f"{count:,} file has" if count == 1 else f"{count:,} files have"
