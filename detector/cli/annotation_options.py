"""What `annotate`, `classify-crops` and `reclassify` have in common: options, and what comes after the models."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError

if TYPE_CHECKING:
    from detector.annotation.options import WorkOptions
    from detector.annotation.run import RunReport
    from detector.decisions.summary import DecisionSummary

SCORE_THRESHOLD = 0.2
NAMES_SHOWN, REASONS_SHOWN = 15, 8
INTERRUPTED = 130  # the exit code of `hoopoe` for Ctrl-C


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how the work is spread."""
    parser.add_argument("--device", metavar="DEVICE", help="cpu, cuda, cuda:1 ...; by default a GPU where there is one")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of the networks (default: bf16 on GPUs)"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="pictures at once (default: what suits the device)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read files (default: by the cores)")


def add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is decided of the facts, and what is written of the decisions."""
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="SCORE",
        help=f"boxes count from this score up (default: {SCORE_THRESHOLD}); lower ones are kept in the store",
    )
    parser.add_argument("--deployments", type=Path, metavar="CSV", help="the table that `hoopoe deployments` began")
    parser.add_argument("--taxonomy", type=Path, metavar="CSV", help="names of classes that override the shipped ones")
    parser.add_argument(
        "--prior", type=Path, action="append", metavar="FILE", help="eBird's bar chart, or a CSV; may be repeated"
    )
    parser.add_argument("--calibration", type=Path, metavar="JSON", help="what `hoopoe calibrate` wrote")
    parser.add_argument(
        "--export",
        metavar="NAME,...",
        help="formats to write, or none (default: megadetector,csv,events); `hoopoe export --help` lists them",
    )


def check_result_arguments(args: argparse.Namespace) -> None:
    """Refuse what would only fail after hours.

    Raises:
        ConfigError: A value or a format cannot be used, or a file is not there.
    """
    from detector.exports.formats import parse_formats

    if args.score_threshold is not None and not 0 <= args.score_threshold <= 1:
        problem = f"a score is between 0 and 1, not {args.score_threshold}"
        raise ConfigError(problem, where="--score-threshold", mend="such as 0.2")
    for name in ("batch_size", "workers"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ConfigError("at least 1 is needed", where=f"--{name.replace('_', '-')}", mend="leave it out")
    files = [args.deployments, args.taxonomy, args.calibration, *(args.prior or ())]
    for path in files:
        if path is not None and not path.is_file():
            raise ConfigError("there is no such file", where=path, mend="check the path")
    if args.export not in (None, "none"):
        parse_formats(args.export)


def work_options(args: argparse.Namespace, device: Any) -> WorkOptions:
    """How the work is spread."""
    from detector.annotation.options import WorkOptions

    return WorkOptions.chosen(device, args.batch_size, args.workers)


def finish(args: argparse.Namespace, output: Path, report: RunReport) -> int:
    """Decide, export, and print what was found.

    Returns:
        The exit code: 0, 1 where files failed, 130 where it was interrupted.
    """
    from detector.decisions.decide import decide, stored_options
    from detector.exports.export import export
    from detector.exports.formats import DEFAULT_FORMATS, parse_formats

    if report.interrupted:
        print(f"interrupted: {report.files} files are saved; the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    summary = decide(output, stored_options(output).model_copy(update=_decide_options(args)))
    formats: Sequence[str] = DEFAULT_FORMATS
    if args.export is not None:
        formats = () if args.export == "none" else parse_formats(args.export)
    paths = export(output, formats) if formats else []
    _print(report, summary, output, paths)
    return 1 if report.failed else 0


def _decide_options(args: argparse.Namespace) -> dict[str, object]:
    """What was said now; the rest is as it was decided last."""
    options: dict[str, object] = {}
    for name in ("deployments", "taxonomy", "calibration"):
        if getattr(args, name) is not None:
            options[name] = os.path.abspath(getattr(args, name))
    if args.prior:
        options["priors"] = [os.path.abspath(path) for path in args.prior]
    if args.score_threshold is not None:
        options["score_threshold"] = args.score_threshold
    return options


def _print(report: RunReport, summary: DecisionSummary, output: Path, paths: Sequence[Path]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    speed = f", {report.files / report.seconds:.1f} files/s" if report.seconds else ""
    files = Table("", "files", box=None, padding=(0, 2, 0, 0))
    files.add_row(f"looked at in {timedelta(seconds=round(report.seconds))}{speed}", str(report.files))
    if report.finished_before:
        files.add_row("finished before", str(report.finished_before))
    files.add_row("blank", str(summary.blank))
    for reason, count in report.failures.most_common(REASONS_SHOWN):
        files.add_row(f"failed: {escape(reason)}", str(count))
    if len(report.failures) > REASONS_SHOWN:
        rest = report.failed - sum(count for _, count in report.failures.most_common(REASONS_SHOWN))
        files.add_row("failed: other reasons", str(rest))
    console.print(files)
    if summary.names:
        names = Table(
            "name", "kind", "detections", "to review", "events", "most at once", box=None, padding=(0, 2, 0, 0)
        )
        for name in summary.names[:NAMES_SHOWN]:
            numbers = (name.detections, name.needs_review, name.events, name.largest_count)
            names.add_row(escape(name.display_name), name.kind, *map(str, numbers))
        console.print()
        console.print(names)
        if len(summary.names) > NAMES_SHOWN:
            console.print(f"... and {len(summary.names) - NAMES_SHOWN} more names")
    console.print()
    for problem in report.problems:
        console.print(f"not listed: {problem}", markup=False, highlight=False, soft_wrap=True)
    for path in paths or [output]:
        console.print(f"look at {path}", markup=False, highlight=False, soft_wrap=True)
