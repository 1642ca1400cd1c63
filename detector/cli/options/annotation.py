"""What `annotate`, `classify-crops` and `reclassify` have in common: options, and what comes after the models."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.base.reporting import task, warn
from detector.cli.options.cluster import add_cluster_arguments, check_cluster, cluster_options, workers_of
from detector.cli.options.decisions import add_decision_arguments, decision_options
from detector.cli.options.devices import add_device_arguments
from detector.cli.options.exporting import add_export_argument, asked_formats
from detector.cli.options.paths import store_of
from detector.cli.summary.decided import print_summary
from detector.cli.summary.exported import print_exports, print_next
from detector.cli.summary.looked import print_report
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

if TYPE_CHECKING:
    from detector.annotation.request import RunSettings
    from detector.annotation.run import RunReport
    from detector.decisions.options import DecideOptions
    from detector.store.run_file import RunFile


def add_results_argument(parser: CommandParser) -> None:
    """Declare --output."""
    parser.add_argument(
        "--output",
        type=store_of("the results", written=True),
        required=True,
        metavar="OUT",
        help="folder (or s3://BUCKET/OUT) to write to or go on in",
    )


def add_species_argument(parser: CommandParser) -> None:
    """Declare --species where birds are not named without."""
    parser.add_argument(
        "--species", required=True, metavar="WEIGHTS", help="the classifier: published name or file of weights"
    )


def add_root_argument(parser: CommandParser) -> None:
    """Declare --root."""
    parser.add_rare_argument(
        "--root", action="append", default=[], metavar="CARD=PATH", help="where a card is now, if it has moved"
    )


def add_work_arguments(parser: CommandParser) -> None:
    """Declare how the work is spread."""
    add_device_arguments(parser)
    parser.add_rare_argument(
        "--batch-size", type=int, metavar="N", help="pictures at once (default: what suits the device)"
    )
    parser.add_rare_argument(
        "--workers",
        type=workers_of,
        metavar="N",
        help="processes that read files (default: by the cores); with --engine ray workers, or bounds, such as 2:8",
    )
    add_cluster_arguments(parser)


def add_retry_argument(parser: CommandParser) -> None:
    """Declare --retry-failed."""
    parser.add_rare_argument("--retry-failed", action="store_true", help="look again at files that failed before")


def add_result_arguments(parser: CommandParser) -> None:
    """Declare what is decided of the facts, and what is written of the decisions."""
    add_decision_arguments(parser)
    add_export_argument(parser, "; at first megadetector,csv,events")


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what would only fail after hours.

    Raises:
        ConfigError: A value or a format cannot be used, or a file is not there.
    """
    from detector.decisions.options import DecideOptions
    from detector.exports.formats import parse_formats

    decision_options(args, DecideOptions.model_validate({}))
    if args.export not in (None, "none"):
        parse_formats(args.export)
    check_cluster(args)
    for name in ("batch_size", "audit", "proposals"):
        if getattr(args, name, None) is not None and getattr(args, name) < 1:
            raise ConfigError("at least 1 is needed", where=f"--{name.replace('_', '-')}", hint="leave it out")
    for name, example in (("classify_from", 0.2), ("lowest_score", 0.1), ("first_pass_threshold", 0.05)):
        score = getattr(args, name, None)
        if score is not None and not 0 <= score <= 1:
            problem = f"a score is between 0 and 1, not {score}"
            raise ConfigError(problem, where=f"--{name.replace('_', '-')}", hint=f"such as {example}")


def check_tables(args: argparse.Namespace, output: Path, models: RunFile) -> None:
    """Read the tables that decisions will be made by, so that a wrong one is found before the models have run.

    Args:
        args: The options.
        output: The store, which may not be there yet.
        models: Names the detector and the classifier.

    Raises:
        DataError: A table is wrong.
        ConfigError: The calibration is another classifier's.
    """
    from detector.decisions.rules import read_rules

    read_rules(models, stored_decisions(args, output))


def stored_decisions(args: argparse.Namespace, output: Path) -> DecideOptions:
    """What will be decided by: what is given, and else what the store was decided by before."""
    from detector.decisions.options import DecideOptions
    from detector.store.run_json import read_run

    before = read_run(output)
    return decision_options(args, DecideOptions.model_validate({} if before is None else before.decisions))


def run_settings(args: argparse.Namespace, device: Any) -> RunSettings:
    """How the run goes about its work."""
    from detector.annotation.options import WorkOptions
    from detector.annotation.request import RunSettings

    cluster, asked = cluster_options(args), {"retry_failed": args.retry_failed, "price_per_hour": args.price_per_hour}
    if cluster is not None:
        return RunSettings(cluster=replace(cluster, batch_size=args.batch_size), **asked)
    workers = None if args.workers is None else args.workers[0]
    return RunSettings(WorkOptions.chosen(device, args.batch_size, workers), **asked)


def finish(args: argparse.Namespace, output: Path, report: RunReport) -> int:
    """Decide, export, and print what was found.

    Returns:
        See `exit_codes`.
    """
    from detector.decisions.decide import decide, stored_options
    from detector.exports.formats import DEFAULT_FORMATS
    from detector.exports.refresh import refresh

    if report.signal is not None:
        for note in report.notes:
            warn(f"look: {note}")
        warn(f"interrupted: {report.files} files are saved; the same command goes on from there")
        return exit_codes.interrupted(report.signal)
    console = results()
    with task("deciding", None, "") as progress:
        summary = decide(output, decision_options(args, stored_options(output)), progress=progress)
    refreshed = refresh(output, asked_formats(args), DEFAULT_FORMATS)
    print_report(console, report)
    print_summary(console, summary)
    print_exports(console, output, refreshed)
    print_next(console, output, summary)
    return exit_codes.DONE if report.all_well else exit_codes.FAULTS
