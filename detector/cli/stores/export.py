"""`hoopoe export OUT`: write what annotation and decisions found for other programs."""

import argparse

from backbones.errors import ConfigError
from detector.base.reporting import warn
from detector.cli.options.cluster import add_deciding_cluster_arguments, deciding_cluster
from detector.cli.options.exporting import add_blur_argument, add_root_argument, parse_roots
from detector.cli.options.shared import add_store_argument
from detector.cli.summary.exported import old_lines
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser

MAKES_PICTURES = True
EXAMPLES = (
    "hoopoe export OUT --format xlsx,camtrap-dp",
    "hoopoe export OUT --format images --root north=E:/north",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe export`."""
    from detector.exports.formats import DEFAULT_FORMATS, FORMATS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(map(len, FORMATS)) + 2
    listed = "\n".join(f"  {name:<{width}}{one.summary}" for name, one in FORMATS.items())
    parser.epilog = f"formats:\n{listed}\n\nNo model is loaded; files are replaced when they are whole."
    add_store_argument(parser)
    parser.add_argument(
        "--format",
        default=",".join(DEFAULT_FORMATS),
        metavar="NAME,...",
        help="what to write, see below (default: %(default)s)",
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="SCORE",
        help="show detections with at least this score (default: that of the store's decisions)",
    )
    add_root_argument(parser)
    add_blur_argument(parser)
    add_deciding_cluster_arguments(parser)
    parser.add_rare_argument(
        "--label-studio-prefix",
        metavar="ADDRESS",
        help="what Label Studio's addresses of files begin with (default: /data/local-files/?d=)",
    )
    parser.add_rare_argument("--title", help="of the project, for Camtrap DP")
    parser.add_rare_argument("--contributor", help="who made the data, for Camtrap DP")
    parser.add_rare_argument("--data-license", metavar="ID", help="of the tables, such as CC0-1.0, for Camtrap DP")
    parser.add_rare_argument(
        "--media-license", metavar="ID", help="of photos and videos, such as CC-BY-4.0, for Camtrap DP"
    )


def run(args: argparse.Namespace) -> int:
    """Write, and name what was written on stdout and what was left out on stderr."""
    from detector.exports.export import export
    from detector.exports.formats import parse_formats
    from detector.exports.history import old_formats
    from detector.exports.source import ExportOptions, ExportSource
    from detector.store.copies import shown

    formats, cluster = parse_formats(args.format), deciding_cluster(args)
    threshold = args.score_threshold
    if threshold is None:
        threshold = ExportSource.of(args.store).score_threshold
    if not 0 <= threshold <= 1:
        raise ConfigError(f"a score is between 0 and 1, not {threshold}", where="--score-threshold", hint="such as 0.2")
    faults: list[str] = []
    wishes = ("label_studio_prefix", "title", "contributor", "data_license", "media_license", "blur")
    options = ExportOptions(
        score_threshold=threshold,
        roots=parse_roots(args.root),
        notify=warn,
        fault=faults.append,
        **{wish: value for wish in wishes if (value := getattr(args, wish)) is not None},
    )
    for path in export(args.store, formats, options, cluster):
        print(shown(path))
    for line in [*faults, *old_lines(args.store, old_formats(args.store))]:
        warn(line)
    return exit_codes.FAULTS if faults else exit_codes.DONE
