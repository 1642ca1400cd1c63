"""The commands and their options, from argparse."""

from __future__ import annotations

import argparse
import importlib

from detector.cli.main import COMMANDS
from hoopoe_docs.markdown import cell, table


def commands_page() -> str:
    """A section a command."""
    return "\n".join(_command(name, module, summary) for name, (module, summary) in COMMANDS.items())


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    parser = argparse.ArgumentParser(prog=f"hoopoe {name}", formatter_class=argparse.RawDescriptionHelpFormatter)
    importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
    return parser


def _command(name: str, module: str, summary: str) -> str:
    parser = command_parser(name)
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    rows = [_row(action) for action in parser._actions if action.help not in (None, argparse.SUPPRESS)]
    sentence = f"{summary[0].upper()}{summary[1:]}."
    text = f"## hoopoe {name}\n\n{sentence}\n\n```text\n{usage}\n```\n\n"
    text += table(["option", "values", "what it does"], [row for row in rows if row[0] != "`-h`, `--help`"])
    return text if parser.epilog is None else f"{text}\n```text\n{parser.epilog % {'prog': parser.prog}}\n```\n"


def _row(action: argparse.Action) -> list[str]:
    """Names, values, and help of an option or a positional argument."""
    metavar = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
    shown = metavar or ("" if action.nargs == 0 else action.dest.upper())
    choices = "" if action.choices is None else ", ".join(map(str, action.choices))
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{shown}`"
    text = (action.help or "") % {**vars(action), "prog": "hoopoe"}
    required = "" if not (action.required and action.option_strings) else " (required)"
    return [names + required, cell(choices or (f"`{shown}`" if action.option_strings and shown else "")), cell(text)]
