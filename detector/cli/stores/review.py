"""`hoopoe review OUT`: look at what was found in the browser, and say what it is."""

from __future__ import annotations

import argparse
import getpass

from detector.cli.options.exporting import add_root_argument, parse_roots
from detector.cli.options.shared import add_store_argument
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results, say

EXAMPLES = (
    "hoopoe review OUT",
    "hoopoe review OUT --reviewer Noa --root north=E:/north",
)
HIGHEST_PORT = 65_535


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe review`."""
    parser.epilog = (
        "The page is on this computer alone. Each mark is saved in OUT/reviews at once, with who and when, and can be "
        "taken back; names, events and counts follow some moments later. Ctrl-C ends it."
    )
    add_store_argument(parser)
    parser.add_argument("--reviewer", metavar="NAME", help="who looks (default: as at the last time, else your login)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser, only print the address")
    parser.add_argument("--port", type=_port, default=0, help="to listen on (default: any that is free)")
    parser.add_argument(
        "--blur",
        choices=("people", "none"),
        default="people",
        help="what nobody may recognise in pictures; people: persons and vehicles (default: %(default)s)",
    )
    add_root_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from backbones.errors import ConfigError
    from detector.base.reporting import task

    try:
        from detector.review.web.server import serve  # first: it needs what may not be installed
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this needs {error.name}, which is not installed",
            where="hoopoe review",
            hint="pip install 'hoopoe[review]'",
        ) from error
    from detector.review.asked import AskedError, Where, checked_query
    from detector.review.desk import Desk
    from detector.review.web.answers import Answers

    reviewer = args.reviewer
    if reviewer is not None:
        try:
            reviewer = checked_query(Where, {"reviewer": reviewer, "queue": "review"}).reviewer
        except AskedError as error:
            raise ConfigError(error.problem, where="--reviewer", hint="give a name") from None
    console = results()

    def started(address: str) -> None:
        say(console, f"look at {address}")
        say(console, "the page is on this computer alone; Ctrl-C ends it")
        if not args.no_browser:
            import webbrowser

            webbrowser.open(address)

    with task("reading the store", None, ""):
        answers = Answers(Desk(args.store, parse_roots(args.root), args.blur), reviewer, _login())
    serve(answers, args.port, started)
    return exit_codes.DONE


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # Windows without the usual variables
        return "somebody"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to {HIGHEST_PORT}")
    return int(text)
