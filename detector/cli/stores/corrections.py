"""`hoopoe corrections OUT --output FOLDER`: what people said of pictures, as COCO boxes to train a detector on."""

from __future__ import annotations

import argparse

from detector.base.reporting import warn
from detector.cli.options.exporting import add_root_argument, parse_roots
from detector.cli.options.paths import new_folder_of
from detector.cli.options.shared import add_store_argument
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

EXAMPLES = (
    "hoopoe corrections OUT --output corrections",
    "hoopoe corrections OUT --output corrections --labels kinds",
)
FAULTS_LISTED = 5


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe corrections`."""
    parser.epilog = (
        "Boxes that people confirmed, named, drew or moved are taught; confirmed blanks are pictures without boxes; "
        "boxes of which nobody said anything are ignored regions. Whole deployments are kept for evaluation."
    )
    add_store_argument(parser)
    parser.add_argument(
        "--output",
        type=new_folder_of("the data set"),
        required=True,
        metavar="FOLDER",
        help="where train.json, val.json and images/ go; those of before are replaced",
    )
    parser.add_argument(
        "--labels",
        choices=("birds", "kinds", "species"),
        default="birds",
        help="the categories: one of all birds; bird, animal, person and vehicle; or each species (%(default)s)",
    )
    add_root_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the data set, and say what is in it and what to do with it."""
    from detector.exports.corrections.writing import write_corrections
    from detector.exports.source import ExportOptions

    options = ExportOptions(roots=parse_roots(args.root))
    made = write_corrections(args.store, args.output, args.labels, options)
    console = results()
    boxes = ", ".join(f"{count:,} {name}" for name, count in made.boxes.items() if count) or "no box that is taught"
    say(console, f"{made.train + made.val:,} pictures: {boxes}; {made.ignored:,} ignored regions; {made.blank:,} blank")
    say(console, f"{made.train:,} to train on, {made.val:,} to evaluate on: {made.rule}")
    images = args.output / "images"
    words = (
        f"hoopoe train CONFIG --init DETECTOR --train-annotations {args.output / 'train.json'} --train-images {images}"
    )
    if made.val:
        words += f" --val-annotations {args.output / 'val.json'} --val-images {images}"
    say(console, f"next: `{words} --output runs/corrected`")
    for line in made.faults[:FAULTS_LISTED]:
        warn(line)
    if len(made.faults) > FAULTS_LISTED:
        warn(f"{len(made.faults) - FAULTS_LISTED} more files are left out")
    return exit_codes.FAULTS if made.faults else exit_codes.DONE
