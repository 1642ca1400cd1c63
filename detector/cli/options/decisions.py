"""The options of decisions, for every command that makes them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.cli.options.paths import file_of
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.decisions.options import DecideOptions
    from detector.types import Kind

NONE = "none"
FILES = {  # what is in the file of an option
    "deployments": "cameras, as `hoopoe deployments` writes it",
    "taxonomy": "names of classes",
    "prior": "species and how often they are seen",
    "calibration": "a calibration, as `hoopoe calibrate` writes it",
}


def add_decision_arguments(parser: CommandParser) -> None:
    """Declare the options of decisions; one that is not given stays as it was the last time."""
    parser.add_argument("--deployments", metavar="CSV", help="the table of cameras (`hoopoe deployments`), or none")
    parser.add_rare_argument(
        "--taxonomy", metavar="CSV", help="names of classes that override the shipped ones; or none"
    )
    add_kind_argument(parser)
    parser.add_argument(
        "--prior",
        action="append",
        metavar="FILE",
        help="how often species are seen there: eBird's bar chart, or a CSV scientific_name,period,frequency; one a "
        "region, which the column `prior` of the deployments names; or none",
    )
    parser.add_argument("--calibration", metavar="JSON", help="what `hoopoe calibrate` wrote; or none")
    parser.add_argument(
        "--score-threshold", type=float, metavar="SCORE", help="boxes count from this score up (default: 0.2)"
    )
    parser.add_argument(
        "--name-threshold", type=float, metavar="P", help="names count from this confidence up (default: 0.65)"
    )
    parser.add_argument(
        "--independence",
        nargs="+",
        metavar="MIN",
        help="minutes between two events of a species (default: 30), also by kind of camera: 30 feeder=10",
    )
    parser.add_rare_argument(
        "--camera-from", metavar="REGEX", help="what in card and folder names the camera, where no table does; or none"
    )
    parser.add_rare_argument(
        "--outside-period",
        choices=("leave-out", "count"),
        help="files outside the period that the table states for their camera (default: leave out of events and "
        "effort); count makes the period longer",
    )
    parser.add_rare_argument(
        "--unmatched",
        choices=("error", "allow"),
        help="rows of the table without files, while there are files without a row (default: error, for names were "
        "probably changed by a spreadsheet)",
    )
    parser.add_rare_argument(
        "--repeats",
        choices=("leave-out", "leave-out-at-nests-too", "count"),
        help="what stands still in many pictures of a camera (default: leave out of the counts, but not at nests)",
    )
    parser.add_rare_argument(
        "--time-from",
        choices=("camera", "mtime"),
        help="what files without a time in them or in their names get: none (default), or when each was last changed",
    )
    parser.add_rare_argument(
        "--repeat-days",
        type=int,
        metavar="N",
        help="different days on which something must be seen to stand still before it is left out of the counts: birds "
        "sit for hours, and on nests for days (default: 5)",
    )
    parser.add_rare_argument(
        "--gap-days", type=int, metavar="N", help="days without any file that say a camera stood still (default: 7)"
    )


def add_kind_argument(parser: CommandParser) -> None:
    """Declare --kind."""
    parser.add_rare_argument(
        "--kind",
        action="append",
        metavar="LABEL=KIND",
        help="what a label is that is not known: bird, animal (not a bird), person, vehicle or blank; or none, to "
        "forget what was said",
    )


def parse_kinds(words: Sequence[str]) -> dict[str, Kind]:
    """The kinds by label of --kind.

    Raises:
        ConfigError: One is not LABEL=KIND.
    """
    from detector.species.names.kinds import SETTLED
    from detector.types import Kind

    kinds = {}
    for word in words:
        label, _, kind = word.rpartition("=")
        settles = kind.strip().lower() in SETTLED and bool(label.strip())
        _check(settles, "kind", f"LABEL=KIND with {', '.join(SETTLED)}", word)
        kinds[label.strip()] = Kind(kind.strip().lower())
    return kinds


def decision_options(args: argparse.Namespace, stored: DecideOptions) -> DecideOptions:
    """The options that were used last, with those that are given now.

    Args:
        args: Of a parser that `add_decision_arguments` filled.
        stored: Of the last time; see `detector.decisions.decide.stored_options`.

    Raises:
        ConfigError: A value cannot be used, or a file is not there.
    """
    from pydantic import ValidationError

    from detector.decisions.options import DecideOptions
    from detector.deployments.folders import compile_camera

    given: dict[str, Any] = {}
    for name in ("deployments", "taxonomy", "calibration"):
        if getattr(args, name) is not None:
            given[name] = _file(name, getattr(args, name))
    if args.prior:
        given["priors"] = [] if args.prior == [NONE] else [_file("prior", path) for path in args.prior]
    if args.kind:
        given["kinds"] = {} if args.kind == [NONE] else {**stored.kinds, **parse_kinds(args.kind)}
    for name in ("score_threshold", "name_threshold"):
        value = getattr(args, name)
        if value is not None:
            _check(0 <= value <= 1, name, "a number from 0 to 1", value)
            given[name] = value
    if args.independence:
        given["independence_min"], given["independence_by_kind"] = _independence(args.independence)
    if args.camera_from is not None:
        given["camera_from"] = None if args.camera_from == NONE else compile_camera(args.camera_from).pattern
    if args.outside_period:
        given["outside_period"] = args.outside_period
    if args.unmatched:
        given["unmatched"] = args.unmatched == "allow"
    if args.repeats:
        given["repeats"] = args.repeats != "count"
        given["repeats_at_nests"] = args.repeats == "leave-out-at-nests-too"
    if args.time_from:
        given["time_from"] = args.time_from
    for name in ("gap_days", "repeat_days"):
        if (days := getattr(args, name)) is not None:
            _check(days >= 1, name, "a number of days from 1 up", days)
            given[name] = days
    try:
        return DecideOptions.model_validate({**stored.model_dump(), **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}"
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise ConfigError(problem, where=option, hint="correct the value") from None


def _file(name: str, text: str) -> str | None:
    if text == NONE:
        return None
    path = Path(text).expanduser()
    file_of(FILES[name]).check(f"--{name}", path)
    return os.path.abspath(path)


def _independence(words: Sequence[str]) -> tuple[float, dict[str, float]]:
    minutes: float = 30.0
    by_kind: dict[str, float] = {}
    for word in words:
        kind, equals, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        _check(0 <= value < float("inf"), "independence", "minutes, or kind=minutes", word)
        if equals:
            by_kind[kind.lower()] = value
        else:
            minutes = value
    return minutes, by_kind


def _check(right: bool, name: str, wanted: str, value: object) -> None:
    if not right:
        option = f"--{name.replace('_', '-')}"
        raise ConfigError(f"this takes {wanted}, not {value}", where=option, hint="correct the value")
