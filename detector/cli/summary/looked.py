"""What a run of the models did: files, speed, failures and warnings with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from detector.cli.summary.decided import first_of
from detector.cli.terminal.tables import say

if TYPE_CHECKING:
    from rich.console import Console

    from detector.annotation.run import RunReport

REASONS_SHOWN = 8


def print_report(console: Console, report: RunReport) -> None:
    """Print what was done, and what could not be."""
    for line in _lines(report):
        say(console, line)
    say(console)


def _lines(report: RunReport) -> Iterator[str]:
    speed = f", {report.files / report.seconds:.1f} files/s" if report.seconds else ""
    yield f"{report.files} files looked at in {timedelta(seconds=round(report.seconds))}{speed}"
    if report.cost is not None:
        spent = "" if report.cost.money is None else f", which cost {report.cost.money:,.2f}"
        yield f"{report.cost.machine_hours:,.2f} hours of machines{spent}"
    if report.finished_before:
        yield f"{report.finished_before} files finished before"
    yield from _reasons("failed", report.failures, "failure")
    yield from _reasons("failed before", report.failures_before, "failure")
    if report.failures or report.failures_before:
        yield "the same command with --retry-failed looks at them again"
    if report.audited is not None:
        yield f"{report.audited.files} files audited in {timedelta(seconds=round(report.audited.seconds))}"
        yield from _reasons("not audited", report.audited.failures, "failure")
        yield from report.audited.notes
    if report.lost:
        yield f"{len(report.lost)} files went away meanwhile, and nothing is recorded of them: {first_of(report.lost)}"
    yield from _reasons("read in part", report.warnings, "warning")
    for problem in report.problems:
        yield f"not listed: {problem}"
    for note in report.notes:
        yield f"look: {note}"
    if report.passed_over:
        from detector.base.pictures import passed_over_words

        yield passed_over_words(report.passed_over)


def _reasons(what: str, counts: Counter[str], column: str) -> Iterator[str]:
    shown = counts.most_common(REASONS_SHOWN)
    for reason, count in shown:
        yield f"{count} {what}: {reason}"
    if others := counts.total() - sum(count for _, count in shown):
        yield f"{others} {what} otherwise (files.csv, {column})"
