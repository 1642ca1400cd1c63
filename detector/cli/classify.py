"""`hoopoe classify IMAGE ... --model MODEL`: the most likely species of each picture."""

import argparse

from backbones.errors import ConfigError, HoopoeError
from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.paths import each_of
from detector.cli.terminal.messages import print_error
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe classify bird.jpg --model davit_tiny_il-all",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe classify`."""
    parser.add_argument(
        "images", nargs="+", type=each_of("pictures"), metavar="IMAGE", help="a picture, best cropped to one bird"
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME_OR_PATH", help="a published model, or a file of weights"
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="how many species to show (default: %(default)s)"
    )
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table of each picture's species; a picture that cannot be read does not cost the others."""
    if args.top < 1:
        raise ConfigError(f"{args.top} species cannot be shown", where="--top", hint="ask for at least one")

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from detector.data.images import read_image
    from detector.species.classifier import SpeciesClassifier

    classifier = SpeciesClassifier.load(args.model, *device_and_precision(args))
    table = Table("picture", "species", "probability")
    failed = 0
    for image in args.images:
        try:
            probabilities = classifier.probabilities(read_image(image))
        except HoopoeError as error:
            failed += 1
            print_error(error)
            continue
        for rank, index in enumerate(probabilities.argsort()[::-1][: args.top].tolist()):
            picture = "" if rank else escape(str(image))
            table.add_row(picture, escape(classifier.class_names[index]), f"{probabilities[index]:.3f}")
        table.add_section()
    if table.row_count:
        Console().print(table)
    return 1 if failed else 0
