"""What every command that makes decisions anew has in common: which exports follow, and what is said of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from backbones.errors import ConfigError
from detector.base.objects.address import Address, Place, place_of
from detector.cli.terminal.parser import CommandParser

NONE = "none"


def add_export_argument(parser: CommandParser, at_first: str = "") -> None:
    """Declare --export.

    Args:
        parser: Of the command.
        at_first: What is written where nothing was yet, in words.
    """
    parser.add_argument(
        "--export",
        metavar="NAME,...",
        help=f"formats to write beside the tables of before, or none (default: those tables{at_first}); see "
        "`hoopoe export --help`",
    )


def add_blur_argument(parser: CommandParser) -> None:
    """Declare --blur."""
    parser.add_argument(
        "--blur",
        choices=("people", "none"),
        help="what nobody may recognise in pictures and videos; people: persons and vehicles (default: people in the "
        "report, none elsewhere); originals are never changed",
    )


def add_root_argument(parser: CommandParser) -> None:
    """Declare --root."""
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="CARD=PATH",
        help="where a card is now, if it has moved; may be repeated",
    )


def asked_formats(args: argparse.Namespace) -> tuple[str, ...] | None:
    """The formats of --export; None: it was not given.

    Raises:
        ConfigError: One is not known.
    """
    from detector.exports.formats import parse_formats

    if args.export is None:
        return None
    return () if args.export == NONE else parse_formats(args.export)


def parse_roots(texts: list[str]) -> dict[str, Place]:
    """Card id to folder, of `--root CARD=PATH`.

    Raises:
        ConfigError: If there is no `=` in one.
    """
    roots: dict[str, Place] = {}
    for text in texts:
        card, equals, path = text.partition("=")
        if not (card and equals and path):
            raise ConfigError(f"this is not CARD=PATH: '{text}'", where="--root", hint="such as --root north=E:/north")
        roots[card] = place_of(path)
    return roots


def parse_disk_roots(texts: list[str]) -> dict[str, Path]:
    """The same for what reads files of disks only.

    Raises:
        ConfigError: A root is an address.
    """
    roots = parse_roots(texts)
    for card, root in roots.items():
        if isinstance(root, Address):
            raise ConfigError("a folder on this machine is needed", where=f"--root {card}={root}", hint="copy it here")
    return {card: root for card, root in roots.items() if isinstance(root, Path)}
