"""What commands of several kinds take alike: a store, pictures, settings of a configuration, whole numbers."""

import argparse
from collections.abc import Callable

from detector.cli.options.paths import folder_of, store_of
from detector.cli.terminal.parser import CommandParser


def add_store_argument(parser: CommandParser) -> None:
    """Declare OUT, a store that is there."""
    parser.add_argument(
        "store",
        type=store_of("an annotation"),
        metavar="OUT",
        help="the folder or address that was --output of `hoopoe annotate`",
    )


def add_images_argument(parser: CommandParser) -> None:
    """Declare --images, beside boxes that need them."""
    parser.add_argument(
        "--images", type=folder_of("the pictures"), required=True, metavar="DIR", help="the folder of their pictures"
    )


def add_set_argument(parser: CommandParser, example: str) -> None:
    """Declare --set, with an example of a setting."""
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"replace settings of the configuration, such as {example}",
    )


def add_suppression_argument(parser: CommandParser) -> None:
    """Declare --suppression."""
    parser.add_rare_argument(
        "--suppression",
        choices=("hard", "soft"),
        default="hard",
        help="of boxes that overlap a better one: hard drops them; soft lowers their scores, so that the second of two "
        "birds close together stays (default: %(default)s)",
    )


def at_least(least: int) -> Callable[[str], int]:
    """What argparse takes as `type`: a whole number from `least` up."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} up")
        return int(text)

    return read
