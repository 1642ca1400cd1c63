"""What commands of several kinds take alike: a store, and settings of a configuration."""

from detector.cli.options.paths import folder_of
from detector.cli.terminal.parser import CommandParser


def add_store_argument(parser: CommandParser) -> None:
    """Declare OUT, a store that is there."""
    parser.add_argument(
        "store",
        type=folder_of("an annotation"),
        metavar="OUT",
        help="the folder that was --output of `hoopoe annotate`",
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
