"""`hoopoe cards OUT`: list the cards of a store, call one otherwise, take one out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.base.reporting import task
from detector.cli.options.exporting import add_export_argument, asked_formats
from detector.cli.options.shared import add_store_argument
from detector.cli.summary.exported import print_exports
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

if TYPE_CHECKING:
    from detector.store.cards import CardSummary


EXAMPLES = (
    "hoopoe cards OUT",
    "hoopoe cards OUT --rename DCIM=north",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe cards`."""
    parser.epilog = (
        "A renamed card keeps its id, so that reviews and joins by media_id stay; the column `card` and deployments "
        "told from folders get the new name. Photos and videos of a removed card are not touched, only what OUT holds "
        "of them; reviews are kept, and count when the card is annotated again. Afterwards it is decided anew."
    )
    add_store_argument(parser)
    parser.add_argument("--rename", metavar="OLD=NEW", help="call a card otherwise")
    parser.add_argument("--remove", metavar="CARD", help="take a card out of the store")
    parser.add_argument("--yes", action="store_true", help="do not ask before a card is taken out")
    add_export_argument(parser)


def run(args: argparse.Namespace) -> int:
    """List the cards, or change one and decide anew."""
    from detector.store.cards import list_cards, remove_card, rename_card

    console = results()
    asked = asked_formats(args)
    if args.rename is None and args.remove is None:
        _print_cards(console, list_cards(args.store))
        return exit_codes.DONE
    if args.rename is not None and args.remove is not None:
        raise ConfigError("one thing at a time", where="--remove", hint="give --rename and --remove in two commands")
    if args.rename is not None:
        old, equals, new = args.rename.partition("=")
        if not (old and equals and new):
            raise ConfigError(f"this is not OLD=NEW: '{args.rename}'", where="--rename", hint="such as reader-2=north")
        rename_card(args.store, old, new)
        console.print(f"card '{old}' is called '{new}' now", markup=False, highlight=False)
    else:
        _ask(args, list_cards(args.store))
        removed = remove_card(args.store, args.remove)
        text = f"card '{args.remove}' is taken out: {removed.files} files"
        console.print(f"{text}; {removed.reviews} reviews of them are kept", markup=False, highlight=False)
    _decide_anew(console, args.store, asked)
    return exit_codes.DONE


def _ask(args: argparse.Namespace, cards: list[CardSummary]) -> None:
    card = next((each for each in cards if args.remove in (each.card, each.label)), None)
    if args.yes or card is None:  # one that is not known is said to be so when it is looked for
        return
    question = f"take card '{args.remove}' with its {card.files} files out of {args.store}?"
    if not sys.stdin.isatty():
        raise ConfigError(question, where="--remove", hint="give --yes: what the models saw of it is gone then")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was taken out", where="--remove", hint="answer y, or give --yes")


def _decide_anew(console: Any, store: Path, asked: tuple[str, ...] | None) -> None:
    from detector.decisions.decide import decide, stored_options
    from detector.exports.refresh import refresh
    from detector.store.layout import decisions_folder

    if decisions_folder(store).is_dir():
        with task("deciding", None, ""):
            decide(store, stored_options(store))
        print_exports(console, store, refresh(store, asked))


def _print_cards(console: Any, cards: list[CardSummary]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(("card", "files", "failed", "first", "last", "there now", "folder")):
        table.add_column(heading, justify="right" if number in (1, 2) else "left", overflow="fold")
    for each in cards:
        name = each.card if each.label == each.card else f"{each.label} (id {each.card})"
        times = ("" if time is None else f"{time:%Y-%m-%d %H:%M}" for time in (each.first, each.last))
        table.add_row(
            escape(name), f"{each.files:,}", f"{each.failed:,}", *times, escape(_there(each)), escape(each.root)
        )
    console.print(table)


def _there(card: CardSummary) -> str:
    presence = card.presence
    if presence.state == "other":
        return "another card"
    if presence.state == "gone":
        return "no"
    return "yes" if presence.there == presence.known else f"{presence.there:,} of {presence.known:,}"
