"""`hoopoe download NAME ...`: fetch published models ahead of a trip."""

import argparse

from backbones.errors import HoopoeError
from detector.cli.terminal.messages import print_error
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe download coco davit_tiny_il-all",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe download`."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a published classifier, such as davit_tiny_il-all, or the detectors coco and coco-fast",
    )


def run(args: argparse.Namespace) -> int:
    """Download each model and print where it lies; one that fails does not cost the others."""
    from backbones.pretrained import download
    from detector.models.coco import BUILT_IN, coco_file

    failed = 0
    for name in args.names:
        try:
            print(f"{name}: {coco_file(name) if name in BUILT_IN else download(name)}")
        except HoopoeError as error:
            failed += 1
            print_error(error)
    if failed == 0:
        return 0
    return 2 if failed == len(args.names) else 1
