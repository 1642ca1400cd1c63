"""`hoopoe classify PICTURES ... --model MODEL`: the most likely species of each picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from backbones.errors import HoopoeError
from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.models import check_classifier
from detector.cli.options.paths import each_of
from detector.cli.options.shared import at_least
from detector.cli.terminal import exit_codes
from detector.cli.terminal.messages import print_error
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.cli.pictures.files import Named
    from detector.cli.pictures.listing import Listed

EXAMPLES = (
    "hoopoe classify bird.jpg --model davit_tiny_il-all",
    "hoopoe classify crops --model davit_tiny_il-all --output names.csv",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe classify`."""
    parser.epilog = (
        "Without --output a table is printed. CSV has a row a picture and species, JSON an object a picture. Birds in "
        "whole photos are found first: `hoopoe annotate`."
    )
    what = "a picture, best cropped to one bird, or a folder of pictures and folders"
    parser.add_argument("images", nargs="+", type=each_of("pictures"), metavar="PICTURES", help=what)
    parser.add_argument("--model", required=True, metavar="WEIGHTS", help="a published classifier, or a file of one")
    parser.add_argument("--output", type=each_of("results"), metavar="FILE", help="write a .json or .csv of all names")
    parser.add_argument(
        "--top", type=at_least(1), default=5, metavar="N", help="species a picture (default: %(default)s)"
    )
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write each picture's species; a picture that cannot be read does not cost the others."""
    from detector.api.classify import classify, load_classifier
    from detector.cli.pictures.files import Named, check_output, write_names
    from detector.cli.pictures.listing import list_pictures, read_each

    if args.output is not None:
        check_output(args.output)
    check_classifier("--model", args.model, f"`hoopoe predict --model {args.model}` finds birds in pictures")
    pictures = list_pictures(args.images)
    classifier = load_classifier(args.model, *device_and_precision(args))
    named: list[tuple[Listed, Named]] = []
    errors: list[HoopoeError] = []

    def failed(picture: Listed, error: HoopoeError) -> None:
        errors.append(error)
        named.append((picture, Named(picture.name, failure=error.problem)))

    for picture, image in read_each(pictures, "classifying", failed):
        named.append((picture, Named(picture.name, tuple(classify(classifier, image).top(args.top)))))
    if args.output is None:
        _print_table(named)
    else:
        write_names(args.output, [each for _, each in named], classifier.name)
        print(f"{args.output}: {len(named) - len(errors)} of {len(named)} pictures")
    for error in errors:
        print_error(error)
    return exit_codes.FAULTS if errors else exit_codes.DONE


def _print_table(named: list[tuple[Listed, Named]]) -> None:
    from rich.markup import escape

    from detector.cli.terminal.tables import new_table, results

    table = new_table("picture", "species", "probability", texts=2)
    for picture, each in named:
        for rank, (name, probability) in enumerate(each.species):
            table.add_row("" if rank else escape(str(picture.path)), escape(name), f"{probability:.3f}")
    if table.row_count:
        results().print(table)
